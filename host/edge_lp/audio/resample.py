# SPDX-License-Identifier: Apache-2.0
"""Any rate and number of channels to mono at 16 kHz, in a stream."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_lp.runtime import SAMPLE_RATE


def to_int16(x: np.ndarray) -> np.ndarray:
    """Float samples in -1..1 -> int16, rounded to nearest, clipped."""
    return np.clip(np.rint(x * 32768.0), -32768, 32767).astype(np.int16)


class Convert:
    """Float frames (n, channels) at any rate -> mono float at 16 kHz, in a stream."""

    def __init__(self, rate: int, channels: int) -> None:
        self.mix = channels > 1
        self.resampler: Any = None
        if rate != SAMPLE_RATE:
            import soxr

            self.resampler = soxr.ResampleStream(
                rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ"
            )

    def __call__(self, frames: np.ndarray, last: bool = False) -> np.ndarray:
        mono = frames.mean(axis=1) if self.mix else frames[:, 0]
        if self.resampler is None:
            return mono
        return self.resampler.resample_chunk(np.ascontiguousarray(mono, np.float32), last=last)
