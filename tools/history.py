# SPDX-License-Identifier: Apache-2.0
"""Size and speed of the shipped model's firmware and runtime, appended to docs/history.csv:

    make history            # measures the commit that is checked out

One row a commit: flash, RAM and stack bound of the Cortex-M4 image in bytes; instructions per
second of audio on the M4 (QEMU) and on this machine (valgrind), in millions; before 422437f, the
latter without vectors. The sound is the same seeded babble in every row, so rows differ by code and
model alone. What cannot be measured here stays empty.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from edge_lp.board.count import count, host_instructions
from edge_lp.board.emulate import build, target
from edge_lp.errors import MissingDependency
from edge_lp.model.find import read_model

ROOT = Path(__file__).resolve().parents[1]
HISTORY = ROOT / "docs" / "history.csv"
COLUMNS = "commit date model flash ram stack m4_minstr host_minstr".split()
MODEL = "commands12"


def image(model: bytes) -> dict[str, int]:
    """flash, RAM with the stack, and the stack's bound of the M4 firmware, as its build reports."""
    with tempfile.TemporaryDirectory() as folder:
        _, said = build(target("m4"), model, Path(folder), core=False)
    return {
        "flash": int(re.search(r"flash +(\d+)", said)[1]),
        "ram": int(re.search(r"RAM +(\d+)", said)[1]),
        "stack": int(re.search(r"bound (\d+)", said)[1]),
    }


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def measure() -> dict[str, object]:
    model = read_model(MODEL)
    row: dict[str, object] = dict.fromkeys(COLUMNS, "")
    row |= {
        "commit": git("rev-parse", "--short", "HEAD"),
        "date": git("show", "-s", "--format=%cs"),
    }
    row["model"] = f"{MODEL} {int.from_bytes(model[-4:], 'little'):08x}"
    steps = (
        lambda: image(model),
        lambda: {"m4_minstr": round(count("m4", model, functions=False)["total"] / 1e6, 2)},
        lambda: {"host_minstr": round(host_instructions(model) / 1e6, 2)},
    )
    for step in steps:
        try:
            row |= step()
        except MissingDependency as e:
            print(f"history: {e}", file=sys.stderr)
    return row


def append(row: dict[str, object], path: Path = HISTORY) -> None:
    """Adds the row; one of the same commit is replaced. The file is written anew in one go."""
    rows = []
    if path.exists():
        with open(path, newline="", encoding="utf-8") as f:
            rows = [r for r in csv.DictReader(f) if r["commit"] != row["commit"]]
    part = path.with_suffix(".part")
    with open(part, "w", newline="", encoding="utf-8") as f:
        table = csv.DictWriter(f, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows([*rows, row])
    part.replace(path)


if __name__ == "__main__":
    found = measure()
    append(found)
    print(", ".join(f"{k} {v}" for k, v in found.items()))
