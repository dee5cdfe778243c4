# SPDX-License-Identifier: Apache-2.0
"""What the two bindings (core.py, runtime.py) share: the compiled module, memory, pointers, and
status codes as exceptions. Calls release the GIL, so several threads use several cores."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_lp._runtime import ffi, lib
from edge_lp.errors import EdgeLpError, ModelError

__all__ = ["aligned", "check", "ffi", "lib", "memory", "pointer", "size_of"]
_MESSAGES = {
    lib.LP_E_ARG: (ValueError, "an argument is out of its range"),
    lib.LP_E_SPACE: (MemoryError, "the memory given is too small or not aligned to 8 bytes"),
    lib.LP_E_MAGIC: (ModelError, "not an .lpb model (the first four bytes are not \\x89LPB)"),
    lib.LP_E_MAJOR: (
        ModelError,
        "written for another major version of the .lpb format; this edge-lp reads version "
        f"{lib.LP_FORMAT_MAJOR}: export the model again",
    ),
    lib.LP_E_MINOR: (
        ModelError,
        f"written for a newer .lpb format than {lib.LP_FORMAT_MAJOR}.{lib.LP_FORMAT_MINOR}: "
        "upgrade edge-lp",
    ),
    lib.LP_E_TRUNCATED: (
        ModelError,
        "shorter than its header says: the file is cut off, copy or export it again",
    ),
    lib.LP_E_TRAILING: (
        ModelError,
        "longer than its header says: something was appended, copy or export it again",
    ),
    lib.LP_E_CHECKSUM: (
        ModelError,
        "checksum mismatch: the file is damaged, copy or export it again",
    ),
    lib.LP_E_FORMAT: (
        ModelError,
        "a field contradicts the .lpb format (SPEC.md): export the model again",
    ),
    lib.LP_E_LIMIT: (ModelError, "well-formed, but larger than this runtime can run"),
    lib.LP_E_FRONTEND: (
        ModelError,
        f"trained with another front end; this edge-lp has version {lib.LP_FRONTEND_VERSION} "
        f"({lib.LP_SAMPLE_RATE} Hz, {lib.LP_FEATURES} bands): train or export the model again",
    ),
}


def check(status: int) -> int:
    """A non-negative status passes; a negative one becomes the exception for its cause."""
    if status >= 0:
        return status
    kind, message = _MESSAGES.get(status, (EdgeLpError, f"unknown status {status}"))
    raise kind(message)


def memory(n: int) -> Any:
    """n bytes, aligned to 8, zeroed, owned by the returned object."""
    return ffi.new("uint64_t[]", (n + 7) // 8)


def size_of(function: Any, *args: Any) -> int:
    out = ffi.new("size_t *")
    check(function(*args, out))
    return out[0]


def pointer(ctype: str, array: np.ndarray) -> Any:
    return ffi.cast(ctype, array.ctypes.data)


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy from a 64-byte boundary on: rows whose vectors cross cache lines take a tenth longer
    to add."""
    room = np.empty(array.nbytes + 63, np.uint8)
    first = -room.ctypes.data % 64
    copy = room[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
