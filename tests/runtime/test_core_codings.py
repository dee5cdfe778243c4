# SPDX-License-Identifier: Apache-2.0
"""One matrix in every coding gives the same run: dense and sparse, 16-bit and packed 3-bit, with
and without room in the lanes."""

from __future__ import annotations

import numpy as np
import pytest
from edge_lp.core import Core, Group, Synapses
from edge_lp.model.format import pack_dense, pack_sparse
from hypothesis import given, settings
from hypothesis import strategies as st


def as_sparse(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    i, j = np.nonzero(weights)
    return np.searchsorted(i, np.arange(len(weights) + 1)), j, weights[i, j]


CODINGS = {
    "dense": lambda codes, shift: dict(dense=codes * 2**shift),
    "sparse": lambda codes, shift: dict(sparse=as_sparse(codes * 2**shift)),
    "dense3": lambda codes, shift: dict(dense3=pack_dense(codes), shift=shift),
    "sparse3": lambda codes, shift: dict(sparse3=pack_sparse(codes), shift=shift),
}


def run(codings, w, u, shift, delay, feedback, stimulus, strict=False):
    """Two groups: inputs -> a recurrent -> b. codings: of inputs -> a, a -> a, a -> b."""
    n, m = w.shape[1], u.shape[1] - w.shape[1]
    groups = [Group(n, 2048, 300, vth=64 << shift), Group(m, 1000, 4096, vth=64 << shift)]
    pieces = [(None, 0, w), (0, 0, u[:, :n]), (0, 1, u[:, n:])]
    synapses = [
        Synapses(src, dst, d, **CODINGS[c](codes, shift))
        for c, (src, dst, codes), d in zip(codings, pieces, delay)
    ]
    core = Core(groups, [*synapses, Synapses(0, 0, diagonal=-feedback)], len(w), flags=int(strict))
    t, axons = np.nonzero(stimulus)
    probes = [(g, what) for g in (0, 1) for what in ("u", "v", "spikes")]
    rows = core.run(len(stimulus), np.searchsorted(t, np.arange(len(stimulus) + 1)), axons, probes)
    return np.concatenate([r.ravel() for r in rows]), core.counts()


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 12),
    st.sampled_from([1, 7, 10, 33, 64, 130]),
    st.booleans(),
    st.data(),
)
def test_every_coding_is_the_same_network(seed, shift, n, full, data) -> None:
    rng = np.random.default_rng(seed)
    n_in, m = int(rng.integers(1, 40)), int(rng.integers(1, 45))
    w, u = (
        rng.integers(-4, 4, shape) * (rng.random(shape) < rng.choice([0.2, 1]))
        for shape in ((n_in, n), (n, n + m))
    )
    if full:
        w[:] = 3  # the fullest lanes
    stimulus = rng.random((40, n_in)) < rng.choice([0.1, 1.0])
    delay, feedback = rng.choice([0, 1, 5, 62], 3), int(rng.integers(-300, 300))
    expected, counts = run(["dense"] * 3, w, u, shift, delay, feedback, stimulus)
    codings = data.draw(st.lists(st.sampled_from(list(CODINGS)), min_size=3, max_size=3))
    got, other = run(codings, w, u, shift, delay, feedback, stimulus)
    np.testing.assert_array_equal(got, expected, err_msg=str(codings))
    assert counts.spikes == other.spikes


@pytest.mark.parametrize("n_in", [146, 147, 2000])  # 7 * 147 << 6 passes 65535
def test_lanes_at_and_past_their_limit(n_in) -> None:
    stimulus, n = np.ones((3, n_in), bool), 23
    for code in (-4, 3):
        w, u = np.full((n_in, n), code), np.zeros((n, n + 1), int)
        expected, _ = run(["dense"] * 3, w, u, 6, [0, 0, 0], 0, stimulus)
        for coding in ("dense3", "sparse3", "sparse"):
            np.testing.assert_array_equal(
                run([coding, "dense", "dense3"], w, u, 6, [0, 0, 0], 0, stimulus)[0],
                expected,
                err_msg=coding,
            )


def test_strict_reads_every_coding_too() -> None:
    rng = np.random.default_rng(5)
    w, u = rng.integers(-4, 4, (9, 21)), rng.integers(-4, 4, (21, 34))
    stimulus = rng.random((30, 9)) < 0.4
    expected, counts = run(["dense"] * 3, w, u, 1, [0, 2, 0], 50, stimulus)
    for c in CODINGS:
        got, strict = run([c] * 3, w, u, 1, [0, 2, 0], 50, stimulus, strict=True)
        np.testing.assert_array_equal(got, expected, err_msg=c)
        assert strict.spikes == counts.spikes > 100


def test_contradictions_are_refused() -> None:
    a, one = Group(3, 1, 1), np.ones((3, 3), np.int16)
    for groups, synapses in [
        ([Group(3, 4097, 1)], []),
        ([Group(3, 1, 1, refract=0)], []),
        ([Group(3, 1, 1, vmin=1)], []),
        ([Group(0, 1, 1)], []),
        ([], []),
        ([Group(3, 1, 1, join=0)], []),
        ([a, Group(2, 1, 1, join=0)], []),
        ([a], [Synapses(0, 0, 63, dense=one)]),
        ([a], [Synapses(0, 0, sparse=([0, 1, 1, 2], [0, 3], [1, 1]))]),
        ([a], [Synapses(0, 0, sparse=([0, 2, 1, 2], [0, 1], [1, 1]))]),
        ([a], [Synapses(0, 0, dense3=bytes(8))]),
        ([a], [Synapses(0, 0, sparse3=bytes(8))]),
        ([Group(3, 1, 1, silent=True)], [Synapses(0, 0, dense=one)]),
        ([a, Group(2, 1, 1)], [Synapses(0, 1, diagonal=1)]),
        ([a], [Synapses(0, 0, dense=one.astype(int) * 40000)]),
    ]:
        with pytest.raises(ValueError):
            Core(groups, synapses)
    core = Core([a], [Synapses(None, 0, dense=np.ones((2, 3), np.int16))], n_inputs=2)
    for axons in ([2], [0, 1, 0]):
        with pytest.raises(ValueError):
            core.run(1, np.array([0, len(axons)]), np.array(axons))
    core.run(1, np.array([0, 2]), np.array([1, 1]))  # twice named counts twice
    assert core.run(1, probes=[(0, "u")])[0].tolist() == [[128, 128, 128]]
