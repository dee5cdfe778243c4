# SPDX-License-Identifier: Apache-2.0
"""Between silence and an error: strict="warn" computes what silence does, and says that it
wrapped."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from core_networks import networks, stimulus
from edge_lp.errors import OverflowDetected, OverflowWarning
from edge_lp.loihi import LimitError, Network, Probe, Rule
from hypothesis import event, given, settings
from hypothesis import strategies as st
from twins import core as oracle

ALL = ("spikes", "u", "v")


@settings(max_examples=80, deadline=None, derandomize=True)
@given(networks(), st.integers(1, 40))
def test_numbers_are_those_of_silence_and_the_count_is_the_twins(case, steps) -> None:
    net, rng = case
    inputs = stimulus(rng, steps, net)
    twin = oracle.Core(net)
    twin.run(steps, inputs)
    bad = sorted({o.step for o in twin.overflows})
    silent = net.run(steps, inputs, ALL)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        loud = net.run(steps, inputs, ALL, strict="warn")
    for k in ALL:
        for g in net.groups:
            np.testing.assert_array_equal(getattr(loud, k)[g], getattr(silent, k)[g])
    assert loud.counts == silent.counts
    event("an overflow" if bad else "none")
    if not bad:
        assert not said
        return
    (w,) = said
    assert w.category is OverflowWarning and "\n" not in str(w.message)
    assert f"overflow at step {bad[0]}: " in str(w.message)
    assert str(w.message).endswith(f"; {len(bad)} of {steps} steps overflow")


def loud(**how) -> Network:
    net = Network(cores=None)
    g = net.group(2, 0, 4096, bias=1, name="loud")
    net.connect(g, g, np.full((2, 2), 1), **how)
    net.group(2, 4096, 0, bias=4095, bias_exponent=7, silent=True, name="full")
    return net


def test_each_run_warns_of_its_own() -> None:
    s = loud().build("warn")
    probe = Probe(s.groups[1], "v", every=10)
    with pytest.warns(
        OverflowWarning, match="step 16: v of compartment 0 in full .* 4 of 20 steps"
    ):
        result = s.run(20, record=[probe])
    assert result[probe].shape == (2, 2) and s.counts.steps == 20
    with pytest.warns(OverflowWarning, match="overflow at step 20: .* 5 of 5 steps overflow"):
        s.run(5)
    s.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        s.run(16)
    with pytest.raises(OverflowDetected, match="overflow at step 16"):
        loud().run(20, strict=True)
    with pytest.raises(LimitError, match="strict is 'loud', expected True or False or 'warn'"):
        loud().build("loud")


def test_a_step_that_overflows_is_learned_from_too() -> None:
    net = loud(learning=Rule(dw="u0*x1", x1_impulse=3, x1_tau=9))
    c, seen = net.connections[0], Probe(net.connections[0], "w")
    silent = net.run(40, record=[seen])
    with pytest.warns(OverflowWarning):
        told = net.run(40, record=[seen], strict="warn")
    np.testing.assert_array_equal(told[seen], silent[seen])
    assert c.learning is not None


def test_a_batch_warns() -> None:
    with pytest.warns(OverflowWarning, match="4 of 20 steps overflow"):
        loud().run_batch(np.zeros((3, 20, 0)), strict="warn")
