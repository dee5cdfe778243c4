# SPDX-License-Identifier: Apache-2.0
"""Raw PCM of any common format, as a stream of bytes, to samples."""

from __future__ import annotations

import numpy as np

from edge_lp.audio.files import RATES
from edge_lp.audio.resample import Convert, to_int16
from edge_lp.errors import AudioError
from edge_lp.runtime import SAMPLE_RATE

WIDTHS = (1, 4)  # bytes a sample
CHANNELS = (1, 16)


class RawPcm:
    """Little-endian integers, interleaved, -> mono int16 at 16 kHz, the bits that audio.files makes
    of a recording in this format. rate: Hz; width: bytes a sample, 1 (unsigned) to 4; AudioError: a
    format that cannot be, bytes that are no whole number of frames."""

    def __init__(self, rate: int, width: int, channels: int) -> None:
        for what, value, (low, high) in (
            ("rate", rate, RATES),
            ("width", width, WIDTHS),
            ("channels", channels, CHANNELS),
        ):
            if not low <= value <= high:
                raise AudioError(f"{what} is {value}; expected {low} to {high}")
        self.format = (rate, width, channels)
        self._as_it_is = rate == SAMPLE_RATE and channels == 1
        self._convert = Convert(rate, channels)

    def __call__(self, data: bytes, last: bool = False) -> np.ndarray:
        _, width, channels = self.format
        if len(data) % (width * channels):
            raise AudioError(
                f"{len(data)} bytes are no whole number of frames of {channels} x {width} bytes"
            )
        x = _int32(data, width)
        if self._as_it_is:
            return (x >> 16).astype(np.int16)
        frames = x.reshape(-1, channels).astype(np.float32) / np.float32(1 << 31)
        return to_int16(self._convert(frames, last=last))


def _int32(data: bytes, width: int) -> np.ndarray:
    """(n,) int32 with the sample in its upper bytes, so that all widths have one full scale."""
    raw = np.frombuffer(data, np.uint8).reshape(-1, width)
    wide = np.zeros((len(raw), 4), np.uint8)
    wide[:, 4 - width :] = raw ^ 0x80 if width == 1 else raw
    return wide.view("<i4")[:, 0].astype(np.int32)
