# SPDX-License-Identifier: Apache-2.0
"""The four published networks of examples/ come out as their papers say, and draw their picture."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from paths import ROOT


def said(name, *arguments) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / name, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(line: str) -> list[float]:
    return [float(x) for x in re.findall(r"-?\d+(?:\.\d+)?", line)]


def test_lif_curve() -> None:
    """A spike can come only at a step's end: at most one step after the formula's."""
    rheobase, periods = said("lif_curve.py").splitlines()
    measured, formula = numbers(rheobase)
    assert formula <= measured <= formula + 128  # the next current that was tried
    assert numbers(periods)[0] < 1 < 100 < numbers(periods)[1]


def test_brunel() -> None:
    """g below 4: near the limit of one spike in three steps, regular; above: slow, irregular."""
    (_, fast, regular), (_, slow, irregular) = map(numbers, said("brunel.py").splitlines())
    assert fast > 0.3 and regular < 0.1
    assert 0.005 < slow < 0.1 and irregular > 0.7


def test_jeffress() -> None:
    true, found = map(numbers, said("jeffress.py").splitlines())
    assert true == found and len(true) == 15 and true[0] == -28


def test_winner_take_all() -> None:
    """After learning each pattern has a neuron of its own, which fires nearly alone."""
    first, last = (numbers(line) for line in said("winner_take_all.py").splitlines())
    assert sorted(last[:4]) == [0, 1, 2, 3] and min(last[4:]) > 0.9
    assert sorted(first[:4]) != [0, 1, 2, 3] or min(first[4:]) < 0.9


@pytest.mark.parametrize("name", ["lif_curve", "brunel", "jeffress", "winner_take_all"])
def test_pictures(name, tmp_path) -> None:
    pytest.importorskip(
        "matplotlib", reason="pictures need matplotlib: pip install 'edge-lp[plot]'"
    )
    said(f"{name}.py", tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"
