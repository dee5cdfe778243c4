# SPDX-License-Identifier: Apache-2.0
"""Augmentation: of the waveform (place, speed, noise, gain) and of the features (masks). Each draw
takes its generator, so it is repeatable."""

from __future__ import annotations

import numpy as np
from edge_lp.runtime import HOP, SAMPLE_RATE

from edge_lp_train.presets import TrainConfig


class Augment:
    def __init__(self, config: TrainConfig, noise: np.ndarray) -> None:
        """noise: one long int16 recording, or empty for generated noise only."""
        self.config, self.noise = config, noise

    def _noise(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) float32 background of about unit power: a recording, or white to brown noise."""
        if len(self.noise) > n and rng.random() < 0.8:
            at = int(rng.integers(len(self.noise) - n))
            x = self.noise[at : at + n].astype(np.float32)
        else:
            x = rng.standard_normal(n).astype(np.float32)
            pole = rng.uniform(0.0, 0.95)
            spectrum = np.fft.rfft(x)
            w = np.exp(-2j * np.pi * np.arange(len(spectrum)) / n)
            x = np.fft.irfft(spectrum / (1 - pole * w), n).astype(np.float32)
        return x / (np.sqrt(np.mean(x * x)) + 1e-6)

    def waveform(
        self,
        clip: np.ndarray,
        frames: int,
        context: int,
        before: np.ndarray | None,
        silence: bool,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """The clip (any length) placed `context` frames (and a random shift) into a sequence of
        frames * HOP int16 samples, behind the end of another clip or nothing, in noise, with gain.
        """
        c, n = self.config, frames * HOP
        x = np.zeros(n, np.float32)
        speed = rng.uniform(*c.stretch)
        y = clip.astype(np.float32)
        y = np.interp(np.arange(0, len(y) - 1, speed), np.arange(len(y)), y).astype(np.float32)
        # A whole clip is one second; a shorter one lies anywhere inside its second.
        slack = max(0, SAMPLE_RATE - len(y))
        at = (
            context * HOP
            + int(rng.integers(0, slack + 1))
            + int(rng.uniform(-c.shift, c.shift) * SAMPLE_RATE)
        )
        lo, hi = max(0, at), min(n, at + len(y))
        x[lo:hi] = y[lo - at : hi - at]
        if before is not None and context:
            tail = before[-context * HOP :].astype(np.float32)
            x[: len(tail)] += tail
        if silence:
            level = 10 ** rng.uniform(0, 3.3)
            if rng.random() >= 0.1:  # else digital silence
                x += self._noise(n, rng) * level
        elif rng.random() < c.noise_probability:
            x += (
                self._noise(n, rng)
                * max(float(np.sqrt(np.mean(y * y))), 30.0)
                / 10 ** (rng.uniform(*c.snr) / 20)
            )
        x *= 10 ** (rng.uniform(*c.gain) / 20)
        return np.clip(np.round(x), -32768, 32767).astype(np.int16)

    def features(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Two bands and two stretches of time of (frames, bands) are set to the mean (SpecAugment,
        Park et al. 2019)."""
        mean = x.mean()
        for _ in range(2):
            band, bands = int(rng.integers(0, x.shape[1] - 6)), int(rng.integers(0, 6))
            time, times = int(rng.integers(0, x.shape[0] - 10)), int(rng.integers(0, 10))
            x[:, band : band + bands] = mean
            x[time : time + times] = mean
        return x
