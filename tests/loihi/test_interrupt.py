# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C in a run: how much work lies between two moments at which it is heard, counted, not timed;
and what is left behind."""

from __future__ import annotations

import signal
import threading

import numpy as np
import pytest
from core_networks import networks
from edge_lp import core
from edge_lp.errors import OverflowDetected, OverflowWarning
from edge_lp.loihi import Network, Probe, Rule
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polling import Between

ALL = ("spikes", "u", "v")


def busy(n: int = 40) -> Network:
    """Every compartment spikes in every step but the first, through n * n synapses."""
    net = Network(inputs=2, cores=None)
    g = net.group(n, 4096, 4096, threshold=0, bias=100, bias_exponent=6, name="busy")
    net.connect(g, g, (np.repeat(np.arange(n), n), np.tile(np.arange(n), n), 1))
    net.connect(net.inputs, g, np.ones((2, n), int))
    return net


def learning(n: int = 30) -> tuple[Network, Rule]:
    """All n * n synapses are changed in every second step."""
    net = Network(inputs=n, cores=None)
    g = net.group(n, 4096, 4096, threshold=10)
    rule = Rule(dw="2^-2*x1*y0 + w*u0", dt="x1*u0", x1_impulse=16, x1_tau=10, t_epoch=2)
    net.connect(net.inputs, g, np.full((n, n), 2), learning=rule)
    return net, rule


def test_work_between_two_looks(monkeypatch) -> None:
    """Never more than the work that is allowed, and one step's."""
    n, work = 40, 20_000
    monkeypatch.setattr(core, "WORK", work)
    simulation, done = busy(n).build(), [(0, 0)]

    def after(k, c, *_):
        now = core.counts_of(core.lib.lp_core_counts, c)
        done.append((now.synops + now.updates, now.steps))

    Between(monkeypatch, after)
    simulation.run(500, record=ALL)
    steps = np.diff([s for _, s in done])
    words = steps * (n // 4 + 2 * n)  # spikes are bytes
    most = np.diff([w for w, _ in done]) + words
    assert sum(steps) == 500 and most.max() < work + n * n + 4 * n
    assert most[:-1].min() >= work, "nor does it look more often than it has to"


def test_work_between_two_looks_of_learners(monkeypatch) -> None:
    n, work = 30, 200_000
    monkeypatch.setattr(core, "WORK", work)
    net, rule = learning(n)
    simulation, steps = net.build(), []
    Between(monkeypatch, lambda k, *a: steps.append(a[-1][0]))
    simulation.run(100, np.ones((100, n)))
    epoch = 16 * n * n * len(rule.products)
    assert sum(steps) == 100 and 2 <= max(steps) <= 2 * (work // epoch + 1) < 20


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(networks(), st.integers(1, 60), st.sampled_from([1, 30, 500]))
def test_looks_change_nothing(monkeypatch, case, steps, work) -> None:
    """However often a run looks, in this thread or aside, strict or not."""
    net, rng = case
    inputs = rng.random((steps, net.inputs.n)) < 0.5
    some = Probe(net.groups[-1], "v", every=3)
    expected = net.run(steps, inputs, [*ALL, some])
    with monkeypatch.context() as patched, pytest.warns(OverflowWarning) as warned:
        patched.setattr(core, "WORK", work)
        simulation = net.build(strict="warn")
        got = simulation.run(steps, inputs, [*ALL, some])
        simulation._core.overflows.note(OverflowDetected("so that there is one"))
        simulation.run(0)
    assert 1 <= len(warned) <= 2 and got.counts.steps == steps
    for k in ALL:
        for g in net.groups:
            np.testing.assert_array_equal(getattr(got, k)[g], getattr(expected, k)[g])
    np.testing.assert_array_equal(got[some], expected[some])


def test_looks_change_nothing_of_what_is_learned(monkeypatch) -> None:
    net, _ = learning(12)
    c, inputs = net.connections[0], np.random.default_rng(1).random((80, 12)) < 0.3
    w, rewards = Probe(c, "w"), np.arange(80) % 7 - 3
    expected = net.run(80, inputs, ["u", w], reward=rewards)
    for work in (1, 20_000):  # aside; and some steps a call
        monkeypatch.setattr(core, "WORK", work)
        got = net.run(80, inputs, ["u", w], reward=rewards)
        np.testing.assert_array_equal(got[w], expected[w])
        np.testing.assert_array_equal(got.u[net.groups[0]], expected.u[net.groups[0]])


def press() -> None:
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def same_from_here(simulation, net, steps) -> None:
    """The state is that after `steps` steps: it goes on as an undisturbed run does."""
    assert simulation.counts.steps == steps
    g = net.groups[0]
    expected = net.run(steps + 10, record=ALL)
    got = simulation.run(10, record=ALL)
    for k in ALL:
        np.testing.assert_array_equal(getattr(got, k)[g], getattr(expected, k)[g][-10:])


def test_ctrl_c_between_two_pieces(monkeypatch) -> None:
    monkeypatch.setattr(core, "WORK", 20_000)
    net = busy()
    simulation = net.build()
    Between(monkeypatch, lambda k, *_: press() if k == 3 else None)
    with pytest.raises(KeyboardInterrupt):
        simulation.run(10_000)
    same_from_here(simulation, net, simulation.counts.steps)
    assert 0 < simulation.counts.steps < 100


def test_ctrl_c_does_not_wait_for_a_long_step(monkeypatch) -> None:
    """It is heard while the second step is under way, which is done to its end."""
    monkeypatch.setattr(core, "WORK", 1)
    net, heard = busy(), threading.Event()
    simulation = net.build()

    def after(k, *_):
        if k == 2:
            press()
            assert heard.wait(60), "the step's end was waited for"

    Between(monkeypatch, after)
    with pytest.raises(KeyboardInterrupt):
        simulation.run(10_000, record=ALL)
    heard.set()
    same_from_here(simulation, net, 2)


def test_ctrl_c_does_not_wait_for_a_batch(monkeypatch) -> None:
    """Its threads are told to stop, not waited for: each ends behind the call that it is in."""
    net, heard = busy(), threading.Event()

    def after(k, *_):
        if k == 1:
            press()
        assert heard.wait(60), "the samples' end was waited for"

    monkeypatch.setattr(core, "WORK", 1)
    between = Between(monkeypatch, after)
    with pytest.raises(KeyboardInterrupt):
        net.run_batch(np.zeros((3, 10_000, 2)))
    heard.set()
    for t in threading.enumerate():
        # Ctrl-C may fall between a thread's being listed and its start: it never has an ident
        if t.ident is not None and "Pool" in t.name:
            t.join()
    assert between.calls <= 3


def test_what_goes_wrong_aside_is_told(monkeypatch) -> None:
    monkeypatch.setattr(core, "WORK", 1)
    net = Network(cores=None)
    net.group(2, 0, 0, bias=4095, bias_exponent=7, name="loud")
    with pytest.raises(OverflowDetected, match="in loud"):
        net.run(100, strict=True)
    simulation = net.build()
    Between(monkeypatch, lambda k, *_: simulation.stop() if k == 5 else None)
    with pytest.raises(InterruptedError, match="stop"):
        simulation.run(100)
    assert simulation.counts.steps == 5
