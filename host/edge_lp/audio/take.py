# SPDX-License-Identifier: Apache-2.0
"""One take of a word, as a person recorded it: can it be used, and where in it is the word?

Levels are powers of 10 ms pieces. The room is what lies under all of it: the power that a fifth of
the pieces do not reach. The word is the stretch around the loudest piece that stays clearly over
the room; pauses within it (the closure of a "t") count as part of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_lp.runtime import HOP, SAMPLE_RATE

FULL = 32768.0
ROOM = 20  # percent of the pieces that are softer than what counts as the room
OVER_ROOM, UNDER_WORD = 6.0, 30.0  # dB over the room, dB under the loudest: there a word ends
PAUSE = 25  # pieces that a word may be soft for
MARGIN = SAMPLE_RATE * 3 // 20  # samples kept on both sides, for soft beginnings and ends
SECOND = SAMPLE_RATE  # what training hears of a clip, at most
SHORTEST = 0.1  # s
CONTRAST = 12.0  # dB, at least, by which a word stands out of the room
SOFTEST = -50.0  # dB of full scale
CLIPPED = 3  # samples at the limit of the converter


@dataclass(frozen=True)
class Take:
    """word: (n,) int16, cut to the word and a margin; seconds: of the word alone; level: its
    loudest 50 ms, dB of full scale; contrast: dB of that over the room. fault: why it cannot be
    used and what to do; None: it can."""

    word: np.ndarray
    seconds: float
    level: float
    contrast: float
    fault: str | None


def judge(pcm: np.ndarray) -> Take:
    """(n,) int16, n >= 0.25 s: a word with some of the room on both sides."""
    n = len(pcm) // HOP
    x = pcm[: n * HOP].astype(np.float64)
    power = (x.reshape(n, HOP) ** 2).mean(axis=1)
    loud = float(np.convolve(power, np.ones(5) / 5, "same").max())
    room = max(float(np.percentile(power, ROOM)), 1.0)  # a count: below it is nothing
    level, contrast = _db(loud) - _db(FULL**2), _db(loud) - _db(room)
    first, last = _stretch(
        power, max(room * 10 ** (OVER_ROOM / 10), loud / 10 ** (UNDER_WORD / 10))
    )
    seconds = (last - first) * HOP / SAMPLE_RATE
    margin = MARGIN
    if seconds <= 1:
        margin = min(MARGIN, (SECOND - (last - first) * HOP) // 2)
    word = pcm[max(0, first * HOP - margin) : last * HOP + margin]
    fault = None
    if not pcm.any():
        fault = "nothing but zeros came: is the microphone muted, or the wrong one?"
    elif np.count_nonzero((pcm == 32767) | (pcm == -32768)) >= CLIPPED:
        fault = "too loud, it is clipped: turn the input down, or go further away"
    elif contrast < CONTRAST:
        fault = (
            f"no word stands out ({contrast:.0f} dB over the room, expected {CONTRAST:.0f}): come "
            "closer, or find a quieter room"
        )
    elif level < SOFTEST:
        fault = f"too soft ({level:.0f} dB of full scale, expected {SOFTEST:.0f} or more)"
    elif first == 0:
        fault = "it began too early: wait for the sign"
    elif last == n:
        fault = "it was not over in time: speak at once when the sign comes"
    elif seconds < SHORTEST:
        fault = f"{seconds:.2f} s of sound is a click, not a word"
    return Take(word, seconds, level, contrast, fault)


def _db(power: float) -> float:
    return 10 * float(np.log10(max(power, 1e-9)))


def _stretch(power: np.ndarray, least: float) -> tuple[int, int]:
    """First piece of the word, and the one behind its last."""
    over = np.flatnonzero(power > least)
    if not len(over):
        return 0, 0
    groups = np.split(over, np.flatnonzero(np.diff(over) > PAUSE) + 1)
    top = int(power.argmax())
    word = next(g for g in groups if g[0] <= top <= g[-1])
    return int(word[0]), int(word[-1]) + 1
