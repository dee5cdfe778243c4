# SPDX-License-Identifier: Apache-2.0
"""Arrays that are complete or not there, and the trainer's voice: stderr."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from edge_lp import files
from edge_lp.errors import EdgeLpError
from edge_lp.text import console

LIMIT = 1 << 36  # bytes; decoded recordings are large
log = console(stderr=True)
log.on_broken_pipe = lambda: setattr(log, "quiet", True)  # nobody reads it: training goes on


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz, serialised in memory, then written under another name and renamed."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    files.write_file(path, buffer.getvalue())


def cache(kind: str, of: str) -> Path:
    """Where arrays of a kind are kept between runs, named by all that they depend on."""
    key = hashlib.sha256(of.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return files.cache_folder(kind) / f"{key}.npz"


def keep(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes arrays into the cache; a note where that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, arrays)
    except (OSError, EdgeLpError) as e:
        log.print(f"note: not kept for the next start: {e}", markup=False)


def read_arrays(path: Path, needed: Sequence[str], what: str = "") -> dict[str, np.ndarray]:
    """All arrays of an .npz that has to hold those named. EdgeLpError in one line where not."""
    try:
        arrays = files.read_arrays(path, limit=LIMIT)
    except EdgeLpError as e:
        raise EdgeLpError(f"{what}: {e}" if what else str(e)) from None
    missing = [k for k in needed if k not in arrays]
    if missing:
        raise EdgeLpError(f"{what or f'{path} is damaged'}: it has no {', '.join(missing)}")
    return arrays
