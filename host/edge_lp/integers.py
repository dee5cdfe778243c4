# SPDX-License-Identifier: Apache-2.0
"""Integers within limits, out of what a caller gave."""

from __future__ import annotations

from typing import Any

import numpy as np


def whole(what: str, values: Any, lo: int, hi: int, dtype: Any = np.int64) -> np.ndarray:
    """A copy of values as dtype, every one an integer from lo to hi, both inclusive."""
    a = np.asarray(values)
    if a.size and a.dtype.kind not in "iub":
        raise ValueError(f"{what} has type {a.dtype}, expected integers from {lo} to {hi}")
    if a.size and (a.min() < lo or a.max() > hi):
        bad = a[(a < lo) | (a > hi)].flat[0]
        raise ValueError(f"{what} is {bad}, expected integers from {lo} to {hi}")
    return np.array(a, dtype, order="C")


def number(what: str, value: Any, lo: int, hi: int) -> int:
    """value, one integer from lo to hi, both inclusive."""
    if type(value) is int and lo <= value <= hi:
        return value
    a = whole(what, value, lo, hi)
    if a.ndim:
        raise ValueError(f"{what} has shape {a.shape}, expected one number")
    return int(a)
