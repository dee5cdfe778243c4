# SPDX-License-Identifier: Apache-2.0
"""SPEC.md "Core" is executed: its worked numbers against the oracle and the C, its worked run on
both, its limits against the code."""

from __future__ import annotations

import re

import numpy as np
import pytest
from edge_lp import core as binding
from edge_lp.loihi import Network, limits
from edge_lp.loihi.energy import ACTIVE_UPDATE, INACTIVE_UPDATE, SYNOP
from paths import ROOT
from twins import core as oracle

SPEC = (ROOT / "SPEC.md").read_text(encoding="utf-8")
CORE = SPEC[SPEC.index("## Core\n") : SPEC.index("## Front end\n")]
WORKED = [
    line for block in re.findall(r"```worked\n(.*?)```", CORE, re.S) for line in block.splitlines()
]
MODES = {"mixed": 1, "excitatory": 2, "inhibitory": 3}


def c_decay(x: int, delta: int) -> int:
    """A bias of x for one step puts x in v; the next step decays it."""
    core = binding.Core([binding.Group(1, 0, delta, bias=x, silent=True)], [])
    core.run(1)
    core.set_bias(0, 0)
    return int(core.run(1, probes=[(0, "v")])[0][0, 0])


def oracle_says(name: str, arguments: list[str]) -> int:
    if name == "weight":
        net = Network(inputs=1, cores=None)
        c = net.connect(
            net.inputs,
            net.group(1, 1, 1),
            np.array([[int(arguments[0])]]),
            bits=int(arguments[1]),
            sign_mode=arguments[2],
            exponent=int(arguments[3]),
        )
        return int(oracle.weights(c)[0, 0])
    x = [np.int64(a) for a in arguments]
    return int(
        {
            "decay": oracle.decay,
            "wrap16": lambda a: oracle.wrap(a, 16),
            "wrap24": lambda a: oracle.wrap(a, 24),
            "axon_words": lambda n, b: limits.axon_words(int(n), int(b)),
            "delay_slots": lambda d: limits.delay_slots(int(d)),
        }[name](*x)
    )


@pytest.mark.parametrize("line", WORKED)
def test_worked_numbers(line) -> None:
    name, arguments, value = re.fullmatch(r"(\w+)\((.*)\) = (-?\d+)", line).groups()
    a = arguments.split(", ")
    assert oracle_says(name, a) == int(value)
    if name == "decay" and a[0] != "-8388608":  # which v cannot hold
        assert c_decay(int(a[0]), int(a[1])) == int(value)
    if name == "weight":
        assert binding.weight(int(a[0]), int(a[1]), MODES[a[2]], int(a[3])) == int(value)


def test_there_are_enough_of_them() -> None:
    assert {line.split("(")[0] for line in WORKED} == {
        "decay",
        "wrap16",
        "wrap24",
        "weight",
        "axon_words",
        "delay_slots",
    } and len(WORKED) >= 20


def test_worked_run() -> None:
    rows = [line.split() for line in re.search(r"```run\n(.*?)```", CORE, re.S)[1].splitlines()]
    table = np.array(rows[1:], int)
    net = Network(inputs=1, cores=None)
    a = net.group(1, 2048, 1024, threshold=100, bias=64, refractory=2)
    b = net.group(1, 4096, 0, join=a, silent=True, v_min=0)
    net.connect(net.inputs, a, np.array([[100]]))
    net.connect(a, a, np.array([[-30]]), delay=1)
    stimulus = np.isin(np.arange(len(table)), [0, 1, 2])[:, None]
    for result in (
        net.run(len(table), stimulus, ("spikes", "u", "v")),
        oracle.Core(net).run(len(table), stimulus),
    ):
        part = (lambda k: getattr(result, k)) if hasattr(result, "u") else result.__getitem__
        got = np.column_stack(
            [np.arange(len(table)), part("u")[a], part("v")[a], part("spikes")[a], part("v")[b]]
        )
        np.testing.assert_array_equal(got, table)


def test_limits_are_those_of_the_code() -> None:
    for number in (
        limits.COMPARTMENTS,
        limits.INPUT_AXONS,
        limits.SYNAPSE_WORDS,
        limits.ACCUMULATORS,
        limits.PROFILES,
        limits.THRESHOLDS,
        limits.FORMATS,
    ):
        assert re.search(rf"\b{number}\b", CORE[CORE.index("### Limits") :])
    assert (
        f"{limits.THRESHOLD[1]}" in CORE
        and f"{limits.BIAS_MANTISSA[0]}".replace("-", "−") in CORE
        and f"delay 0..{binding.MAX_DELAY}" in CORE
    )
    assert (SYNOP, ACTIVE_UPDATE, INACTIVE_UPDATE) == (23.6e-12, 81e-12, 52e-12)
    assert all(text in CORE for text in ("23.6 pJ", "81 pJ", "52 pJ"))


def test_three_bit_codes_are_chip_weights() -> None:
    for code in range(-4, 4):
        for shift in range(13):
            assert binding.weight(64 * code, 3, MODES["mixed"], shift - 6) == code << shift
