# SPDX-License-Identifier: Apache-2.0
"""Instructions per second of audio on the emulated boards, by part and by function, and on this
machine. QEMU and valgrind count them exactly, but this is not time: they are not cycles."""

from __future__ import annotations

import bisect
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.audio.signals import babble
from edge_lp.board.emulate import TARGETS, Target, build, build_folder, run_command, sources, target
from edge_lp.errors import EdgeLpError, MissingDependency
from edge_lp.runtime import FRAME_SECONDS, SAMPLE_RATE

SECONDS = 5
PARTS = ("front_end", "network", "detector")
TOP = 8
HOST = ("KERNEL=", "OPT=-O3")  # vectors, as the package itself is compiled


def _run(t: Target, elf: Path, folder: Path, plugin: Path | None) -> str:
    command = [*run_command(t, elf), *t.counting]
    if plugin:
        command += ["-plugin", f"{plugin},out={folder / 'profile.txt'}"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )
    if done.returncode or "error" in done.stdout:
        raise EdgeLpError(
            f"the counting program failed on {t.board}: "
            f"{(done.stdout + done.stderr).strip().splitlines()[:1]}"
        )
    return done.stdout


def _plugin(folder: Path) -> Path:
    path = folder / "profile.so"
    subprocess.run(
        [
            "cc",
            "-O2",
            "-shared",
            "-fPIC",
            str(sources() / "firmware" / "tools" / "profile.c"),
            "-o",
            str(path),
        ],
        check=True,
    )
    return path


def _by_function(t: Target, elf: Path, profile: Path, seconds: float) -> dict[str, int]:
    """Instructions per second of audio of the functions that take most of them, the whole run
    counted (start included)."""
    nm = t.compiler.removesuffix("gcc") + "nm"
    symbols = []
    for line in subprocess.run(
        [nm, "-n", str(elf)], check=True, capture_output=True, text=True
    ).stdout.splitlines():
        address, kind, name = line.split()[-3:]
        if kind in "tT" and not name.startswith("$"):
            symbols.append((int(address, 16) & 0x7FFFFFFE, name.split(".")[0]))
    starts, total = [a for a, _ in symbols], dict.fromkeys((n for _, n in symbols), 0)
    for line in profile.read_text().splitlines():
        where, count = line.split()
        total[symbols[bisect.bisect_right(starts, int(where, 16)) - 1][1]] += int(count)
    return {
        name: round(n / seconds)
        for name, n in sorted(total.items(), key=lambda item: -item[1])[:TOP]
    }


def count(
    name: str,
    model: bytes,
    pcm: np.ndarray | None = None,
    functions: bool = True,
    more: Sequence[str] = (),
) -> dict[str, Any]:
    """Board name (m0, m3, m4, m7, m33, m55, rv32), model -> instructions per second of audio: of
    each part, "total", and "functions". pcm: int16 at 16 kHz; None: five seconds of babble. more:
    other variables of the Makefile."""
    t = target(name)
    if not t.counting:
        known = ", ".join(n for n, other in TARGETS.items() if other.counting)
        raise EdgeLpError(f"instructions cannot be counted on {name}: expected one of {known}")
    pcm = babble(SECONDS) if pcm is None else pcm
    with build_folder() as f:
        folder = Path(f)
        elf, _ = build(t, model, folder, "count", pcm.astype("<i2").tobytes(), more=more)
        plugin = _plugin(folder) if functions and shutil.which("cc") else None
        said = {
            line.split()[0]: [int(x) for x in line.split()[1:]]
            for line in _run(t, elf, folder, plugin).splitlines()
        }
        seconds = said["network"][0] * FRAME_SECONDS
        found: dict[str, Any] = {
            part: round(said[part][1] * t.instructions_per_tick / seconds) for part in PARTS
        }
        found["total"] = sum(found[part] for part in PARTS)
        found.update(
            {
                "spikes": round(said["spikes"][0] / seconds),
                "synops": round(said["synops"][0] / seconds),
                "crc": said["crc"][0],
            }
        )
        if plugin:
            found["functions"] = _by_function(t, elf, folder / "profile.txt", seconds)
    return found


def host_instructions(model: bytes) -> int:
    """Instructions per second of audio on this machine, vectors and all: what valgrind counts over
    3 s of artificial babble less what it counts over 1 s, so that the start cancels out.

    MissingDependency: valgrind, or what builds the program."""
    if not shutil.which("valgrind"):
        raise MissingDependency("instructions are counted by valgrind: apt-get install valgrind")
    posix, taken = target("posix"), []
    for seconds in (1, 3):
        with build_folder() as f:
            sound = babble(3)[: seconds * SAMPLE_RATE].astype("<i2").tobytes()
            elf, _ = build(posix, model, Path(f), "count", sound, more=HOST)
            done = subprocess.run(
                ["valgrind", "--tool=callgrind", f"--callgrind-out-file={f}/callgrind", str(elf)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        counted = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode or not counted:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise EdgeLpError(f"valgrind could not run the counting program: {last}")
        taken.append(int(counted[1]))
    return (taken[1] - taken[0]) // 2


def table(found: dict[str, dict[str, Any]]) -> list[Any]:
    """For a reader: a row a board, and where the first board's instructions go."""
    from rich.table import Table

    parts = Table(
        "board",
        *(h for h in ("front end", "network", "detector", "total")),
        title="million instructions per second of audio (QEMU -icount)",
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for name, row in found.items():
        parts.add_row(name, *(f"{row[p] / 1e6:.2f}" for p in (*PARTS, "total")))
    out: list[Any] = [parts]
    for name, row in found.items():
        if "functions" in row:
            functions = Table(
                "function",
                "M/s",
                title=f"{name}, by function",
                title_justify="left",
                box=None,
                padding=(0, 2, 0, 0),
            )
            for function, n in row["functions"].items():
                functions.add_row(function, f"{n / 1e6:.3f}")
            out.append(functions)
            break
    out.append(
        "beside it, published: MLPerf Tiny's DS-CNN takes 43.2 ms an inference of 1 s on a 120 "
        "MHz Cortex-M4, 5.2 M cycles, at one inference a second"
    )
    return out
