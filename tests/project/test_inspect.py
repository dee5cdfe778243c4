# SPDX-License-Identifier: Apache-2.0
"""`edge-lp inspect` says on what a model runs."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from edge_lp.cli import main
from edge_lp.model.find import write_model
from edge_lp.model.format import pack
from random_model import random_spec


def inspect(*args) -> str:
    return CliRunner().invoke(main, ["inspect", *map(str, args)]).stdout


@pytest.mark.parametrize("change", [{}, {"delta": 65}, {"feedback": 2048}, {"output_shift": 15}])
def test_kernel_or_core(change, tmp_path) -> None:
    """Outside of the sigma-delta kernel's bounds it is the core: why, and what a board needs."""
    model = write_model(tmp_path / "m.lpb", pack(random_spec(5, (32, 32), 5, 3, **change)))
    text = " ".join(inspect(model).split())
    assert ("runs on the sigma-delta kernel" in text) == (not change)
    assert (
        "runs on the core: it could leave a range of the sigma-delta kernel (several times slower; "
        "make CORE=1 for a board)" in text
    ) == bool(change)
    assert json.loads(inspect(model, "--json"))["kernel"] is not bool(change)
