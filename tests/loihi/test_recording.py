# SPDX-License-Identifier: Apache-2.0
"""Probes keep a part of what a full record has: compartments, every k-th step, events, files."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
from core_networks import networks, stimulus
from edge_lp import core
from edge_lp.loihi import LimitError, Network, Probe
from hypothesis import given, settings
from hypothesis import strategies as st

ALL = ("spikes", "u", "v")


@st.composite
def probes(draw, net) -> Probe:
    g = draw(st.sampled_from(net.groups))
    what = draw(st.sampled_from(ALL))
    which = draw(st.none() | st.lists(st.integers(0, g.n - 1), max_size=5))
    every, start = draw(st.sampled_from([1, 2, 3, 7, 100])), draw(st.integers(0, 40))
    events = what == "spikes" and draw(st.booleans())
    return Probe(g, what, which, every, start, events)


def expected_of(p: Probe, full: np.ndarray, first: int):
    """From the full record (steps, n) of the steps from first on."""
    t = np.arange(first, first + len(full))
    due = (t >= p.start) & ((t - p.start) % p.every == 0)
    which = np.arange(p.group.n) if p.compartments is None else np.array(p.compartments, int)
    kept = full[due][:, which]
    if not p.events:
        return (kept,)
    i, k = np.nonzero(kept)
    return t[due][i], which[k]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(networks(), st.integers(0, 60), st.integers(0, 60), st.data())
def test_a_probe_is_a_part_of_the_full_record(case, before, steps, data) -> None:
    """In pieces of one step and in one; after a run that goes before; beside a full record."""
    net, rng = case
    spikes_in = stimulus(rng, before + steps, net)
    wanted = data.draw(st.lists(probes(net), min_size=1, max_size=4))
    full = net.run(before + steps, spikes_in, ALL)
    simulation, piece = net.build(), core.PIECE
    simulation.run(before, spikes_in[:before])
    try:
        core.PIECE = data.draw(st.sampled_from([1, 40, piece]))
        got = simulation.run(steps, spikes_in[before:], ["v", *wanted])
    finally:
        core.PIECE = piece
    for p in wanted:
        expected = expected_of(p, getattr(full, p.what)[p.group][before:], before)
        found = got[p] if p.events else (got[p],)
        for a, b in zip(found, expected):
            np.testing.assert_array_equal(a, b)
            assert p.events or (a.shape, a.dtype) == (b.shape, getattr(full, p.what)[p.group].dtype)
    for g in net.groups:
        np.testing.assert_array_equal(got.v[g], full.v[g][before:])
    assert not got.u and not got.spikes and got.counts.steps == steps


def bright() -> Network:
    net = Network(inputs=1, cores=None)
    net.group(1000, 4096, 100, threshold=3000, bias=np.arange(1000), name="cells")
    return net


def test_straight_to_a_file(tmp_path) -> None:
    net = bright()
    (g,) = net.groups
    p = Probe(g, "v", compartments=range(10), every=5, out=tmp_path / "v.npy")
    result = net.run(500, record=[p])
    expected = net.run(500, record=["v"]).v[g][::5, :10]
    assert isinstance(result[p], np.memmap)
    np.testing.assert_array_equal(result[p], expected)
    del result
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), expected)


def test_a_long_run_needs_the_memory_of_what_it_records() -> None:
    """5,000 steps of 1,000 compartments: u and v alone would be 40 MB."""
    net = bright()
    (g,) = net.groups
    record = [Probe(g, "u", [3]), Probe(g, "v", every=1000), Probe(g, events=True)]
    simulation = net.build()
    tracemalloc.start()
    try:
        simulation.run(5000, record=record)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16e6


def test_probes_cross_processes() -> None:
    net = bright()
    p = Probe(net.groups[0], "v", [999], every=10)
    got = pickle.loads(pickle.dumps(net.run(50, record=[p])))
    assert got[p].shape == (5, 1) and got[p].any()


@pytest.mark.parametrize(
    "probe, told",
    [
        ({"what": "w"}, r"record is \['w'\], expected"),
        ({"compartments": [1000]}, "cells: compartment is 1000 at 0, its limits are 0 and 999"),
        ({"compartments": [0.5]}, "cells: compartment has type float64"),
        ({"every": 0}, "cells: every is 0, its limits are 1"),
        ({"start": -1}, "cells: start is -1, its limits are 0"),
        ({"events": 1}, "cells: events is 1, expected True or False"),
        ({"what": "u", "events": True}, "cells: only spikes are events"),
        ({"events": True, "out": "x.npy"}, "cells: only spikes are events, and not in a file"),
        ({"start": 99, "out": "x.npy"}, r"cells: \(0, 1000\) values in this run"),
        ({"out": "."}, r"cells: \. is no file"),
        ({"out": "no/such/folder/x.npy"}, "cells: no/such/folder/x.npy: No such file"),
    ],
)
def test_what_cannot_be_recorded(probe, told) -> None:
    net = bright()
    simulation = net.build()
    with pytest.raises(LimitError, match=told):
        simulation.run(3, record=[Probe(net.groups[0], **probe)])
    with pytest.raises(LimitError, match="no group of this simulation"):
        simulation.run(3, record=[Probe(bright().groups[0])])
    assert simulation.counts.steps == 0  # refused before a step is done
