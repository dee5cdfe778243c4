# SPDX-License-Identifier: Apache-2.0
"""How good a net is while it is trained: accuracy on validation clips, clean and in noise, and
false events on validation speech at the threshold that misses a fifth of the words."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from edge_lp.measure.clips import label_of
from edge_lp.runtime import HOP, SAMPLE_RATE, Frontend

from edge_lp_train.losses import detector_scores
from edge_lp_train.presets import SILENCE, TrainConfig
from edge_lp_train.sampler import Corpus, with_unknown

SNRS = (None, 10.0, 0.0)  # dB; None is clean
MISSED = 0.2
CHUNK = 30 * SAMPLE_RATE  # pieces in which continuous speech is heard
FRAMES_PER_HOUR = 360_000
REFRACTORY = 50

Infer = Callable[[np.ndarray], np.ndarray]  # (n, frames, FEATURES) int16 -> logits per frame


@dataclass(frozen=True)
class Quality:
    """raw and mean of the classes' recalls at SNRS; false events an hour at MISSED; share of the
    wake words missed at 10 dB where the validation speech raises none. NaN: nothing to measure it
    on."""

    raw: tuple[float, ...]
    balanced: tuple[float, ...]
    false_events: float
    wake_missed: float = float("nan")

    @property
    def score(self) -> float:
        """What chooses the weights that are kept: the mean recall; halving the false events is
        worth a point, and so are ten points of missed wake words."""
        events, missed = np.nan_to_num([self.false_events, self.wake_missed])
        return float(np.mean(self.balanced) - 0.01 * np.log2(1 + events / 15) - 0.1 * missed)


def mix(
    x: np.ndarray, noises: list[np.ndarray], snr: float, rng: np.random.Generator
) -> np.ndarray:
    """int16 clip with a random piece of a random recording at an SNR (dB) over its whole length."""
    n = noises[int(rng.integers(len(noises)))]
    at = int(rng.integers(len(n) - len(x)))
    piece, y = n[at : at + len(x)].astype(np.float64), x.astype(np.float64)
    gain = np.sqrt((y**2).mean() / max((piece**2).mean(), 1e-9) / 10 ** (snr / 10))
    return np.clip(np.round(y + piece * gain), -32768, 32767).astype(np.int16)


def _features(pcm: list[np.ndarray]) -> np.ndarray:
    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(lambda x: Frontend().push(x), pcm)))


def to_clip(x: np.ndarray) -> np.ndarray:
    """Cut or padded with zeros at the end to one second."""
    return np.pad(x[:SAMPLE_RATE], (0, max(0, SAMPLE_RATE - len(x))))


class Check:
    def __init__(self, validation: Corpus, config: TrainConfig) -> None:
        """One silence clip of background noise is added for every twelve clips."""
        rng = np.random.default_rng(config.seed)
        noises = [n for n in validation.noise if len(n) > 2 * SAMPLE_RATE]
        if not noises:
            noises = [rng.normal(0, 300, 4 * SAMPLE_RATE).astype(np.int16)]
        validation = with_unknown(validation, config)
        clips = [to_clip(c) for c in validation.clips]
        label = np.array([label_of(w, config.labels) for w in validation.words]).tolist()
        quiet = [np.zeros(SAMPLE_RATE, np.int16)] * max(1, len(clips) // 12)
        for i, _ in enumerate(quiet):
            n = noises[int(rng.integers(len(noises)))]
            at = int(rng.integers(len(n) - SAMPLE_RATE))
            quiet[i] = (n[at : at + SAMPLE_RATE] * 10 ** rng.uniform(-2, 0)).astype(np.int16)
        self.config = config
        self.labels = np.array(label + [config.labels.index(SILENCE)] * len(quiet))
        self.x = [
            _features([*(c if s is None else mix(c, noises, s, rng) for c in clips), *quiet])
            for s in SNRS
        ]
        words = [i for i, v in enumerate(label) if v < len(config.words)]
        words = [words[int(i)] for i in rng.permutation(len(words))[:600]]
        room = np.zeros(SAMPLE_RATE // 2, np.int16)
        padded = [np.concatenate([room, clips[i], room]) for i in words]
        self.words = _features([mix(p, noises, 20.0, rng) for p in padded]) if words else None
        self.word_labels = np.array([label[i] for i in words])
        wake = [i for i, v in enumerate(label) if v < len(config.wake)]
        called = [np.concatenate([room, clips[i], room]) for i in wake]
        self.wake = _features([mix(p, noises, 10.0, rng) for p in called]) if wake else None
        self.wake_labels = np.array([label[i] for i in wake])
        talk = np.concatenate([np.zeros(0, np.int16), *validation.speech])
        pieces = [talk[i : i + CHUNK] for i in range(0, len(talk) - CHUNK + 1, CHUNK)]
        self.speech = _features(pieces) if pieces else None
        self.hours = len(pieces) * (CHUNK / HOP) / FRAMES_PER_HOUR

    def __call__(self, infer: Infer) -> Quality:
        raw, balanced = [], []
        for x in self.x:
            hit = infer(x).mean(axis=1).argmax(1) == self.labels
            raw.append(float(hit.mean()))
            recalls = [hit[self.labels == c].mean() for c in np.unique(self.labels)]
            balanced.append(float(np.mean(recalls)))
        talk = None if self.speech is None else _scores(infer(self.speech))
        return Quality(
            tuple(raw), tuple(balanced), self._false_events(infer, talk),
            self._wake_missed(infer, talk),
        )  # fmt: skip

    def _wake_missed(self, infer: Infer, talk: np.ndarray | None) -> float:
        if self.wake is None or talk is None:
            return float("nan")
        highest = talk.max(axis=(0, 1))  # (labels,) score on speech that nobody is called in
        scores = _scores(infer(self.wake)).max(axis=1)
        own = np.take_along_axis(scores, self.wake_labels[:, None], 1)[:, 0]
        return float(np.mean(own <= highest[self.wake_labels]))

    def _false_events(self, infer: Infer, talk: np.ndarray | None) -> float:
        if self.words is None or talk is None:
            return float("nan")
        n = len(self.config.words)
        scores = _scores(infer(self.words))
        own = scores[np.arange(len(scores)), :, self.word_labels].max(axis=1)
        threshold = np.quantile(own, MISSED)
        events = 0
        for s in talk:
            last = -REFRACTORY
            for t in np.flatnonzero(s[:, :n].max(axis=1) >= threshold).tolist():
                if t - last >= REFRACTORY:
                    events, last = events + 1, t
        return events / self.hours


def _scores(logits: np.ndarray) -> np.ndarray:
    return np.asarray(detector_scores(logits.astype(np.float32)))
