# SPDX-License-Identifier: Apache-2.0
"""Signals that are made, not recorded."""

from __future__ import annotations

import numpy as np

from edge_lp.runtime import SAMPLE_RATE


def babble(seconds: int, seed: int = 0) -> np.ndarray:
    """(seconds * 16000,) int16: four syllables a second, a gliding voice in drawn formants, over
    faint noise. The network's cost depends on how much it hears, so silence or white noise would
    not do."""
    rng, t = np.random.default_rng(seed), np.arange(seconds * SAMPLE_RATE) / SAMPLE_RATE
    syllable = (t * 4).astype(int)
    level = np.sin(np.pi * (t * 4 % 1)) ** 2 * rng.uniform(0, 1, syllable[-1] + 1)[syllable]
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / SAMPLE_RATE
    formants = rng.uniform((250, 800, 2000), (800, 2000, 3500), (syllable[-1] + 1, 3))
    voice, turn = np.zeros_like(t), np.exp(1j * pitch)
    wave = np.ones_like(turn)
    for harmonic in range(1, 30):
        gain = np.exp(-(((120 * harmonic - formants) / 150) ** 2)).sum(axis=1)
        wave *= turn
        voice += gain[syllable] * wave.imag
    return np.clip(3000 * level * voice + 30 * rng.normal(size=len(t)), -32768, 32767).astype(
        np.int16
    )
