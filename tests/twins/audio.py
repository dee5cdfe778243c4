# SPDX-License-Identifier: Apache-2.0
"""What runtime/lp_audio.h does, as whole convolutions of Python's integers: filters from their
formulas, the PDM's cascade as the four boxes that it is."""

from __future__ import annotations

import math

import numpy as np

PDM_RATE = 1_536_000
BITS = 32  # of a sample at 48 kHz
MEAN_BITS = 10


def _design(rate: int, span: float, offsets: np.ndarray) -> np.ndarray:
    """A sinc with zeros at multiples of `rate` under a Kaiser window, beta 5, over -span..span."""
    return np.sinc(offsets / rate) * np.i0(5 * np.sqrt(1 - (offsets / span) ** 2)) / np.i0(5)


def third() -> list[int]:
    """Low-pass of 48 kHz at 8 kHz, Q14, 73 taps."""
    h = _design(3, 36, np.arange(-36, 37))
    return [round(x) for x in 2**14 * h / h.sum()]


def half() -> list[int]:
    """Low-pass of 16 kHz at 4 kHz, Q14 and twice as loud, 63 taps: the middle one, zeros, and what
    is between two samples of 8 kHz."""
    between = _design(1, 15.5, np.arange(-15.5, 16))
    h = [0] * 63
    h[::2] = [round(x) for x in 2**14 * between / between.sum()]
    h[31] = 2**14
    return h


def _filter(pcm: list[int], h: list[int]) -> list[int]:
    """Each sample of the convolution so far, to 16 bits."""
    sums = np.convolve(np.asarray(pcm, np.int64), h)[: len(pcm)]
    return [max(-(2**15), min(2**15 - 1, (int(s) + 2**13) // 2**14)) for s in sums]


def decimate(pcm: list[int]) -> list[int]:
    """48 kHz -> 16 kHz."""
    return _filter(pcm, third())[2::3]


def interpolate(pcm: list[int]) -> list[int]:
    """8 kHz -> 16 kHz."""
    slots = [x for sample in pcm for x in (sample, 0)]
    # one later: each pair ends with what is between two samples, which needs the newest one
    return _filter([0, *slots][:-1], half()) if pcm else []


def pdm_48k(bits: bytes) -> list[int]:
    """PDM, the first bit in the highest place of its byte -> the level at 48 kHz, -2^19..2^19."""
    h = np.ones(1, np.int64)
    for _ in range(4):
        h = np.convolve(h, np.ones(BITS, np.int64))
    n = len(bits) * 8 // BITS
    stream = np.unpackbits(np.frombuffer(bits, np.uint8)).astype(np.int64)
    return [int(x) - 2**19 for x in np.convolve(stream, h)[BITS - 1 :: BITS][:n]]


def pdm_pcm(bits: bytes, gain: int = 0) -> list[int]:
    """PDM at PDM_RATE -> 16 kHz."""
    mean, out, down = 0, [], 2 ** (4 - gain)
    for x in pdm_48k(bits):
        y = x - mean // 2**MEAN_BITS
        mean += y
        out.append(max(-(2**15), min(2**15 - 1, math.floor((y + down // 2) / down))))
    return decimate(out)
