# SPDX-License-Identifier: Apache-2.0
"""The network in C against its integer twin: logits, all states, spikes, strict mode; and reset,
splits, worst cases."""

from dataclasses import replace

import numpy as np
import pytest
from edge_lp import core, runtime
from edge_lp.errors import OverflowDetected
from edge_lp.model.format import pack
from edge_lp.model.spec import RANGES, Layer, Matrix
from hypothesis import given, settings
from hypothesis import strategies as st
from random_model import random_frames, random_matrix, random_spec
from twins import net as oracle


def same(net, expected, logits):
    assert logits.tolist() == expected.logits
    assert net.counts().spikes == expected.spikes
    assert net.n_groups == len(expected.groups)
    for g, group in enumerate(expected.groups):
        state = net.state(g)
        assert state["u"].tolist() == group.u and state["v"].tolist() == group.v, f"group {g}"
        assert ("spikes" in state) == (group.s is not None)
        if group.s is not None:
            assert state["spikes"].tolist() == group.s, f"group {g}"


def compare(spec, frames):
    """C and twin on the same frames, in normal and in strict mode. Returns the twin's run."""
    model, expected = runtime.Model(pack(spec)), oracle.run(spec, frames)
    net, strict = runtime.Net(model), runtime.Net(model, core.STRICT)
    same(net, expected, net.push(frames))
    if expected.overflow is None:
        same(strict, expected, strict.push(frames))
    else:
        with pytest.raises(OverflowDetected) as e:
            strict.push(frames)
        assert (
            *(e.value.where[k] for k in ("step", "group", "index", "what", "value")),
        ) == expected.overflow
    return expected


@pytest.mark.parametrize(
    "sizes", [(128, 128), (16,), (30, 11, 24), (1, 1), (9, 10, 11, 20, 21, 2, 3)]
)
@pytest.mark.parametrize("density", [1.0, 0.15])
def test_default_operating_point(sizes, density):
    run = compare(random_spec(11, sizes, density=density), random_frames(5, 12))
    assert run.overflow is None and (run.spikes > 0 or sum(sizes) < 10)


@st.composite
def any_spec(draw):
    """Every field over its whole range; matrices of every density, scale and extreme."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    point = {
        name: draw(st.sampled_from([low, high]) | st.integers(low, high))
        for name, (low, high) in RANGES.items()
    }
    point["steps"] = draw(st.integers(1, 20))
    sizes = draw(st.lists(st.integers(1, 24), min_size=1, max_size=4))
    n_labels = draw(st.integers(1, 13))

    def matrix(n_in, n_out, shift):
        scale = draw(st.integers(max(0, shift - 12), min(15, shift)))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            return Matrix(np.full((n_in, n_out), draw(st.sampled_from([-4, 3])), np.int8), scale)
        if kind == 1:  # one target gets everything: sparse, and soon more than 16 bits
            codes = np.zeros((n_in, n_out), np.int8)
            codes[:, draw(st.integers(0, n_out - 1))] = draw(st.sampled_from([-4, 3]))
            return Matrix(codes, scale)
        return random_matrix(
            rng, n_in, n_out, draw(st.floats(0.3, 3)), draw(st.sampled_from([0.1, 0.5, 1.0])), scale
        )

    layers, n_in = [], 40
    for i, n in enumerate([*sizes, n_labels]):
        last = i == len(sizes)
        shift = point["output_shift"] if last else point["synapse_shift"]
        w = matrix(n_in, n, shift if i else 12)
        u = matrix(n, n, point["synapse_shift"]) if not last and draw(st.booleans()) else None
        layers.append(
            Layer(w, u, rng.integers(-32768, 32768, n).astype(np.int16), draw(st.integers(0, 7)))
        )
        n_in = n
    frames = draw(st.sampled_from([0, 3, 1000, 32767])) * rng.choice(
        [-1, 1], (3, 40)
    ) - rng.integers(0, 2, (3, 40))
    return random_spec(0, sizes, n_labels, n_labels, **point, layers=layers), frames.astype(
        np.int16
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(any_spec())
def test_any_model(case):
    spec, frames = case
    compare(spec, frames)


def one_column(n, column, code, scale):
    codes = np.zeros((n, n), np.int8)
    codes[:, column] = code
    return Matrix(codes, scale)


@pytest.mark.parametrize("code", [-4, 3])
def test_accumulator_wraps_at_16_bits(code):
    """All 20 units spike and drive one target with code << 12: far beyond 16 bits, and the twin
    says so in the same words as strict mode."""
    w = Matrix(np.full((40, 20), 3, np.int8), 3)
    first = Layer(w, one_column(20, 7, code, 3), np.full(20, 32767, np.int16), 7)
    output = random_spec(1, (20,)).layers[1]
    spec = random_spec(1, (20,), layers=[first, output], synapse_shift=15, output_shift=9)
    run = compare(spec, np.full((3, 40), 16384, np.int16))
    _, group, index, what, value = run.overflow
    assert (group, index, what) == (0, 7, "q") and abs(value) > 32768


@pytest.mark.parametrize("feature", [-32768, 32767])
@pytest.mark.parametrize("code", [-4, 3])
@pytest.mark.parametrize("shift", [6, -16])
def test_worst_drive(feature, code, shift):
    """The greatest sums of the first layer, in both codings: the twin's integers have no width."""
    first = [
        Layer(Matrix(np.full((40, 21), code, np.int8), 3), None, np.full(21, -32768, np.int16), 7),
        Layer(
            Matrix(np.eye(40, 21, dtype=np.int8) * code, 3), None, np.full(21, 32767, np.int16), 7
        ),
    ]
    for layer in first:
        spec = random_spec(
            1, (21,), layers=[layer, random_spec(1, (21,)).layers[1]], drive_shift=shift
        )
        compare(spec, np.full((2, 40), feature, np.int16))


def test_worst_dense_sums():
    """A fan-in just inside what whole words can add, all codes 3 or all -4, everyone spikes in
    every step: no lane carries into its neighbour."""
    for code in (-4, 3):
        hidden = Layer(
            Matrix(np.full((40, 146), 3, np.int8), 3),
            Matrix(np.full((146, 146), code, np.int8), 0),
            np.full(146, 32767, np.int16),
            7,
        )
        output = Layer(
            Matrix(np.full((146, 12), code, np.int8), 0), None, np.zeros(12, np.int16), 0
        )
        spec = random_spec(1, (146,), layers=[hidden, output], synapse_shift=6, output_shift=6)
        assert 65000 <= 7 * 146 * 2**6 <= 65535
        assert compare(spec, np.full((3, 40), 16384, np.int16)).spikes > 146


def test_greatest_logit():
    """u at its largest times the greatest multiplier fits 32 bits, and the clip at 2^24 is the
    twin's."""
    hidden = Layer(Matrix(np.full((40, 20), 3, np.int8), 3), None, np.full(20, 32767, np.int16), 7)
    for code in (-4, 3):
        output = Layer(one_column(20, 0, code, 0), None, np.full(20, 32767, np.int16), 7)
        spec = random_spec(
            1,
            (20,),
            20,
            layers=[hidden, output],
            output_shift=9,
            delta=1,
            logit_mul=255,
            logit_shift=0,
            feedback=1,
            steps=200,
        )
        run = compare(spec, np.full((2, 40), 16384, np.int16))
        assert abs(run.logits[-1][0]) > 2**23


def test_reset_equals_fresh_and_any_split_equals_one_run():
    model, frames = runtime.Model(pack(random_spec(3))), random_frames(1, 30)
    net = runtime.Net(model)
    expected = net.push(frames)
    net.reset()
    parts = np.concatenate([net.push(frames[:1]), net.push(frames[1:17]), net.push(frames[17:])])
    assert parts.tolist() == expected.tolist() and net.counts().spikes > 0


def test_dense_and_sparse_coding_of_the_same_matrix_agree():
    """Two equal halves of a layer, one of which gets padding targets that make its coding another
    one, compute the same."""
    rng, frames = np.random.default_rng(2), random_frames(3, 10)
    spec = random_spec(2, (40, 24), density=0.28)
    codes = spec.layers[1].w.codes
    wide = np.concatenate([codes, rng.integers(-4, 4, codes.shape)], axis=1).astype(np.int8)
    grown = [
        spec.layers[0],
        replace(spec.layers[1], w=Matrix(wide, 3), u=None, bias=np.tile(spec.layers[1].bias, 2)),
        Layer(
            Matrix(np.concatenate([spec.layers[2].w.codes, np.zeros((24, 12), np.int8)]), 3),
            None,
            spec.layers[2].bias,
            0,
        ),
    ]
    spec = replace(spec, layers=[spec.layers[0], replace(spec.layers[1], u=None), spec.layers[2]])
    a, b = (runtime.Model(pack(s)) for s in (spec, replace(spec, layers=grown)))
    assert a.c.layers[1].w.kind != b.c.layers[1].w.kind
    assert runtime.Net(a).push(frames).tolist() == runtime.Net(b).push(frames).tolist()
