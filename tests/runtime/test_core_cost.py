# SPDX-License-Identifier: Apache-2.0
"""What a step of the core may cost (B8, B9), in executions of its lines: no clock is in it."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest
from edge_lp.binding import ffi
from edge_lp.core import Core, Group
from edge_lp.loihi import Network
from paths import ROOT


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """Of tests/c/cost_test.c: updates, spikes, how often each line of lp_core.c and lp_synapse.c
    ran, the same of the headers that update a group, and how often each function was called."""
    for tool in ("gcc", "gcov"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    folder = tmp_path_factory.mktemp("cost")
    sources = [ROOT / "tests" / "c" / "cost_test.c", *sorted((ROOT / "runtime").glob("lp_*.c"))]
    flags = ["-std=c99", "-O0", "--coverage", "-DLP_NO_CLONES", f"-I{ROOT / 'runtime'}"]
    subprocess.run(["gcc", *flags, *sources, "-o", "cost"], cwd=folder, check=True)
    run = subprocess.run([folder / "cost"], cwd=folder, capture_output=True, text=True, check=True)
    lines, update, calls = [], [], {}
    for data in sorted(folder.glob("*lp_core.gcda")) + sorted(folder.glob("*lp_synapse.gcda")):
        command = ["gcov", "--json-format", "--stdout", data]
        told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        for file in json.loads(told.stdout)["files"]:
            part = lines if file["file"].endswith(".c") else update
            part += [line["count"] for line in file["lines"]]
            calls |= {f["name"]: f["execution_count"] for f in file["functions"]}
    updates, spikes = map(int, run.stdout.split())
    return updates, spikes, lines, update, calls


def test_b8_a_spike_costs_its_own_synapses_alone(profile) -> None:
    """Every spiking group looked through all blocks of synapses: the line that did ran 600 times as
    often as there were spikes, now 8 times (a group's spikes are looked for in eights). An update
    runs over whole vectors, of 32 compartments for one."""
    updates, spikes, lines, update, _ = profile
    assert spikes == 199 * 300 and updates == 200 * (300 + 2 * 64)
    assert max(lines) < 20 * spikes
    assert max(update) < 34 * 200 * 302


def test_b9_joined_groups_with_one_bias_take_the_lean_path(profile) -> None:
    """The core: neither group of the pair is updated one compartment at a time."""
    calls = profile[4]
    assert calls["update_adding"] == 200 and calls["update_plain"] == 301 * 200
    assert calls["update_each"] == 0


@pytest.mark.parametrize("bias", [9, np.full(5, 9)])
def test_b9_one_bias_is_handed_over_as_one(bias) -> None:
    """The host: an array of biases that are all alike always took the path of different ones."""
    net = Network()
    dendrite = net.group(5, 64, 64, silent=True, bias=bias)
    net.group(5, 64, 64, bias=bias, join=dendrite)
    for core in (Core([Group(5, 64, 64, bias=bias)], []), net.build()._core):
        for g in core._c_groups:
            assert g.bias_each == ffi.NULL and g.bias == 9
        core.set_bias(0, np.arange(5))
        assert core._c_groups[0].bias_each != ffi.NULL
        core.set_bias(0, np.full(5, 7))
        assert core._c_groups[0].bias_each == ffi.NULL and core._c_groups[0].bias == 7
