# SPDX-License-Identifier: Apache-2.0
"""Writing a file so that it is either complete or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from edge_lp.errors import EdgeLpError


def write_file(path: str | Path, data: bytes) -> Path:
    """Writes data beside path under a temporary name, then renames. EdgeLpError where that is not
    possible."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            part.write_bytes(data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as e:
        raise EdgeLpError(
            f"cannot write {path}: {e.strerror or e}; choose another place or make it writable"
        ) from e
    return path


def check_writable(path: str | Path) -> Path:
    """Before long work: that write_file(path, ...) will be able to write. EdgeLpError where it will
    not."""
    path = Path(path)
    if path.is_dir():
        raise EdgeLpError(f"cannot write {path}: it is a directory; name a file")
    folder = path.parent
    if not folder.is_dir():
        raise EdgeLpError(
            f"cannot write {path}: there is no directory {folder}; make it first, or choose "
            "another place"
        )
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as e:
        raise EdgeLpError(
            f"cannot write {path}: {e.strerror or e}; choose another place or make it writable"
        ) from e
    return path
