# SPDX-License-Identifier: Apache-2.0
"""`edge-lp bench core --sizes` measures networks that spike, and NumPy's spikes are the core's."""

import itertools

import pytest
from edge_lp import core
from edge_lp.errors import EdgeLpError
from edge_lp.loihi import sizes


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("density", [1.0, 0.1])
def test_numpy_has_the_cores_spikes(density, own, mixed):
    simulation, reference, synapses = sizes.network(100, density, own, mixed)
    for _ in range(100):
        reference.step()
    counts = simulation.run(100, record=()).counts
    assert counts.spikes == reference.spikes > 100
    assert synapses == 100 * 100 if density == 1 else 0 < synapses < 3000


def test_other_spikes_are_an_error(monkeypatch):
    monkeypatch.setattr(sizes.Reference, "decayed", lambda self, x, delta: x * 0)
    with pytest.raises(EdgeLpError, match="NumPy has"):
        sizes.measure(50, 1.0, False, False, 0.001)


def test_both_are_timed_on_the_same_steps(monkeypatch):
    """Networks can fall silent behind the steps that NumPy ran, and would be 300 times as fast."""
    made = sizes.network(50, 1.0, False, False)
    monkeypatch.setattr(sizes, "network", lambda *_: made)
    sizes.measure(50, 1.0, False, False, 0.01)
    assert made[0].counts.steps == made[1].t and made[0].counts.spikes == made[1].spikes


def test_a_run_aside_is_timed_too(monkeypatch):
    """The clock is the process's: a run aside takes none of this thread's, and seemed to be 300
    times as fast as NumPy."""
    monkeypatch.setattr(core, "WORK", 1)
    ticks = itertools.count(step=0.01)
    monkeypatch.setattr(sizes.time, "process_time", lambda: next(ticks))
    found = sizes.measure(50, 1.0, False, False, 0.05)
    steps, runs = 64, 5  # a look a step, then two a run
    assert found["steps_per_s"] == round(runs * steps / (runs * 0.01))


def test_a_table_of_four_columns():
    row = dict(n=16384, density=0.01, spikes_per_step=819.2, steps_per_s=12345, times_numpy=20.4)
    lines = list(sizes.lines([row] * 4))
    assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|") == 8
    assert lines[2].startswith("| 16,384 | 1% | 819 | 12,345 (20) | ")
