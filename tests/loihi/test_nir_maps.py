# SPDX-License-Identifier: Apache-2.0
"""What lies between a NIR graph's neurons (matrices, convolutions, pools, delays, subgraphs), as
synapses; and what no Loihi core can do, in one line."""

from __future__ import annotations

import numpy as np
import pytest
from edge_lp.loihi import LimitError, from_nir
from edge_lp.loihi.operators import chain, convolution, identity, matrix
from hypothesis import given, settings
from hypothesis import strategies as st

nir = pytest.importorskip("nir", reason="the package nir is not installed")


def dense(o) -> np.ndarray:
    full = np.zeros((o.n_out, o.n_in))
    np.add.at(full, (o.targets, o.sources), o.weights)
    return full


def naive(x, w, stride, padding, dilation, groups):
    """(channels, rows, columns) -> (channels out, rows, columns), loop by loop."""
    x = np.pad(x, [(0, 0), *[(p, p) for p in padding]])
    out, per, *k = w.shape
    size = [(n - d * (m - 1) - 1) // s + 1 for n, d, m, s in zip(x.shape[1:], dilation, k, stride)]
    y = np.zeros((out, *size))
    for o, r, c, i, a, b in np.ndindex(out, *size, per, *k):
        channel = o // (out // groups) * per + i
        y[o, r, c] += (
            w[o, i, a, b]
            * x[channel, r * stride[0] + a * dilation[0], c * stride[1] + b * dilation[1]]
        )
    return y


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_a_convolution_is_the_loops(seed) -> None:
    rng = np.random.default_rng(seed)
    two = lambda lo, hi: tuple(int(k) for k in rng.integers(lo, hi + 1, 2))
    groups, per, out = (int(k) for k in rng.integers(1, 3, 3))
    stride, padding, dilation, kernel = two(1, 3), two(0, 2), two(1, 2), two(1, 3)
    size = tuple(d * (k - 1) + 1 + int(rng.integers(0, 4)) for d, k in zip(dilation, kernel))
    w = rng.normal(size=(out * groups, per, *kernel))
    x, bias = rng.normal(size=(per * groups, *size)), rng.normal(size=out * groups)
    o = convolution(w, size, stride, padding, dilation, groups, bias)
    expected = naive(x, w, stride, padding, dilation, groups) + bias[:, None, None]
    np.testing.assert_allclose(dense(o) @ x.ravel() + o.bias, expected.ravel(), atol=1e-12)
    # a chain is the product, and a map after the identity itself
    m = matrix(rng.normal(size=(3, o.n_out)), rng.normal(size=3))
    np.testing.assert_allclose(dense(chain(o, m)), dense(m) @ dense(o), atol=1e-12)
    np.testing.assert_allclose(chain(o, m).bias, dense(m) @ o.bias + m.bias, atol=1e-12)
    np.testing.assert_array_equal(dense(chain(identity(o.n_in), o)), dense(o))


def spiking(n: int, dt: float = 1.0):
    """IF neurons that a weight of 1 takes half-way to the threshold."""
    return nir.IF(r=np.ones(n), v_threshold=np.full(n, 1.5), v_reset=np.zeros(n))


def test_a_small_cnn_counts_as_its_loops_do() -> None:
    """02_cnn's kinds of layers: Conv2d, IF, SumPool2d, Conv2d, IF, Flatten, Affine, IF, whole
    weights, so that the spikes are the twin's exactly; one dt is one unit of time."""
    rng = np.random.default_rng(5)
    whole = lambda *shape: rng.integers(-2, 4, shape).astype(float)
    w0, w1, w2 = whole(3, 2, 3, 3), whole(2, 3, 3, 3), whole(5, 8)
    conv = lambda w, size, stride: nir.Conv2d(size, w, stride, 1, 1, 1, np.zeros(len(w)))
    shaped = lambda shape: nir.IF(
        r=np.ones(shape), v_threshold=np.full(shape, 4.5), v_reset=np.zeros(shape)
    )
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([2, 8, 8])),
        conv(w0, (8, 8), 2),
        shaped((3, 4, 4)),
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        conv(w1, (2, 2), 1),
        shaped((2, 2, 2)),
        nir.Flatten({"input": np.array([2, 2, 2])}, 0),
        nir.Affine(w2, np.zeros(5)),
        shaped((5,)),
        nir.Output(np.array([5])),
    )
    made = from_nir(graph, dt=1.0)
    x = rng.random((40, 2, 8, 8)) < 0.3
    steps = np.vstack([x.reshape(40, -1), np.zeros((3, 128))])
    result = made.network.run(43, steps)
    states = [np.zeros((3, 4, 4)), np.zeros((2, 2, 2)), np.zeros(5)]
    expected: list[list[np.ndarray]] = [[], [], []]
    for row in x.astype(float):
        for k in range(3):
            if k == 0:
                row = naive(row, w0, (2, 2), (1, 1), (1, 1), 1)
            elif k == 1:
                row = row.reshape(3, 2, 2, 2, 2).sum((2, 4))
                row = naive(row, w1, (1, 1), (1, 1), (1, 1), 1)
            else:
                row = w2 @ row.ravel()
            states[k] = states[k] + row
            row = (states[k] > 4.5).astype(float)
            states[k][row > 0] = 0
            expected[k].append(row.ravel())
    for k, group in enumerate(made.network.groups):
        got = result.spikes[group][k + 1 : k + 41]
        assert got.sum() > 20
        np.testing.assert_array_equal(got, expected[k])


def test_delays_pools_scales_and_readouts() -> None:
    """Input -> Delay -> Scale -> IF -> AvgPool2d -> Output: the output is a weighted sum, one step
    long; the delay is in steps of dt; two inputs share the axons in order."""
    nodes = {
        "a": nir.Input(np.array([4])),
        "b": nir.Input(np.array([4])),
        "late": nir.Delay(np.array([0.0, 1e-3, 2e-3, 3e-3])),
        "twice": nir.Scale(np.full(4, 2.0)),
        "cells": nir.IF(
            r=np.full((1, 2, 2), 1e3), v_threshold=np.ones((1, 2, 2)), v_reset=np.zeros((1, 2, 2))
        ),
        "pool": nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "out": nir.Output(np.array([1, 1, 1])),
    }
    nodes["pool"].input_type = {"input": np.array([1, 2, 2])}
    edges = [("a", "late"), ("late", "twice"), ("b", "twice"), ("twice", "cells"),
             ("cells", "pool"), ("pool", "out")]  # fmt: skip
    made = from_nir(nir.NIRGraph(nodes, edges, type_check=False), dt=1e-3)
    assert made.axons == {"a": slice(0, 4), "b": slice(4, 8)} and made.latency["out"] == 2
    x = np.zeros((8, 8))
    x[0, :4] = x[5, 4] = 1
    result = made.network.run(8, x, ("spikes", "v"))
    cells, out = made.groups["cells"], made.outputs["out"]
    assert np.argwhere(result.spikes[cells]).tolist() == [[1, 0], [2, 1], [3, 2], [4, 3], [6, 0]]
    values = made.real(out, result.v[out])[:, 0]
    np.testing.assert_allclose(values, [0, 0, 0.25, 0.25, 0.25, 0.25, 0, 0.25], atol=1e-3)


def test_a_subgraph_is_its_nodes() -> None:
    inner = nir.NIRGraph.from_list(nir.Linear(np.full((2, 3), 2.0)), spiking(2))
    graph = nir.NIRGraph(
        {"in": nir.Input(np.array([3])), "block": inner, "out": nir.Output(np.array([2]))},
        [("in", "block"), ("block", "out")],
        type_check=False,
    )
    made = from_nir(graph, dt=1.0)
    (name,) = made.groups
    assert name.startswith("block.") and made.outputs["out"] == made.groups[name]
    assert made.network.run(3, np.ones((3, 3))).spikes[made.outputs["out"]].tolist() == (
        [[0, 0], [1, 1], [1, 1]]
    )


def test_populations_on_a_cycle_act_a_step_later_and_skips_wait() -> None:
    """e <-> i, then r reads both and, past them, the input: latencies 1, 1, 2; the input's own way
    to r is delayed by one step."""
    one = lambda: nir.Linear(np.full((1, 1), 2.0))
    nodes = {k: one() for k in ("in-e", "e-i", "i-e", "e-r", "in-r")}
    nodes |= {k: spiking(1) for k in ("e", "i", "r")}
    nodes |= {"in": nir.Input(np.array([1])), "out": nir.Output(np.array([1]))}
    edges = [
        pair for k in nodes if "-" in k for pair in ((k.split("-")[0], k), (k, k.split("-")[1]))
    ]
    made = from_nir(nir.NIRGraph(nodes, [*edges, ("r", "out")], type_check=False), dt=1.0)
    assert made.latency == {"e": 1, "i": 1, "r": 2, "out": 2}
    spikes = made.network.run(6, np.array([[1], [0], [0], [0], [0], [0]])).spikes
    rows = {name: spikes[g][:, 0].tolist() for name, g in made.groups.items()}
    assert rows["e"] == [0, 1, 0, 1, 0, 1] and rows["i"] == [0, 0, 1, 0, 1, 0]
    assert rows["r"] == [0, 0, 1, 0, 1, 0]


def lif(**other):
    one = dict(tau=np.array([1e-2]), r=np.ones(1), v_leak=np.zeros(1), v_threshold=np.ones(1))
    return nir.LIF(**{**one, **other})


@pytest.mark.parametrize(
    "nodes, dt, told",
    [
        ([lif()], None, "no dt: give the step in seconds"),
        ([lif()], 0.1, r"tau is 0.01 s, expected at least a step \(dt = 0.1 s\)"),
        ([lif()], 1e-6, "a time constant of 10000 steps, 12 bits of decay reach 8192"),
        ([nir.Threshold(np.ones(1))], 1e-3, "is a Threshold, which a Loihi-1 core does not have"),
        (
            [nir.LI(np.array([1e-2]), np.ones(1), np.zeros(1)), nir.Scale(np.ones(1)), lif()],
            1e-3,
            r"\(LI\) drives .* with real numbers, expected spikes",
        ),
        ([lif(v_reset=np.array([2.0]))], 1e-3, "its threshold lies below its reset"),
        ([nir.Delay(np.array([1.0])), lif()], 1e-3, "delay is 1000, its limits are 0 and 62"),
    ],
)
def test_what_a_core_cannot_do(nodes, dt, told) -> None:
    graph = nir.NIRGraph.from_list(*nodes, type_check=False)
    with pytest.raises(LimitError, match=told):
        from_nir(graph, dt)


def test_files_that_cannot_be_read(tmp_path) -> None:
    path = tmp_path / "x.nir"
    path.write_bytes(b"no HDF5")
    with pytest.raises(LimitError, match="x.nir: no NIR graph that the package nir can read"):
        from_nir(path, 1e-3)
    nir.write(path, nir.NIRGraph.from_list(nir.Linear(np.ones((1, 2))), lif()))
    assert from_nir(path, 1e-3).network.inputs.n == 2
    cycle = {"a": nir.Scale(np.ones(1)), "b": lif(), "in": nir.Input(np.array([1]))}
    edges = [("in", "a"), ("a", "a"), ("a", "b")]
    with pytest.raises(LimitError, match="a lies on a cycle without a neuron"):
        from_nir(nir.NIRGraph(cycle, edges, type_check=False), 1e-3)
