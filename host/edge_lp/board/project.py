# SPDX-License-Identifier: Apache-2.0
"""A project of one's own, for a board's build system: edge-lp new-project. Its files are those of
projects/, esp32's also those of the example in esp-idf/, with the runtime's sources and a model
beside them; it needs nothing else of edge-lp."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from edge_lp.board.emulate import sources
from edge_lp.errors import EdgeLpError
from edge_lp.model.carray import to_c

TEMPLATES = Path(__file__).parent / "projects"
# where the runtime stands in it; Arduino compiles what is below src/, ESP-IDF has components
RUNTIME = {
    "pico": "edge-lp",
    "zephyr": "edge-lp",
    "esp32": "components/edge_lp/runtime",
    "arduino": "src/edge-lp",
    "cmake": "edge-lp",
}


def new_project(board: str, folder: str | Path, model: bytes) -> Path:
    """Makes `folder`, all of it or nothing, and returns it. board: a key of RUNTIME. EdgeLpError: a
    folder that has something in it, cannot be made, or whose name Arduino cannot have for a
    sketch; ModelError: no model."""
    target = Path(os.path.abspath(folder))
    if board not in RUNTIME:
        raise EdgeLpError(f"no project for {board!r}: expected one of {', '.join(RUNTIME)}")
    if board == "arduino" and not re.fullmatch(r"[A-Za-z0-9_][\w.-]{0,62}", target.name, re.ASCII):
        raise EdgeLpError(
            f"{target.name!r} cannot be an Arduino sketch: use letters, digits, _, - and . in the "
            "folder's name"
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise EdgeLpError(f"{folder} is there already, and not an empty folder: name another one")
    source = to_c(model).encode()
    try:
        with tempfile.TemporaryDirectory(prefix=".edge-lp-", dir=target.parent) as work:
            made = Path(work) / "project"
            if board == "esp32":
                shutil.copytree(sources() / "esp-idf" / "i2s_microphone", made)
            shutil.copytree(TEMPLATES / board, made, dirs_exist_ok=True)
            copy_runtime(made / RUNTIME[board], pragmas=board == "arduino")
            if board == "esp32":  # it embeds the file
                (made / "main" / "model.lpb").write_bytes(model)
            else:
                (made / RUNTIME[board] / "model.h").write_bytes(source)
            if board == "arduino":  # a sketch has its folder's name
                (made / "sketch.ino").rename(made / f"{target.name}.ino")
            made.rename(target)
    except OSError as e:
        raise EdgeLpError(
            f"cannot make {folder}: {e.strerror}; choose another place or make it writable"
        ) from e
    return target


def copy_runtime(to: Path, pragmas: bool) -> None:
    """The runtime's sources. pragmas: what runs in every frame says by itself that it is for speed,
    as in src/, for a build system without options for a file."""
    ignored = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(sources() / "runtime", to, ignore=ignored)
    if pragmas:
        fast = (sources() / "src" / "edge_lp_fast.h").read_text(encoding="utf-8")
        listed = (to / "sources.cmake").read_text(encoding="utf-8")
        (to / "sources.cmake").unlink()
        hot = listed.partition("EDGE_LP_HOT ")[2].partition(")")[0].split()
        for name in hot:
            path = to / name
            path.write_text(fast + path.read_text(encoding="utf-8"), encoding="utf-8")
