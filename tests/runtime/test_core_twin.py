# SPDX-License-Identifier: Apache-2.0
"""The C core equals the NumPy oracle, overflow included; strict mode reports what the oracle sees;
changing biases; state saved and restored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from core_networks import networks, stimulus
from edge_lp import core
from edge_lp.errors import OverflowDetected
from edge_lp.loihi import Network
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import core as oracle

ALL = ("spikes", "u", "v")
seeded = settings(max_examples=150, deadline=None, derandomize=True)


def assert_same(result, expected) -> None:
    for kind in ALL:
        for g, rows in expected[kind].items():
            np.testing.assert_array_equal(
                getattr(result, kind)[g], rows, err_msg=f"{kind} of {g.name}"
            )


@seeded
@given(networks(), st.integers(1, 80))
def test_c_equals_oracle(case, steps) -> None:
    net, rng = case
    spikes_in, reference = stimulus(rng, steps, net), oracle.Core(net)
    result = net.run(steps, spikes_in, ALL)
    assert_same(result, reference.run(steps, spikes_in))
    assert (result.counts.steps, result.counts.spikes) == (steps, reference.fired)
    assert result.counts.updates == steps * sum(g.n for g in net.groups)


@seeded
@given(networks(), st.integers(1, 60))
def test_strict_mode_reports_what_the_oracle_sees(case, steps) -> None:
    net, rng = case
    spikes_in, reference = stimulus(rng, steps, net), oracle.Core(net)
    expected = reference.run(steps, spikes_in)
    if reference.overflows:
        with pytest.raises(OverflowDetected) as caught:
            net.run(steps, spikes_in, strict=True)
        assert caught.value.where == vars(reference.overflows[0])
    else:
        assert_same(net.run(steps, spikes_in, ALL, strict=True), expected)


def test_the_random_networks_overflow_and_spike() -> None:
    """The two tests above would prove little on networks that stay quiet."""
    seen, quiet, spiking = set(), 0, 0

    @settings(max_examples=120, deadline=None, derandomize=True)
    @given(networks())
    def look(case) -> None:
        nonlocal quiet, spiking
        net, rng = case
        reference = oracle.Core(net)
        reference.run(30, stimulus(rng, 30, net))
        seen.update(o.what for o in reference.overflows)
        quiet += not reference.overflows
        spiking += reference.fired > 0

    look()
    assert seen == {"q", "u", "v"} and quiet > 10 and spiking > 40


@seeded
@given(networks(), st.integers(2, 60), st.data())
def test_one_run_equals_any_split(case, steps, data) -> None:
    net, rng = case
    spikes_in = stimulus(rng, steps, net)
    whole = net.run(steps, spikes_in, ALL)
    cuts = sorted(data.draw(st.sets(st.integers(1, steps - 1), max_size=4)))
    state, parts = net.build().save(), []
    for a, b in zip([0, *cuts], [*cuts, steps]):
        part = net.build()  # a fresh one each time: only the saved state connects them
        part.restore(state)
        parts.append(part.run(b - a, spikes_in[a:b], ALL))
        state = part.save()
    for kind in ALL:
        for g in net.groups:
            np.testing.assert_array_equal(
                np.concatenate([getattr(p, kind)[g] for p in parts]), getattr(whole, kind)[g]
            )
    again = net.build()
    again.run(steps, spikes_in)
    again.reset()
    np.testing.assert_array_equal(
        again.run(steps, spikes_in, ["u"]).u[net.groups[0]], whole.u[net.groups[0]]
    )


@seeded
@given(networks(), st.data())
def test_changing_biases(case, data) -> None:
    net, rng = case
    simulation, reference = net.build(), oracle.Core(net)
    for _ in range(4):
        g = data.draw(st.sampled_from(net.groups))
        mantissa, exponent = rng.integers(-4096, 4096, g.n), rng.integers(0, 8, g.n)
        simulation.set_bias(g, mantissa, exponent)
        reference.bias[g] = mantissa << exponent
        spikes_in = stimulus(rng, 5, net)
        assert_same(simulation.run(5, spikes_in, ALL), reference.run(5, spikes_in))


def test_worst_case_of_every_register() -> None:
    """Full accumulators of both signs for a ring's length, no decay, full bias, a joined voltage at
    its limit: the widest sums there are."""
    for sign, mantissa in ((1, 255), (-1, -255)):
        net = Network(inputs=1100, cores=None)
        d = net.group(
            5, decay_u=0, decay_v=0, bias=4095 if sign > 0 else -4096, bias_exponent=7, silent=True
        )
        s = net.group(
            5, decay_u=1, decay_v=0, bias=4095 if sign > 0 else -4096, bias_exponent=7, join=d
        )
        for g in (d, s):
            net.connect(
                net.inputs,
                g,
                np.full((1100, 5), mantissa),
                exponent=7,
                delay=62,
                sign_mode="excitatory" if sign > 0 else "inhibitory",
            )
        reference, spikes_in = oracle.Core(net), np.ones((200, 1100), bool)
        assert_same(net.run(200, spikes_in, ALL), reference.run(200, spikes_in))
        assert {o.what for o in reference.overflows} == {"q", "v"}
        assert max(abs(o.value) for o in reference.overflows if o.what == "q") == 1100 * 32640
        with pytest.raises(OverflowDetected) as caught:
            net.run(200, spikes_in, strict=True)
        assert caught.value.where == vars(reference.overflows[0])


@given(
    st.integers(-256, 255),
    st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8]),
    st.sampled_from(["mixed", "excitatory", "inhibitory"]),
    st.integers(-8, 7),
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_weights(mantissa, bits, sign_mode, exponent) -> None:
    mode = {"mixed": 1, "excitatory": 2, "inhibitory": 3}[sign_mode]
    if (sign_mode == "excitatory" and mantissa < 0) or (
        sign_mode == "inhibitory" and not -255 <= mantissa <= 0
    ):
        with pytest.raises(ValueError, match="range"):
            core.weight(mantissa, bits, mode, exponent)
        return
    net = Network(inputs=1, cores=None)
    c = net.connect(
        net.inputs,
        net.group(1, 1, 1),
        np.array([[mantissa]]),
        bits=8 if bits == 7 else bits,
        sign_mode=sign_mode,
        exponent=exponent,
    )
    c = replace(c, bits=bits)  # 7 is a grid of the formula, though not of the chip's memory
    assert core.weight(mantissa, bits, mode, exponent) == oracle.weights(c)[0, 0]
