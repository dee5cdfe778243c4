# SPDX-License-Identifier: Apache-2.0
"""Where in a recording its word is: what training, checks and `evaluate` cut out of a clip that is
longer than they take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from edge_lp.runtime import SAMPLE_RATE

HOP = SAMPLE_RATE // 100  # samples in which the place of a word is told
LONG = 20 * SAMPLE_RATE  # what is longer is no clip of a word: its beginning is taken
ENERGY = 0.9  # a word is the shortest stretch with so much of its clip's energy
MARGIN = 0.2  # seconds of a clip beside its word
LONGEST = 2.0  # seconds of a clip


class Spoken(Protocol):
    """A recording of a word. spoken: the samples that the word takes (place_of_word)."""

    def __len__(self) -> int: ...

    @property
    def spoken(self) -> int: ...


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


def clip_samples(words: Iterable[Sequence[Spoken]]) -> int:
    """The samples of a clip that keywords fit in, given the recordings of each: a second, or what
    the longest of them takes in half of its recordings and MARGIN, up to LONGEST, in tenths of a
    second."""
    need = 1.0
    for found in words:
        if found and np.median([len(x) for x in found]) > SAMPLE_RATE:
            spoken = float(np.median([x.spoken for x in found])) / SAMPLE_RATE
            need = max(need, min(LONGEST, spoken + MARGIN))
    return SAMPLE_RATE // 10 * int(np.ceil(10 * need - 1e-6))
