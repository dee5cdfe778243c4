# SPDX-License-Identifier: Apache-2.0
"""A stream is an iterator of blocks of int16 samples at 16 kHz, mono. A block's length carries no
meaning: the same samples give the same detections, however they are cut."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np

from edge_lp.runtime import HOP, SAMPLE_RATE

BLOCK = 10 * HOP  # samples of a recording that are read at once: 100 ms
LIVE_BLOCK = 2 * HOP  # of a microphone: 20 ms, as an event waits for the end of its block
Blocks = Iterator[np.ndarray]


def real_time(blocks: Iterable[np.ndarray]) -> Blocks:
    """As a microphone would deliver them: each piece is held back until its samples have passed."""
    start, at = time.monotonic(), 0
    for block in blocks:
        for first in range(0, len(block), LIVE_BLOCK):
            pcm = block[first : first + LIVE_BLOCK]
            at += len(pcm)
            time.sleep(max(0.0, start + at / SAMPLE_RATE - time.monotonic()))
            yield pcm


def with_tail(blocks: Iterable[np.ndarray], seconds: float) -> Blocks:
    """The blocks, then zeros."""
    yield from blocks
    yield np.zeros(round(seconds * SAMPLE_RATE), np.int16)


def amplified(blocks: Iterable[np.ndarray], db: float) -> Blocks:
    """Louder or softer, rounded to nearest; what would leave int16 is clipped."""
    factor = 10 ** (db / 20)
    for pcm in blocks:
        yield np.clip(np.rint(pcm * factor), -32768, 32767).astype(np.int16)


def framed(blocks: Iterable[np.ndarray]) -> Blocks:
    """Cut so that no block completes more than one frame."""
    for pcm in blocks:
        for at in range(0, len(pcm), HOP):
            yield pcm[at : at + HOP]
