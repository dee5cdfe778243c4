# SPDX-License-Identifier: Apache-2.0
"""Networks, results and simulations across threads, forks and pickles: the right numbers, or one
clear error."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import threading

import numpy as np
import pytest
from core_networks import networks
from edge_lp.loihi import Network, Probe, Rule
from hypothesis import given, settings
from polling import Between

ALL = ("spikes", "u", "v")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def small() -> Network:
    rng = np.random.default_rng(5)
    net = Network(inputs=3)
    g = net.group(20, 1024, 200, threshold=90, bias=30, bias_exponent=6)
    net.connect(net.inputs, g, rng.integers(-128, 128, (3, 20)) * 2, delay=2)
    net.connect(g, g, rng.integers(-128, 128, (20, 20)) * 2)
    return net


def same(a, b, groups, others=None) -> None:
    for k in ALL:
        for g, h in zip(groups, others or groups):
            np.testing.assert_array_equal(getattr(a, k)[g], getattr(b, k)[h])


def in_a_child(work) -> str:
    """What work() gives in a forked process, or the exception's type and words."""
    r, w = os.pipe()
    child = os.fork()
    if not child:
        try:
            said = str(work())
        except BaseException as e:
            said = f"{type(e).__name__}: {e}"
        os.write(w, said.encode()[:4000])
        os._exit(0)
    os.close(w)
    with os.fdopen(r, "rb") as f:
        said = f.read().decode()
    os.waitpid(child, 0)
    return said


@settings(max_examples=25, deadline=None, derandomize=True)
@given(networks())
def test_a_pickled_network_is_the_network(case) -> None:
    """Groups of the copy take the place of the network's own, also in a result of the copy."""
    net, rng = case
    inputs = rng.random((30, net.inputs.n)) < 0.4
    got = pickle.loads(pickle.dumps(net))
    same(got.run(30, inputs, ALL), net.run(30, inputs, ALL), net.groups)
    assert got.resources() == net.resources()
    assert [g.name for g in got.groups] == [g.name for g in net.groups]


def test_a_pickled_network_learns_as_it_did() -> None:
    rule = Rule(dw="2^-2*x1*y0 - 2^-2*y1*x0", x1_impulse=16, x1_tau=10, y1_impulse=16, y1_tau=10)
    net = Network(inputs=6)
    out = net.group(4, 4096, 256, threshold=200)
    c = net.connect(net.inputs, out, np.full((6, 4), 80), learning=rule, tags=3)
    w = Probe(c, "w", every=5)
    inputs = np.random.default_rng(1).random((60, 6)) < 0.3
    again, probe = pickle.loads(pickle.dumps((net, w)))
    result, expected = again.run(60, inputs, [probe]), net.run(60, inputs, [w])
    np.testing.assert_array_equal(result[probe], expected[w])
    assert np.ptp(expected[w], axis=0).any()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(expected))[w], expected[w])


@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_simulation_says_how_to_take_it_along(how) -> None:
    net = small()
    simulation = net.build()
    simulation.run(10)
    with pytest.raises(TypeError, match=r"pickle its network, build\(\) it there, and restore"):
        how(simulation)
    there = pickle.loads(pickle.dumps(net)).build()
    there.restore(simulation.save())
    same(there.run(10, record=ALL), simulation.run(10, record=ALL), net.groups)


def work(net: Network):
    return net.run(20, np.ones((20, 3), bool), ALL)


def test_a_pool_of_forks_after_threads() -> None:
    net = small()
    expected = work(net)
    net.run_batch(np.ones((6, 20, 3)))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for got in pool.map(work, [net] * 4):
            same(got, expected, net.groups)


def test_a_fork_has_a_copy_that_goes_on() -> None:
    net = small()
    simulation = net.build()
    simulation.run(15)
    expected = net.run(40, record=ALL).u[net.groups[0]][15:]

    def go_on():
        return simulation.run(25, record=ALL).u[net.groups[0]].tolist()

    assert in_a_child(go_on) == str(expected.tolist())
    assert simulation.counts.steps == 15 and go_on() == expected.tolist()


def test_a_fork_in_the_midst_of_another_threads_run(monkeypatch) -> None:
    """The child would wait for ever for a thread that it has not got: it is told instead. Other
    simulations go on, and so does the parent."""
    net, inside, forked = small(), threading.Event(), threading.Event()
    simulation, other = net.build(), net.build()

    def after(k, *_):
        if k == 1:
            inside.set()
            assert forked.wait(60)

    Between(monkeypatch, after)
    thread = threading.Thread(target=simulation.run, args=(10,))
    thread.start()
    assert inside.wait(60)
    said = in_a_child(lambda: simulation.run(1))
    others = in_a_child(lambda: other.run(5).counts.steps)
    forked.set()
    thread.join()
    assert said.startswith("RuntimeError: another thread was in the midst of a run when")
    assert others == "5" and simulation.run(5).counts.steps == 5
    assert simulation.counts.steps == 15


def test_threads_share_a_network() -> None:
    """Each run has a simulation of its own, while another thread goes on describing."""
    net, results, errors = small(), [], []
    groups = list(net.groups)
    expected = work(net)

    def run() -> None:
        try:
            results.extend(work(net) for _ in range(10))
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for t in threads:
        t.start()
    for _ in range(30):
        g = net.group(5, 1, 1)
        net.connect(net.groups[0], g, np.ones((20, 5), int))
    for t in threads:
        t.join()
    assert not errors and len(results) == 30
    for r in results:
        same(r, expected, groups)
