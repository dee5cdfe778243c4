# SPDX-License-Identifier: Apache-2.0
"""The mapper: hand-counted resources, neurons in one piece, each placed once, limits kept."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from edge_lp.cli import main
from edge_lp.loihi.limits import CORES
from edge_lp.model.cores import RESOURCES, layout
from edge_lp.model.find import write_model
from edge_lp.model.format import pack
from random_model import random_spec


def test_the_default_shape_counted_by_hand() -> None:
    """128 + 128 hidden neurons of two compartments, 12 outputs. Words: 128 axons x (8 recurrent) +
    128 x (8 up + 8 recurrent) + 128 x 1 to the output + 256 autapses. Dense codes are never all 0
    in a row here."""
    found = layout(random_spec(3))
    (core,) = found["cores"]
    assert core["used"] == {
        "compartments": 2 * 256 + 12,
        "input axons": 4 * 128 + 256,
        "output axons": 4 * 128 + 256,
        "synapse words": 128 * (8 + 8 + 8 + 1) + 256,
        "delay accumulators": 8 * 524,
        "compartment profiles": 2,
        "threshold profiles": 2,
        "synapse formats": 3,
    }
    assert found["bottleneck"] == {
        "core": 0,
        "resource": "compartments",
        "used": 524,
        "limit": 1024,
    }


@pytest.mark.parametrize("sizes", [(512, 512), (1024,), (300, 700, 90), (8,)])
def test_big_models_are_cut_between_neurons(sizes) -> None:
    spec = random_spec(1, sizes)
    found = layout(spec)
    placed = [
        (p["name"], k)
        for c in found["cores"]
        for p in c["layers"]
        for k in range(p["first"], p["last"] + 1)
    ]
    assert len(placed) == len(set(placed)) == sum(sizes) + len(spec.labels)
    for core in found["cores"]:
        assert all(0 <= n <= RESOURCES[what] for what, n in core["used"].items())
    assert sum(c["used"]["compartments"] for c in found["cores"]) == 2 * sum(sizes) + len(
        spec.labels
    )
    # synaptic memory, not compartments: 512 + 512 sources of 3-bit codes fill a core before 512
    # neurons do
    if sizes == (512, 512):
        assert len(found["cores"]) >= 3


def test_the_largest_model_fits_a_chip() -> None:
    cores = layout(random_spec(1, (1024,) * 7))["cores"]
    assert len(cores) == 58 < CORES
    assert all(0 < n <= RESOURCES[what] for core in cores for what, n in core["used"].items())


def test_inspect_cores(tmp_path) -> None:
    path = tmp_path / "m.lpb"
    write_model(path, pack(random_spec(3)))
    text = CliRunner().invoke(main, ["inspect", "--cores", str(path)])
    assert (
        text.exit_code == 0
        and "the bottleneck is compartments: 524 of 1,024 on core 0"
        in " ".join(text.output.split())
    )
    found = json.loads(CliRunner().invoke(main, ["inspect", "--cores", "--json", str(path)]).output)
    assert found["cores"]["bottleneck"]["used"] == 524
