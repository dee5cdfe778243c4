# SPDX-License-Identifier: Apache-2.0
"""What a second of audio, the firmware, the core, a clip and a start took at an earlier commit, and
what they take now: the table at the head of docs/core-performance.md.

    python tools/before_after.py [COMMIT]       # by default the first landed version

Both trees are installed by themselves from their sources, with what this Python has beside them,
and run in turns, each with the commands12 that it ships: CPU time, of which the median counts.
Instructions, flash and RAM are the same in every run. What cannot be measured is a dash. Takes a
quarter of an hour of CPU, most of it to compile.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import history
import numpy as np
import soundfile
from edge_lp.audio.signals import babble
from edge_lp.board import emulate
from edge_lp.board.count import count
from edge_lp.errors import EdgeLpError, MissingDependency

FIRST = "4ad5ed1"
TURNS = 5
CLIPS = 200
# row, unit, format, goal at K = 14 and at K = 7, and whether more is better
ROWS = (
    ("host, all parts, through Python: CPU of 1 s of audio", "ms", ".2f", 0.42, 0.28, False),
    ("Cortex-M4: instructions for 1 s of audio", "M", ".1f", 15, 10, False),
    ("RV32", "M", ".1f", 27, 18, False),
    ("Cortex-M0+", "M", ".1f", 45, 30, False),
    ("arena on a 32-bit board", "B", ",.0f", 11_200, 11_200, False),
    ("RAM of the M4's firmware, stack included", "B", ",.0f", 16_000, 16_000, False),
    ("flash of the M4's firmware, model included", "B", ",.0f", 47_000, 41_000, False),
    ("the core, standard network, through Python", "M steps/s", ".2f", 2.3, 2.3, True),
    ("evaluate: CPU of a clip of 1 s", "ms", ".2f", None, None, False),
    ("start: --help, beyond Python's own", "s", ".2f", 0.25, 0.25, False),
    ("start: inspect", "s", ".2f", 0.25, 0.25, False),
    ("start: listen to its first block", "s", ".2f", 0.25, 0.25, False),
    ("lines of C in runtime/, without comments and blank ones", "", ",.0f", 2500, 2500, False),
)
Row = dict[str, float]


@contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        history.git("worktree", "add", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            history.git("worktree", "remove", "--force", str(tree))


def install(tree: Path, folder: Path) -> str:
    """The package of a tree, compiled as any installation of it is -> its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    site = run([python, "-c", "import site; print(site.getsitepackages()[0])"])[0].strip()
    beside = [path for path in sys.path if path.endswith("-packages")]
    (Path(site) / "beside.pth").write_text("\n".join(beside))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    pip += ["--no-deps", "--no-build-isolation", "-C", f"build-dir={folder / 'build'}"]
    run([*pip, "--target", site, str(tree)])
    return python


def run(command: list[str], **more: object) -> tuple[str, float]:
    """A program -> its stdout, and the CPU seconds that it took. EdgeLpError: it failed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tempfile.gettempdir(), **more
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EdgeLpError(f"{' '.join(command[:5])}: {last}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, used


def sounds(folder: Path) -> tuple[Path, list[Path]]:
    """A recording of one block, and two folders of clips of a word, of which one has CLIPS more."""
    soundfile.write(folder / "block.wav", np.zeros(320, np.int16), 16_000)
    pcm, many, few = babble(10), folder / "many" / "yes", folder / "few" / "yes"
    for words, n in ((few, 1), (many, CLIPS + 1)):
        words.mkdir(parents=True)
        for i in range(n):
            soundfile.write(words / f"{i}.wav", np.roll(pcm, 997 * i)[:16_000], 16_000)
    return folder / "block.wav", [few.parent, many.parent]


def timed(python: str, block: Path, clips: list[Path]) -> Row:
    """Once what is told in CPU time."""
    tool = [python, "-m", "edge_lp"]
    nothing = run([python, "-c", ""])[1]
    start = {
        name: run([*tool, *arguments])[1] - nothing
        for name, arguments in {
            "start: --help, beyond Python's own": ["--help"],
            "start: inspect": ["inspect"],
            "start: listen to its first block": ["listen", "--device", str(block)],
        }.items()
    }
    few, many = (run([*tool, "evaluate", "commands12", str(folder)])[1] for folder in clips)
    bench, core = (
        json.loads(run([*tool, *c, "--json"])[0]) for c in (["bench"], ["bench", "core"])
    )
    return start | {
        "host, all parts, through Python: CPU of 1 s of audio": bench["total_ms"],
        "the core, standard network, through Python": core["steps_per_s"] / 1e6,
        "evaluate: CPU of a clip of 1 s": 1e3 * (many - few) / CLIPS,
    }


def exact(tree: Path) -> Row:
    """What is the same in every run: the firmware's sizes and instructions, with the tree's model;
    lines."""
    model = (tree / "host" / "edge_lp" / "models" / "commands12.lpb").read_bytes()
    code = "\n".join(p.read_text(encoding="utf-8") for p in (tree / "runtime").rglob("*.[ch]"))
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", code, flags=re.DOTALL)
    found = {ROWS[-1][0]: float(sum(bool(line.strip()) for line in code.split("\n")))}

    def sizes() -> Row:
        with emulate.build_folder() as folder:
            said = emulate.build(emulate.target("m4"), model, Path(folder), core=False)[1]
        patterns = (r"arena (\d+)", r"RAM +(\d+)", r"flash +(\d+)")
        return {ROWS[i][0]: float(re.search(p, said)[1]) for i, p in zip((4, 5, 6), patterns)}

    def instructions(board: str, row: str) -> Callable[[], Row]:
        return lambda: {row: count(board, model, functions=False)["total"] / 1e6}

    boards = (instructions(b, ROWS[i][0]) for i, b in ((1, "m4"), (2, "rv32"), (3, "m0")))
    ours = emulate.sources
    emulate.sources = lambda: tree
    try:
        for step in (sizes, *boards):
            try:
                found |= step()
            except MissingDependency as e:
                print(f"before_after: {e}", file=sys.stderr)
    finally:
        emulate.sources = ours
    return found


def table(before: Row, now: Row, commit: str) -> str:
    lines = [f"| | goal, K 14 | goal, K 7 | {commit} | now | |", "|---" * 6 + "|"]
    for name, unit, form, at_14, at_7, more in ROWS:
        of = lambda x: "–" if x is None else f"{x:{form}} {unit}".strip()  # noqa: E731, B023
        goal = lambda x: "" if x is None else f"{'≥' if more else '≤'} {x:{form}}"  # noqa: E731, B023
        x, y = before.get(name), now.get(name)
        met = ""
        if y is not None and at_7 is not None:
            met = "met" if (y >= at_7 if more else y <= at_7) else "**not met**"
        lines.append(f"| {name} | {goal(at_14)} | {goal(at_7)} | {of(x)} | {of(y)} | {met} |")
    return "\n".join(lines)


def middle(rows: Iterable[Row]) -> Row:
    rows = list(rows)
    return {name: median(row[name] for row in rows) for name in rows[0]}


def main(commit: str = FIRST) -> int:
    try:
        with tree_of(commit) as tree, tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            block, clips = sounds(folder)
            pythons = [install(t, folder / n) for t, n in ((tree, "before"), (history.ROOT, "now"))]
            turns = [[timed(p, block, clips) for p in pythons] for _ in range(TURNS)]
            before, now = (middle(rows) for rows in zip(*turns))
            print(table(before | exact(tree), now | exact(history.ROOT), commit))
    except (EdgeLpError, subprocess.CalledProcessError) as e:
        print(f"before_after: {e}", file=sys.stderr)
        return 2
    print(f"load {os.getloadavg()[2]:.0f}, {os.cpu_count()} processors", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
