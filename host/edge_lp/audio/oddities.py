# SPDX-License-Identifier: Apache-2.0
"""Samples that a spotter will not hear words in, found while they pass."""

from __future__ import annotations

import numpy as np

from edge_lp.text import Notice

CLIPPED_SHARE = 0.01  # of the samples of a stretch, at full scale
CANCELLED = 0.02  # of the channels' power, left in their mean
AUDIBLE = 1e-5  # power: -50 dB of full scale
LARGE = 32768.0  # floats beyond it are cut, so that sums stay finite


class Oddities:
    """Says once each what is odd about a source's samples. Shares are taken over stretches of half
    a second or more, so that how a stream is cut hardly matters."""

    def __init__(self, name: str, rate: int, note: Notice) -> None:
        self._name, self._stretch, self._note = name, rate // 2, note
        self._told: set[str] = set()
        self._seen = self._clipped = 0
        self._mixed = self._apart = 0.0

    def _tell(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._note(f"note: {self._name}: {what}")

    def pcm(self, x: np.ndarray) -> np.ndarray:
        """(n,) int16, as they are."""
        self._count(x, int(np.count_nonzero((x == 32767) | (x == -32768))))
        return x

    def floats(self, x: np.ndarray) -> np.ndarray:
        """(n, channels) float, full scale 1 -> the same, finite: NaN and infinities become 0."""
        if not (finite := np.isfinite(x)).all():
            self._tell("has samples that are no numbers (NaN or infinite); they count as 0")
            x = np.where(finite, x, np.float32(0))
        x = np.clip(x, -LARGE, LARGE)
        size = np.abs(x)
        if x.shape[1] > 1:
            self._mixed += float((x.mean(axis=1, dtype=np.float64) ** 2).sum())
            self._apart += float((x.astype(np.float64) ** 2).mean(axis=1).sum())
        if len(x) and np.median(size) > 2:
            self._tell("floats far beyond full scale, 1: int16 values? Divide them by 32768")
        else:
            self._count(x, int(np.count_nonzero(size >= 32767 / 32768)) // x.shape[1])
        return x

    def _count(self, x: np.ndarray, clipped: int) -> None:
        self._seen += len(x)
        self._clipped += clipped
        if self._seen < self._stretch:
            return
        if self._clipped >= CLIPPED_SHARE * self._seen:
            self._tell("clipped: samples lie at full scale; record with less gain")
        if self._apart >= AUDIBLE * self._seen and self._mixed < CANCELLED * self._apart:
            self._tell("the channels cancel each other when mixed: one is inverted")
        self._seen = self._clipped = 0
        self._mixed = self._apart = 0.0
