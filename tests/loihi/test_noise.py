# SPDX-License-Identifier: Apache-2.0
"""Noise on u and v: the C core against the NumPy twin, itself in pieces, batches, saved states, and
the numbers that the formula promises."""

from __future__ import annotations

import numpy as np
import pytest
from core_networks import networks, rebuilt, stimulus
from edge_lp.loihi import LimitError, Network, Noise, Probe, Rule
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import core as oracle

ALL = ("spikes", "u", "v")
seeded = settings(max_examples=60, deadline=None, derandomize=True)


def everything(net, result):
    return [getattr(result, kind)[g] for kind in ALL for g in net.groups]


def assert_equal(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@seeded
@given(networks(noisy=True), st.integers(1, 40), st.integers(0, 5))
def test_c_equals_the_twin(case, steps, trial) -> None:
    net, rng = case
    spikes_in, s = stimulus(rng, steps, net), net.build()
    s.reset(trial)
    expected = oracle.Core(net, trial).run(steps, spikes_in)
    found = everything(net, s.run(steps, spikes_in, ALL))
    assert_equal(found, [expected[kind][g] for kind in ALL for g in net.groups])


@seeded
@given(networks(noisy=True), st.lists(st.integers(0, 20), min_size=1, max_size=3))
def test_pieces_saved_states_and_probes_are_one_run(case, cuts) -> None:
    net, rng = case
    steps = sum(cuts)
    inputs, s = stimulus(rng, steps, net), net.build()
    s.reset(3)
    whole, at, parts, streamed = everything(net, s.run(steps, inputs, ALL)), 0, [], []
    state = None
    probes = [Probe(g, kind) for kind in ALL for g in net.groups]
    for n in cuts:
        s = net.build()
        if state is None:
            s.reset(3)
        else:
            s.restore(state)
        before = s.save()
        parts.append(everything(net, s.run(n, inputs[at : at + n], ALL)))
        state, at = s.save(), at + n
        s.restore(before)
        again = s.run(n, inputs[at - n : at], probes)
        streamed.append([again[p] for p in probes])
    for pieces in (parts, streamed):
        assert_equal([np.concatenate(rows) for rows in zip(*pieces)], whole)


@seeded
@given(networks(noisy=True), st.integers(1, 4), st.integers(1, 30))
def test_a_batch_is_its_samples_one_by_one(case, samples, steps) -> None:
    """Each with a noise of its own, that of its trial."""
    net, rng = case
    inputs = rng.random((samples, steps, net.inputs.n)) < 0.5
    got, s = net.run_batch(inputs, ALL), net.build()
    for i, x in enumerate(inputs):
        s.reset(trial=i)
        alone = s.run(steps, x, ALL)
        for kind in ALL:
            for g in net.groups:
                np.testing.assert_array_equal(getattr(got, kind)[g][i], getattr(alone, kind)[g])


@seeded
@given(networks(noisy=True), st.integers(1, 30))
def test_sparse_is_dense_and_warn_is_silence(case, steps) -> None:
    net, rng = case
    inputs = stimulus(rng, steps, net)

    def listed(c):
        rows, columns = np.nonzero(c.mantissas)
        delays = c.delays if isinstance(c.delays, int) else c.delays[rows, columns]
        return (rows, columns, c.mantissas[rows, columns]), delays

    other, _ = rebuilt(net, listed)
    whole = everything(net, net.run(steps, inputs, ALL))
    assert_equal(everything(other, other.run(steps, inputs, ALL)), whole)


def one(noise, n=4000, **more):
    net = Network(cores=None)
    return net, net.group(n, 4096, 4096, silent=True, noise=noise, **more)


@pytest.mark.parametrize("exponent,offset", [(7, 0), (7, 2), (12, 7), (20, 1), (6, 0), (0, 3)])
def test_the_numbers_are_those_of_the_formula(exponent, offset) -> None:
    """Every value of x comes as often as any other; what is on u reaches v in the same step."""
    exact = (np.arange(-128, 128) + 64 * offset) * 2.0 ** (exponent - 7)
    net, g = one(Noise(exponent, offset, on="u"), bias=5)
    result = net.run(64, record=("u", "v"))
    values, counts = np.unique(result.u[g], return_counts=True)
    np.testing.assert_array_equal(values, np.unique(np.floor(exact)))
    expected = 64 * 4000 / len(values)
    if exponent >= 7:
        assert abs(counts - expected).max() < 6 * np.sqrt(expected)
        chi = ((counts - expected) ** 2 / expected).sum()
        assert abs(chi - 255) < 6 * np.sqrt(2 * 255)
    np.testing.assert_array_equal(result.v[g], result.u[g] + 5)
    x = result.u[g] - result.u[g].mean()
    for lag in (1, 2, 7):  # steps, and compartments, know nothing of each other
        for a, b in ((x[lag:], x[:-lag]), (x[:, lag:], x[:, :-lag])):
            assert abs((a * b).mean() / x.var()) < 6 / np.sqrt(a.size)


def test_on_v_leaves_u_alone_and_seeds_groups_trials_differ() -> None:
    net, g = one(Noise(9, on="v", seed=1), n=300)
    h = net.group(300, 4096, 4096, silent=True, noise=Noise(9, on="v", seed=1))
    k = net.group(300, 4096, 4096, silent=True, noise=Noise(9, on="v", seed=2))
    s = net.build()
    first = s.run(5, record=("u", "v"))
    assert not first.u[g].any()
    s.reset(trial=1)
    second = s.run(5, record=("v",))
    rows = [first.v[g], first.v[h], first.v[k], second.v[g]]
    assert all((a != b).mean() > 0.95 for i, a in enumerate(rows) for b in rows[:i])
    s.reset()
    np.testing.assert_array_equal(s.run(5, record=("v",)).v[g], first.v[g])
    s.reset()
    s.set_bias(g, np.arange(300))  # noise stays beside a new bias
    np.testing.assert_array_equal(s.run(5, record=("v",)).v[g], first.v[g] + np.arange(300))


def test_beside_learning() -> None:
    """Noise makes the spikes that teach, and a saved state has both."""
    net = Network(inputs=3)
    g = net.group(5, 1024, 256, threshold=40, noise=Noise(12))
    rule = Rule(dw="2^-2*x1*y0", x1_impulse=16, x1_tau=10)
    c = net.connect(net.inputs, g, np.full((3, 5), 20), learning=rule)
    inputs = np.random.default_rng(0).random((200, 3)) < 0.2
    s = net.build()
    a = s.run(200, inputs, ("u", "v", "spikes"))
    learned = s.learned(c)
    assert a.spikes[g].sum() > 20 and learned.max() > 20
    state = s.save()
    b = s.run(50, inputs[:50])
    s.restore(state)
    np.testing.assert_array_equal(s.run(50, inputs[:50]).spikes[g], b.spikes[g])


def test_what_the_chip_does_not_have_is_told() -> None:
    for wrong, told in (
        (dict(exponent=21), "noise: exponent is 21"),
        (dict(exponent=7, offset=8), "noise: offset is 8"),
        (dict(exponent=7, on="w"), "noise is on 'w', expected 'u' or 'v'"),
        (dict(exponent=7, seed=-1), "noise: seed is -1"),
    ):
        with pytest.raises(LimitError, match=told):
            Noise(**wrong)
    net = Network()
    with pytest.raises(LimitError, match="noise is 7, expected a Noise"):
        net.group(1, 0, 0, noise=7)
    net.group(2, 64, 64, noise=Noise(7))
    net.group(2, 64, 64, noise=Noise(8))
    with pytest.raises(LimitError, match="2 different noises of 1 core, the limit is 1"):
        net.run(1)
    with pytest.raises(LimitError, match="trial is -1"):
        one(Noise(7), 1)[0].build().reset(-1)
