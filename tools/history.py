# SPDX-License-Identifier: Apache-2.0
"""Size and speed of the shipped model's firmware and runtime, appended to docs/history.csv, and
shown in docs/board.md:

    make history                      # measures the commit that is checked out
    tools/history.py COMMIT...        # that of others, with their firmware and their model

Four rows a commit, by the level at which what runs in every frame is compiled: flash, RAM and stack
bound of the Cortex-M4 image in bytes; instructions per second of audio on the M4 (QEMU), in
millions; at the default level of the commit that is checked out, also on this machine (valgrind);
before 422437f, the latter without vectors. The sound is the same seeded babble in every row, so
rows differ by code and model alone. What cannot be measured here stays empty, or as it was.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from edge_lp.board import emulate
from edge_lp.board.count import count, host_instructions
from edge_lp.errors import EdgeLpError, MissingDependency

ROOT = Path(__file__).resolve().parents[1]
HISTORY, PAGE = ROOT / "docs" / "history.csv", ROOT / "docs" / "board.md"
COLUMNS = "commit date model opt flash ram stack m4_minstr host_minstr".split()
MODEL = "commands12"
LEVELS = {"default": (), "-O3": ("OPT=-O3",), "-O2": ("OPT=-O2",), "-Os": ("OPT=-Os",)}
Row = dict[str, object]


def image(model: bytes, more: tuple[str, ...]) -> Row:
    """flash, RAM with the stack, and the stack's bound of the M4 firmware, as its build reports."""
    with tempfile.TemporaryDirectory() as folder:
        m4 = emulate.target("m4")
        _, said = emulate.build(m4, model, Path(folder), core=False, more=more)
    return {
        "flash": int(re.search(r"flash +(\d+)", said)[1]),
        "ram": int(re.search(r"RAM +(\d+)", said)[1]),
        "stack": int(re.search(r"bound (\d+)", said)[1]),
    }


def instructions(model: bytes, more: tuple[str, ...]) -> Row:
    return {"m4_minstr": round(count("m4", model, functions=False, more=more)["total"] / 1e6, 2)}


def with_stack(step: Callable[[bytes, tuple[str, ...]], Row], model: bytes, opt: str) -> Row:
    """A step at a level. Until 52ebc3a the stack had one size, too small at some levels."""
    try:
        return step(model, LEVELS[opt])
    except EdgeLpError as e:
        bound = re.search(r"bound is (\d+)", str(e))
        if not bound:
            raise
        return step(model, (*LEVELS[opt], f"STACK_BYTES={(int(bound[1]) + 7) // 8 * 8}"))


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def measure(commit: str, tree: Path, opt: str) -> Row:
    """A row: the firmware and the model of a tree."""
    model = (tree / "host" / "edge_lp" / "models" / f"{MODEL}.lpb").read_bytes()
    row: Row = dict.fromkeys(COLUMNS, "")
    row |= {
        "commit": git("rev-parse", "--short", commit),
        "date": git("show", "-s", "--format=%cs", commit),
        "model": f"{MODEL} {int.from_bytes(model[-4:], 'little'):08x}",
        "opt": opt,
    }
    steps: list[Callable[[], Row]] = [
        lambda: with_stack(image, model, opt),
        lambda: with_stack(instructions, model, opt),
    ]
    if tree == ROOT and opt == "default":
        steps.append(lambda: {"host_minstr": round(host_instructions(model) / 1e6, 2)})
    for step in steps:
        try:
            row |= step()
        except MissingDependency as e:
            print(f"history: {e}", file=sys.stderr)
    return row


def measure_another(commit: str) -> list[Row]:
    """Rows of a commit that is not checked out."""
    ours = emulate.sources
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git("worktree", "add", "--detach", str(tree), commit)
        emulate.sources = lambda: tree
        try:
            return [measure(commit, tree, opt) for opt in LEVELS]
        finally:
            emulate.sources = ours
            git("worktree", "remove", "--force", str(tree))


def append(row: Row, path: Path = HISTORY) -> None:
    """Adds the row; one of the same commit and level is replaced where it stands, but for what was
    measured then and not now. The file is written anew in one go."""
    rows: list[Row] = []
    if path.exists():
        with open(path, newline="", encoding="utf-8") as f:
            rows = list(csv.DictReader(f))
    new = {k: str(v) for k, v in row.items()}
    for old in rows:
        if (old["commit"], old["opt"]) == (new["commit"], new["opt"]):
            old |= {k: v for k, v in new.items() if v}
            break
    else:
        rows.append(new)
    part = path.with_suffix(".part")
    with open(part, "w", newline="", encoding="utf-8") as f:
        table = csv.DictWriter(f, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    part.replace(path)


def table(path: Path = HISTORY) -> str:
    """The history as docs/board.md shows it: flash, and million instructions, at each level."""
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    lines = ["| commit | RAM | default | " + " | ".join(f"`{o}`" for o in list(LEVELS)[1:]) + " |"]
    lines.append("|---" * (2 + len(LEVELS)) + "|")
    for commit in dict.fromkeys(r["commit"] for r in rows):
        at = {r["opt"]: r for r in rows if r["commit"] == commit}
        cells = [
            f"{int(at[o]['flash']):,}; {float(at[o]['m4_minstr']):.1f}"
            if o in at and at[o]["flash"] and at[o]["m4_minstr"]
            else ""
            for o in LEVELS
        ]
        first = at["default"]
        ram = f"{int(first['ram']):,}" if first["ram"] else ""
        lines.append(f"| {commit}, {first['date']} | {ram} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def shown(page: str, now: str) -> str:
    """The page with another table of the history; it has one, by its heads."""
    return re.sub(r"^\| commit \| RAM .*\n(\|.*\n)+", lambda _: now, page, count=1, flags=re.M)


def main(commits: list[str]) -> int:
    try:
        found = [row for commit in commits for row in measure_another(commit)]
        head = git("rev-parse", "HEAD")  # now: measuring takes minutes
        for row in found or [measure(head, ROOT, opt) for opt in LEVELS]:
            append(row)
            print(", ".join(f"{k} {v}" for k, v in row.items()))
    except (EdgeLpError, subprocess.CalledProcessError) as e:
        print(f"history: {getattr(e, 'stderr', '') or e}", file=sys.stderr)
        return 2
    PAGE.write_text(shown(PAGE.read_text(encoding="utf-8"), table()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
