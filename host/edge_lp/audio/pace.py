# SPDX-License-Identifier: Apache-2.0
"""Samples that a live source did not deliver, found by the clock and replaced by zeros, so that the
time of what follows is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from edge_lp.audio.blocks import BLOCK, Blocks
from edge_lp.runtime import SAMPLE_RATE
from edge_lp.text import Notice

GAP = 0.5  # seconds that have to be missing before zeros stand in for them
RESUMED = 0.05  # the same behind a stall, whose last part has to be made up for
STALL = 5.0  # seconds without samples that are told while they last
_NOTHING = np.zeros(0, np.int16)
DRIFT = 1e-3  # by which the source's clock may be slower than ours; crystals keep 1e-4


def paced(
    arrivals: Iterable[tuple[float, np.ndarray | None]],
    name: str,
    note: Notice,
    missing: Callable[[int], None] = lambda samples: None,
) -> Blocks:
    """The blocks as they came, with zeros where samples are missing. arrivals: when (seconds on a
    monotonic clock), and the block that came then; None: nothing has come since, which is handed on
    as an empty block. missing: told how many zeros stand in, before they do.

    A block is due when its samples have passed. One that is late may only have been held up: then
    those behind it come at once and make up for it. So it is kept until one comes in its own time;
    if that is still late, samples are missing. Being late is never negative but for the drift of
    two clocks, so what is due follows the earliest arrivals."""
    due: float | None = None  # when the last sample that was handed on had passed
    last = stalled = 0.0
    held: list[np.ndarray] = []
    told = False
    for when, pcm in arrivals:
        n = 0 if pcm is None else len(pcm)
        if due is None or (pcm is not None and not last and not stalled):
            due = when - n / SAMPLE_RATE
        if pcm is not None:
            held.append(pcm)
            burst, last = when - last < n / SAMPLE_RATE / 2, when
        seconds = sum(map(len, held)) / SAMPLE_RATE
        late = when - due - seconds
        gap = RESUMED if stalled else GAP
        if pcm is None:
            if not stalled and late < STALL:
                yield _NOTHING
                continue
            if not stalled:
                note(
                    f"note: {name} has delivered nothing for {late:.0f} s: is it suspended, or in "
                    "use elsewhere? Waiting for it"
                )
            stalled += late
        else:
            if late >= gap and (burst or len(held) == 1):
                continue
            if stalled:
                stalled += max(0.0, late)
                note(f"note: {name} delivers again; {stalled:.1f} s count as silence")
                stalled = 0.0
            elif late >= gap and not told:
                told = True
                note(f"note: {name} lost {late:.1f} s of sound; they count as silence")
        if pcm is None or late >= gap:
            missing(round(late * SAMPLE_RATE))
            yield from _zeros(round(late * SAMPLE_RATE))
            due += late
        else:
            due += min(late, DRIFT * seconds)
        due += seconds
        yield from held
        held = []


def _zeros(n: int) -> Blocks:
    for at in range(0, n, BLOCK):
        yield np.zeros(min(BLOCK, n - at), np.int16)
