# SPDX-License-Identifier: Apache-2.0
"""Where in a recording its word is: what training, checks and `evaluate` cut out of a clip that is
longer than they take."""

from __future__ import annotations

import numpy as np

from edge_lp.runtime import SAMPLE_RATE

HOP = SAMPLE_RATE // 100  # samples in which the place of a word is told
LONG = 20 * SAMPLE_RATE  # what is longer is no clip of a word: its beginning is taken
ENERGY = 0.9  # a word is the shortest stretch with so much of its clip's energy


def place_of_word(x: np.ndarray) -> tuple[int, int]:
    """(n,) int16 -> first sample and samples of the shortest stretch that holds ENERGY, to a HOP.
    (0, 0): silent; (0, a second): longer than LONG."""
    if not x.any():
        return 0, 0
    if len(x) > LONG:
        return 0, SAMPLE_RATE
    power = np.add.reduceat(x.astype(np.float64) ** 2, np.arange(0, len(x), HOP))
    before = np.concatenate([[0.0], np.cumsum(power)])
    end = np.searchsorted(before, before[:-1] + ENERGY * before[-1] * (1 - 1e-12))
    length = np.where(end < len(before), end - np.arange(len(power)), len(power))
    first = int(length.argmin())
    return HOP * first, int(min(HOP * length[first], len(x) - HOP * first))


def first_around(at: int, spoken: int, n: int, total: int) -> int:
    """The first of the n samples of a recording of total that have the word in their middle; 0 if
    it has no more than n."""
    return min(max(0, at + (spoken - n) // 2), max(0, total - n))
