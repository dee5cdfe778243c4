# SPDX-License-Identifier: Apache-2.0
"""Signals that are made, not recorded."""

from __future__ import annotations

import numpy as np

from edge_lp.runtime import SAMPLE_RATE


def babble(seconds: int, seed: int = 0) -> np.ndarray:
    """(seconds * 16000,) int16: four syllables a second, a gliding voice in drawn formants, over
    faint noise. The network's cost depends on how much it hears, so silence or white noise would
    not do."""
    n, length = 4 * seconds, SAMPLE_RATE // 4  # syllables, and samples of one
    rng, t = np.random.default_rng(seed), np.arange(n * length) / SAMPLE_RATE
    level = np.sin(np.pi * (t * 4 % 1)) ** 2 * np.repeat(rng.uniform(0, 1, n), length)
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / SAMPLE_RATE
    formants = rng.uniform((250, 800, 2000), (800, 2000, 3500), (n, 3))
    harmonics = 120 * np.arange(1, 30)[:, None]
    turns, voice = np.exp(1j * pitch).reshape(n, length), np.zeros((n, length))
    for turn, sound, formant in zip(turns, voice, formants):  # one at a time stays in the cache
        wave = np.ones_like(turn)
        for gain in np.exp(-(((harmonics - formant) / 150) ** 2)).sum(axis=1):
            wave *= turn
            sound += gain * wave.imag
    sound = 3000 * level * voice.ravel() + 30 * rng.normal(size=len(t))
    return np.clip(sound, -32768, 32767).astype(np.int16)
