# SPDX-License-Identifier: Apache-2.0
"""A batch is its samples one by one; it ends at the first error and at Ctrl-C."""

from __future__ import annotations

import signal
from unittest import mock

import numpy as np
import pytest
from core_networks import networks
from edge_lp.errors import OverflowDetected
from edge_lp.loihi import LimitError, Network, batch
from hypothesis import given, settings
from hypothesis import strategies as st

ALL = ("spikes", "u", "v")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(networks(), st.integers(0, 7), st.integers(0, 40), st.integers(1, 4))
def test_a_batch_is_its_samples_one_by_one(case, samples, steps, cores) -> None:
    net, rng = case
    inputs = rng.random((samples, steps, net.inputs.n)) < 0.5
    with mock.patch.object(batch, "cores", lambda: cores):
        got = net.run_batch(inputs, ALL)
    alone = [net.run(steps, x, ALL) for x in inputs]
    for k in ALL:
        for g in net.groups:
            rows = getattr(got, k)[g]
            assert rows.shape == (samples, steps, g.n)
            for i, one in enumerate(alone):
                np.testing.assert_array_equal(rows[i], getattr(one, k)[g])
    assert got.counts.steps == samples * steps
    assert got.counts.spikes == sum(one.counts.spikes for one in alone)


def loud() -> Network:
    net = Network(inputs=2, cores=None)
    g = net.group(300, 0, 0, bias=4095, bias_exponent=7, name="loud")
    net.connect(net.inputs, g, np.full((2, 300), 255))
    return net


def test_errors_of_a_sample() -> None:
    net = loud()
    with pytest.raises(OverflowDetected, match="in loud"):
        net.run_batch(np.zeros((5, 100, 2)), strict=True)
    for inputs, record, told in (
        (np.zeros((5, 2)), ["u"], r"shape \(5, 2\), expected three dimensions"),
        (np.zeros((5, 3, 1)), ["u"], r"shape \(3, 1\), expected \(3, 2\)"),
        (np.full((5, 3, 2), 0.5), ["u"], "expected only 0 and 1"),
        (np.zeros((5, 3, 2)), "u", "record is 'u', expected a list"),
        (np.zeros((5, 3, 2)), ["w"], r"record is \['w'\], expected a list"),
    ):
        with pytest.raises(LimitError, match=told):
            net.run_batch(inputs, record)
    for reward, told in ((np.zeros(3), r"rewards have shape \(3,\), expected \(5, 3\)"),
                         (np.zeros((5, 3), int), "no connection learns")):  # fmt: skip
        with pytest.raises(LimitError, match=told):
            net.run_batch(np.zeros((5, 3, 2)), reward=reward)


def test_ctrl_c_ends_a_batch() -> None:
    """The alarm raises KeyboardInterrupt in the main thread, as Ctrl-C does; the threads that run
    the samples stop between two steps, or this test would take minutes."""

    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    net, before = loud(), signal.signal(signal.SIGALRM, interrupt)
    net.connect(net.groups[0], net.groups[0], np.full((300, 300), -1))
    inputs = np.broadcast_to(np.zeros(2, bool), (500, 100_000, 2))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            net.run_batch(inputs, record=[])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
