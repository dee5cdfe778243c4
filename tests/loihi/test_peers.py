# SPDX-License-Identifier: Apache-2.0
"""`edge-lp bench core --peers`: a stand-in emulator answers, another one stops, and there is a
Python that has none."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from edge_lp.errors import EdgeLpError
from edge_lp.loihi import bench, peers

STAND_IN = """
import json, sys
import numpy as np
name, network, out = sys.argv[1:]
c = np.load(network)
if name == "lava-nc":
    sys.exit("no board")
np.save(out, np.load({expected!r}))
print("words of a compiler")
print(json.dumps(dict(engine=name, steps_per_s=int(c["T"]))))
"""


@pytest.fixture
def standing_in(tmp_path, monkeypatch):
    """The standard network, and a program in the place of emulators.py that has its spikes."""
    net, stimulus = bench.standard()
    net_spikes = net.run(50, stimulus[:50]).spikes
    spikes = np.concatenate([net_spikes[g] for g in net.groups], 1)
    np.save(tmp_path / "expected.npy", spikes)
    program = tmp_path / "program.py"
    program.write_text(STAND_IN.format(expected=str(tmp_path / "expected.npy")))
    monkeypatch.setattr(peers, "PROGRAM", program)
    return net, stimulus[:50], spikes


def test_each_that_is_installed_is_run(standing_in, monkeypatch) -> None:
    net, stimulus, spikes = standing_in
    monkeypatch.setattr(peers, "installed", lambda python: ["brian2-loihi", "lava-nc"])
    found = list(peers.beside(net, stimulus, [sys.executable]))
    assert found == [
        {"engine": "brian2-loihi", "steps_per_s": 50, "same_spikes": True},
        {"engine": "lava-nc", "error": "no board"},
    ]
    table = list(peers.lines({"steps_per_s": 5000}, found))
    assert table[3] == "| brian2-loihi | 50 | 100 | the same |"
    assert table[4] == "| lava-nc | stopped: no board | | |"
    late = np.concatenate([np.zeros_like(spikes[:1]), spikes[:-1]])
    assert peers.same(late > 0, spikes > 0) and not peers.same(spikes < 1, spikes > 0)


def test_who_has_which() -> None:
    assert set(peers.installed(sys.executable)) <= set(peers.EMULATORS)
    with pytest.raises(EdgeLpError, match="no Python that runs .*expected an interpreter"):
        peers.installed("no-such-python")


def test_the_network_as_arrays() -> None:
    """What an emulator is told is the network: built from it again, it has the same spikes."""
    net, stimulus = bench.standard()
    c = peers.arrays(net, stimulus[:60])
    again = peers.Network(inputs=int(c["n_inputs"]))
    groups = [
        again.group(int(n), int(du), int(dv), threshold=int(vth))
        for n, du, dv, vth in zip(c["sizes"], c["du"], c["dv"], c["vth"])
    ]
    from edge_lp.loihi.emulators import connections

    for src, dst, bits, exponent, *lists in connections(c):
        source = again.inputs if src < 0 else groups[src]
        again.connect(source, groups[dst], tuple(lists), bits=bits, exponent=exponent)
    got = again.run(60, (c["steps"], c["axon"])).spikes
    expected = net.run(60, stimulus[:60]).spikes
    for g, h in zip(groups, net.groups):
        np.testing.assert_array_equal(got[g], expected[h])
    assert sum(s.sum() for s in got.values()) > 100


def test_the_plastic_network_learns() -> None:
    net, stimulus, _ = bench.plastic()
    simulation = net.build()
    result = simulation.run(200, stimulus[:200])
    before = net.connections[0].table.mantissas
    assert (simulation.learned(net.connections[0]) != before).mean() > 0.3
    assert result.counts.spikes > 200
