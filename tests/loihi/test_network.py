# SPDX-License-Identifier: Apache-2.0
"""The typed description: what it refuses (with both numbers), what it counts, how it runs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from edge_lp.cli import main
from edge_lp.loihi import LimitError, Network
from edge_lp.loihi.bench import standard
from edge_lp.loihi.energy import estimate
from edge_lp.loihi.limits import axon_words, delay_slots, synapse_words


def net_with(n: int = 4, inputs: int = 3, cores: int | None = 1, **parameters):
    net = Network(inputs, cores)
    return net, net.group(n, **{"decay_u": 1024, "decay_v": 64, **parameters})


@pytest.mark.parametrize(
    "parameters, told",
    [
        ({"decay_u": 4097}, "decay_u is 4097, its limits are 0 and 4096"),
        ({"decay_v": -1}, "decay_v is -1, its limits are 0 and 4096"),
        ({"threshold": 131072}, "threshold is 131072, its limits are 0 and 131071"),
        ({"bias": 4096}, "bias is 4096, its limits are -4096 and 4095"),
        ({"bias": [0, 1, 2, -4097]}, "bias is -4097 at 3, its limits are -4096 and 4095"),
        ({"bias_exponent": 8}, "bias_exponent is 8, its limits are 0 and 7"),
        ({"refractory": 0}, "refractory is 0, its limits are 1 and 64"),
        ({"refractory": 65}, "refractory is 65, its limits are 1 and 64"),
        ({"v_min": -2}, "v_min is -2, its register can give 0, -1, -3"),
        ({"v_max": 100}, "v_max is 100, its register can give 511, 2047"),
        ({"decay_u": [1, 2]}, r"decay_u has shape \(2,\), expected one number or \(4,\)"),
        ({"decay_u": 0.5}, "decay_u has type float64, expected integers"),
    ],
)
def test_registers(parameters, told) -> None:
    with pytest.raises(LimitError, match=told):
        net_with(**parameters)


@pytest.mark.parametrize(
    "connection, told",
    [
        (
            {"mantissas": np.full((3, 4), 256)},
            "mantissa is 256 at 0, 0, its limits are -256 and 255",
        ),
        (
            {"mantissas": np.full((3, 4), -1), "sign_mode": "excitatory"},
            "mantissa is -1 at 0, 0, its limits are 0 and 255",
        ),
        ({"mantissas": np.zeros((4, 3), int)}, r"shape \(4, 3\), expected \(3, 4\)"),
        ({"delay": 63}, "delay is 63, its limits are 0 and 62"),
        ({"bits": 7}, "weights of 7 bits, the chip stores 1, 2, 3, 4, 5, 6, 8"),
        ({"exponent": 8}, "exponent is 8, its limits are -8 and 7"),
        ({"delay": np.zeros((2, 2), int)}, r"delays have shape \(2, 2\)"),
        ({"sign_mode": "both"}, "'both', expected one of mixed"),
    ],
)
def test_connections(connection, told) -> None:
    net, g = net_with()
    with pytest.raises(LimitError, match=told):
        net.connect(net.inputs, g, **{"mantissas": np.ones((3, 4), int), **connection})


def test_a_core_is_finite_and_the_messages_say_how_much() -> None:
    def fails(net: Network, told: str) -> None:
        with pytest.raises(LimitError, match=told):
            net.build()

    fails(net_with(1025)[0], "1025 compartments of 1 core, the limit is 1024")
    net_with(1025, cores=2)[0].build()
    fails(
        net_with(33, decay_u=np.arange(1, 34))[0],
        "33 compartment profiles of 1 core, the limit is 32",
    )
    fails(net_with(9, threshold=np.arange(9))[0], "9 threshold profiles of 1 core, the limit is 8")
    net_with(33, cores=None, decay_u=np.arange(1, 34))[0].build()
    net, g = net_with(1024, 600)
    net.connect(net.inputs, g, np.ones((600, 1024), int))
    fails(net, "86400 words of synaptic memory of 1 core, the limit is 16384")
    net, g = net_with(1, 4097)
    net.connect(net.inputs, g, np.ones((4097, 1), int))
    fails(net, "4097 input axons of 1 core, the limit is 4096")
    net, g = net_with(129)
    net.connect(net.inputs, g, np.ones((3, 129), int), delay=62)
    fails(net, "8256 delay accumulators of 1 core, the limit is 8192")
    net, g = net_with(decay_u=0)
    net.group(1, 4096, 0)
    fails(net, "decay_u is 0 and 4096 on one core, its 12-bit registers reach 0 to 4095 or")
    net, g = net_with(v_min=0)
    net.group(1, 4, 4)
    fails(net, "2 different values of v_min of 1 core, the limit is 1")


def test_synaptic_memory_of_the_specification() -> None:
    """64 three-bit synapses take 64 * 3 + 10 = 202 bits, 4 words; 128 of them 8; 36 take 118 bits,
    2 words. The standard network: 225,792 bits."""
    assert [axon_words(n, 3) for n in (64, 128, 36)] == [4, 8, 2]
    assert synapse_words(np.full(25, 128), 128, 3, False) == (200, "dense")
    assert synapse_words(np.r_[np.ones(25, int), 0], 128, 3, False) == (25, "sparse")
    net, _ = standard()
    used = {what: n for what, (n, _) in net.resources().items()}
    assert (
        used["words of synaptic memory"] * 64 == 225_792
        and used["input axons"] == 537
        and used["compartments"] == 292
    )
    assert [delay_slots(d) for d in (0, 6, 7, 14, 62)] == [8, 8, 16, 16, 64]


def test_results_are_by_group_and_runs_go_on() -> None:
    net, a = net_with(decay_u=4096, decay_v=4096, threshold=1)
    b = net.group(4, 4096, 4096, threshold=1)
    net.connect(net.inputs, a, np.full((3, 4), 2))
    net.connect(a, b, 2 * np.eye(4, dtype=int), delay=3)
    simulation, stimulus = net.build(count_active=True), np.array([[1, 0, 0]] + [[0, 0, 0]] * 5)
    first = simulation.run(2, stimulus[:2], ("spikes", "u", "v"))
    assert (
        first.spikes[a].tolist() == [[0] * 4, [1] * 4]
        and first.u[a].tolist() == [[0] * 4, [128] * 4]
        and not first.v[a].any()
    )
    rest = simulation.run(4, stimulus[2:])
    assert rest.spikes[b].tolist() == [[0] * 4] * 3 + [[1] * 4] and not rest.u
    assert (
        first.counts.steps,
        first.counts.spikes,
        first.counts.active,
        rest.counts.spikes,
        rest.counts.updates,
    ) == (2, 4, 4, 4, 32)
    simulation.reset()
    assert simulation.counts.steps == 0 and simulation.run(6, stimulus).spikes[b].sum() == 4
    for bad in (np.zeros((5, 3)), np.zeros((6, 2))):
        with pytest.raises(LimitError, match="expected"):
            simulation.run(6, bad)


def test_joins_and_silence() -> None:
    """The soma integrates the dendrite's new voltage of the same step and fires; the dendrite does
    not."""
    net, d = net_with(2, decay_u=64, decay_v=4095, bias=100, v_min=0, silent=True)
    s = net.group(2, 64, 0, threshold=3, v_min=0, join=d)
    result = net.run(4, record=("spikes", "v"))
    assert result.v[d].tolist() == [[100, 100]] * 4 and not result.spikes[d].any()
    assert result.v[s][:, 0].tolist() == [100, 0, 100, 0] and result.spikes[s][:, 0].tolist() == [
        0,
        1,
        0,
        1,
    ]
    with pytest.raises(LimitError, match="silent"):
        net.connect(d, s, np.ones((2, 2), int))
    with pytest.raises(
        LimitError, match="2 compartments, expected an earlier group of this network with 3"
    ):
        net.group(3, 1, 1, join=d)


def test_energy() -> None:
    net, stimulus = standard()
    simulation = net.build(count_active=True)
    counts = simulation.run(100, stimulus[:100]).counts
    energy = estimate(counts)
    assert energy.total == pytest.approx(
        23.6e-12 * counts.synops + 81e-12 * counts.active + 52e-12 * (29200 - counts.active)
    )
    assert 0 < counts.active < counts.updates == 29200 and "estimate" in str(energy)


def test_bench_core() -> None:
    result = CliRunner().invoke(main, ["bench", "core", "--json"])
    found = json.loads(result.output)
    assert (
        result.exit_code == 0
        and found["steps_per_s"] > 0
        and found["synaptic_ops_per_s"] > found["steps_per_s"]
    )
    net, stimulus = standard()
    rates = [r.mean() for r in net.run(len(stimulus), stimulus).spikes.values()]
    assert all(0.04 < r < 0.07 for r in rates)
