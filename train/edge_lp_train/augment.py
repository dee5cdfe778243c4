# SPDX-License-Identifier: Apache-2.0
"""Augmentation: of the waveform (speed, room, bandwidth, place, noise, gain) and of the features
(vocal tract, masks). Each draw takes its generator, so it is repeatable."""

from __future__ import annotations

import numpy as np
from edge_lp.runtime import HOP, SAMPLE_RATE

from edge_lp_train.presets import TrainConfig

RECORDED = 0.75  # of backgrounds are voices or recordings; the rest is steady noise
FFT = 2 * SAMPLE_RATE  # points of the transform in which rooms and low-passes are applied


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x * x))) + 1e-6


def cumulative(p: np.ndarray) -> np.ndarray:
    """(n,) shares -> what `pick` draws from."""
    c = np.cumsum(p)
    return c / c[-1] if len(c) else c


def pick(c: np.ndarray, rng: np.random.Generator) -> int:
    """rng.choice(n, p=p), the same draw, without going through all shares: of tens of thousands
    that would take longer than the rest of a sequence."""
    return int(c.searchsorted(rng.random(), side="right"))


def piece(recording: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) int16 from a random place of a recording, which is repeated if it is shorter."""
    at = int(rng.integers(max(1, len(recording) - n)))
    x = recording[at : at + n]
    return np.resize(x, n) if len(x) < n else x


def room_responses(recordings: list[np.ndarray]) -> np.ndarray:
    """(rooms, FFT // 2 + 1) complex64: the spectra of impulse responses from their highest peak
    on, at unit energy, cut to half a second."""
    out = []
    for x in map(np.asarray, recordings):
        h = x[int(np.abs(x.astype(np.int32)).argmax()) :][: SAMPLE_RATE // 2].astype(np.float32)
        if len(h) and h.any():
            out.append(np.fft.rfft(h / np.sqrt(np.sum(h * h)), FFT).astype(np.complex64))
    return np.array(out) if out else np.zeros((0, FFT // 2 + 1), np.complex64)


def steady(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) float32 Gaussian noise whose spectrum wanders from octave to octave, as that of a room
    or a microphone: no set of recordings has each, and to a net that knows a few any other may be
    a word."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    octave = np.log2(1 + np.arange(len(spectrum)) * (SAMPLE_RATE / n / 125))
    knots = np.cumsum(rng.normal(0, 8, 7)) + rng.normal(0, 6, 7)  # dB at 0, 125, 375 ... 7875 Hz
    decibels = np.interp(octave, np.arange(7), knots)
    return np.fft.irfft(spectrum * 10 ** (decibels / 20), n).astype(np.float32)


class Augment:
    def __init__(
        self,
        config: TrainConfig,
        noise: list[np.ndarray],
        speech: list[np.ndarray],
        rooms: list[np.ndarray],
    ) -> None:
        """int16 recordings of background noise, of other people's speech (for babble), and room
        impulse responses; each list may be empty."""
        self.config, self.noise, self.speech = config, noise, speech
        self.rooms = room_responses(rooms)
        length = np.array([len(x) for x in noise], float)
        p = 0.5 * length / length.sum() + 0.5 / len(noise) if noise else length
        self.noise_p = cumulative(p)

    def background(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) float32 of unit power: a recording, several voices, or steady noise."""
        kind = rng.random()
        if self.speech and kind < self.config.babble_share:
            x = np.zeros(n, np.float32)
            for _ in range(int(rng.integers(3, 8))):
                x += piece(self.speech[int(rng.integers(len(self.speech)))], n, rng)
        elif self.noise and kind < RECORDED:
            x = piece(self.noise[pick(self.noise_p, rng)], n, rng)
            x = x.astype(np.float32)
        else:
            x = steady(n, rng)
        return x / _rms(x)

    def _voice(self, clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The clip at another speed, perhaps in a room, perhaps through a narrow channel."""
        c = self.config
        y = np.asarray(clip, np.float32)
        speed = rng.uniform(*c.stretch)
        at = np.arange(0, max(1, len(y) - 1), speed)
        y = np.interp(at, np.arange(len(y)), y).astype(np.float32)
        room = len(self.rooms) and rng.random() < c.room_probability
        narrow = rng.random() < c.low_pass_probability
        if not (room or narrow) or len(y) > SAMPLE_RATE * 3 // 2:
            return y
        spectrum = np.fft.rfft(y, FFT)
        if room:
            spectrum = spectrum * self.rooms[int(rng.integers(len(self.rooms)))]
        if narrow:
            hz = np.arange(len(spectrum)) * (SAMPLE_RATE / FFT)
            spectrum = spectrum / (1 + (hz / rng.uniform(3000, 7000)) ** 8)
        out = np.fft.irfft(spectrum, FFT).astype(np.float32)
        out = out[: len(y) + (SAMPLE_RATE // 4 if room else 0)]
        return out * (_rms(y) / _rms(out[: len(y)]))

    def waveform(
        self,
        clip: np.ndarray,
        frames: int,
        start: int,
        before: np.ndarray | None,
        snr: tuple[float, float] | None,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """The clip (any length) placed `start` frames (and a random shift) into a sequence of
        frames * HOP int16 samples, behind the end of another clip or nothing, in noise at an
        SNR in dB of a range, with gain. snr None: silence, of noise alone."""
        c, n = self.config, frames * HOP
        x = np.zeros(n, np.float32)
        y = self._voice(clip, rng)
        # A clip that is shorter than config.clip frames lies anywhere inside them.
        slack = max(0, c.clip * HOP - len(y))
        at = start * HOP + int(rng.integers(0, slack + 1))
        at += int(rng.uniform(-c.shift, c.shift) * SAMPLE_RATE)
        lo, hi = min(n, max(0, at)), min(n, at + len(y))
        if hi > lo:
            x[lo:hi] = y[lo - at : hi - at]
        if before is not None and start:
            tail = before[-start * HOP :].astype(np.float32)
            x[start * HOP - len(tail) : start * HOP] += tail
        if snr is None:
            level = 10 ** rng.uniform(0, 3.3)
            if rng.random() >= 0.1:  # else digital silence
                x += self.background(n, rng) * level
        elif rng.random() < c.noise_probability:
            level = max(_rms(y), 30.0) / 10 ** (rng.uniform(*snr) / 20)
            x += self.background(n, rng) * level
        x *= 10 ** (rng.uniform(*c.gain) / 20)
        return np.clip(np.round(x), -32768, 32767).astype(np.int16)

    def features(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(batch, frames, bands) float32 with bands moved as by vocal tracts of other lengths
        (VTLP, Jaitly and Hinton 2013; half of the sequences), and two bands and two stretches of
        time set to the mean (SpecAugment, Park et al. 2019)."""
        n, frames, bands = x.shape
        factor = np.where(rng.random(n) < 0.5, rng.uniform(*self.config.warp, n), 1.0)
        place = np.clip(np.arange(bands) * factor[:, None], 0, bands - 1)
        low = np.minimum(place.astype(np.intp), bands - 2)
        part = (place - low).astype(np.float32)[:, None]
        low = np.broadcast_to(low[:, None], x.shape)
        x = np.take_along_axis(x, low, 2) * (1 - part) + np.take_along_axis(x, low + 1, 2) * part
        mean = x.mean(axis=(1, 2))
        f0, t0 = rng.integers(0, bands - 6, (n, 2)), rng.integers(0, frames - 10, (n, 2))
        f1, t1 = f0 + rng.integers(0, 6, (n, 2)), t0 + rng.integers(0, 10, (n, 2))
        for i in range(n):
            for k in range(2):
                x[i, :, f0[i, k] : f1[i, k]] = mean[i]
                x[i, t0[i, k] : t1[i, k]] = mean[i]
        return x
