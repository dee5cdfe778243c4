# SPDX-License-Identifier: Apache-2.0
"""Weights and biases that change between steps: as if a new network went on from the saved
state."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from core_networks import networks, rebuilt, stimulus
from edge_lp.loihi.description import MANTISSAS
from hypothesis import event, given, settings
from hypothesis import strategies as st
from twins import core as oracle

ALL = ("spikes", "u", "v")


def new_mantissas(rng, c, zeros):
    """(k,), one a stored synapse; zeros: some are 0."""
    lo, hi = MANTISSAS[c.sign_mode]
    m = rng.integers(lo, hi + 1, len(c.table.mantissas))
    m[m == 0] = hi or lo
    return m * (rng.random(len(m)) < 0.7) if zeros else m


@settings(max_examples=100, deadline=None, derandomize=True)
@given(networks(), st.integers(1, 40), st.booleans())
def test_new_weights_are_a_new_network_with_the_saved_state(case, steps, as_matrix):
    """Connections that are dense for the core, and sparse, with one delay and with mixed ones."""
    net, rng = case
    first, then = stimulus(rng, steps, net), stimulus(rng, steps, net)
    simulation = net.build()
    simulation.run(steps, first)
    state = simulation.save()
    new = {c: new_mantissas(rng, c, zeros=False) for c in net.connections}
    for c, m in new.items():
        event("dense" if len(m) * 8 >= c.src.n * c.dst.n else "sparse")
        simulation.set_weights(c, c.table.matrix(m) if as_matrix else m)
    other, twin = rebuilt(net, lambda c: (c.table.matrix(new[c]), c.delays))
    fresh = other.build()
    fresh.restore(state)
    got, expected = simulation.run(steps, then, ALL), fresh.run(steps, then, ALL)
    for k in ALL:
        for g in net.groups:
            np.testing.assert_array_equal(getattr(got, k)[g], getattr(expected, k)[twin[g]])
    assert simulation.save() == fresh.save()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(networks(), st.integers(1, 40))
def test_new_weights_are_the_twins(case, steps):
    """Also where a weight becomes 0, which as a new network would be no synapse."""
    net, rng = case
    first, then = stimulus(rng, steps, net), stimulus(rng, steps, net)
    simulation, twin = net.build(), oracle.Core(net)
    simulation.run(steps, first)
    twin.run(steps, first)
    changed = []
    for c in net.connections:
        m = new_mantissas(rng, c, zeros=True)
        simulation.set_weights(c, m)
        how = {k: getattr(c, k) for k in ("src", "dst", "bits", "sign_mode", "exponent", "delays")}
        changed.append(SimpleNamespace(mantissas=c.table.matrix(m), **how))
    twin.connections = oracle.Core(
        SimpleNamespace(groups=net.groups, inputs=net.inputs, connections=changed)
    ).connections
    got, expected = simulation.run(steps, then, ALL), twin.run(steps, then)
    for k in ALL:
        for g in net.groups:
            np.testing.assert_array_equal(getattr(got, k)[g], expected[k][g])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(networks(), st.integers(1, 40))
def test_new_biases_are_the_twins(case, steps):
    """One bias for a group or one a compartment, where there was none or to have none any more."""
    net, rng = case
    first, then = stimulus(rng, steps, net), stimulus(rng, steps, net)
    simulation, twin = net.build(), oracle.Core(net)
    simulation.run(steps, first)
    twin.run(steps, first)
    for g in net.groups:
        new = rng.integers(-4096, 4096, g.n if rng.random() < 0.3 else None)
        new = 0 if rng.random() < 0.3 else new
        event("no bias before" if not np.any(g.bias) else "a bias before")
        simulation.set_bias(g, new)
        twin.bias[g] = np.zeros(g.n, np.int64) + new
    got, expected = simulation.run(steps, then, ALL), twin.run(steps, then)
    for k in ALL:
        for g in net.groups:
            np.testing.assert_array_equal(getattr(got, k)[g], expected[k][g])
