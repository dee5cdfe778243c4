# SPDX-License-Identifier: Apache-2.0
"""Writing a file so that it is either complete or not there."""
from __future__ import annotations

import os
from pathlib import Path

from edge_lp.errors import EdgeLpError


def write_file(path: str | Path, data: bytes) -> Path:
    """Writes data beside path under a temporary name, then renames. EdgeLpError where that is not possible."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            part.write_bytes(data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as e:
        raise EdgeLpError(f"cannot write {path}: {e.strerror or e}; choose another place or make it writable") from e
    return path
