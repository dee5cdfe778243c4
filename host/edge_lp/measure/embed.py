# SPDX-License-Identifier: Apache-2.0
"""Clips of single words, put into a stream."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edge_lp.measure.stream import Said
from edge_lp.runtime import SAMPLE_RATE

LOUD = 3000.0  # RMS of every word's loudest 50 ms
GAP = (0.5, 1.5)  # seconds before each word
TAIL = 1.0  # seconds behind the last one
LOUDEST = SAMPLE_RATE // 20
HEARD = 0.05  # of the loudest 50 ms' power: from there to there the word lasts


def embed(
    clips: Iterable[tuple[str, np.ndarray]],
    rng: np.random.Generator,
    noise: np.ndarray | None = None,
    snr: float = 20.0,
    gap: tuple[float, float] = GAP,
) -> tuple[np.ndarray, list[Said]]:
    """(word, int16 samples) in their order -> (n,) int16 and where the words are. Every word is as
    loud as every other, the gap before each is drawn between two lengths in seconds, and noise (its
    first samples, over and over) lies under all, snr dB below the words' loudest 50 ms; without
    noise, the gaps are zeros."""
    parts, said, at = [], [], 0
    for word, pcm in clips:
        pause, clip = np.zeros(int(rng.uniform(*gap) * SAMPLE_RATE)), pcm.astype(np.float64)
        power = np.convolve(clip**2, np.ones(LOUDEST) / LOUDEST, "same")
        loud = np.flatnonzero(power > HEARD * power.max())
        first, last = (loud[0], loud[-1]) if len(loud) else (0, len(clip))
        start = at + len(pause)
        said.append(Said(word, (start + first) / SAMPLE_RATE, (start + last) / SAMPLE_RATE))
        parts += [pause, clip * LOUD / max(1.0, np.sqrt(power.max()))]
        at = start + len(clip)
    mix = np.concatenate([*parts, np.zeros(int(TAIL * SAMPLE_RATE))])
    if noise is not None:
        under = np.resize(noise.astype(np.float64), len(mix))
        mix += under * LOUD * 10 ** (-snr / 20) / max(1.0, under.std())
    return np.clip(np.rint(mix), -32768, 32767).astype(np.int16), said
