# SPDX-License-Identifier: Apache-2.0
"""Decoded recordings -> the training sequences of every epoch.

A sequence costs as much time as several steps of the net on it, so each is made once, kept as
int16 features for `reuse` epochs and seen each time under other masks and in other company."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from edge_lp.measure.clips import label_of
from edge_lp.model.spec import INPUT_SCALE
from edge_lp.runtime import FEATURES, HOP, SAMPLE_RATE, Frontend

from edge_lp_train.augment import Augment, cumulative, pick
from edge_lp_train.presets import SILENCE, UNKNOWN, TrainConfig

SETTLE = 100  # frames that the front end may have heard before a sequence begins


HARD_SHARE = 0.3  # of the speech that is drawn, where hard places are known
HALVES_SHARE = 0.15  # of the unknown clips, where there are words to be halved


def half(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The beginning or the end of what is spoken in a clip: what holds .3 to .6 of its energy."""
    out = np.array(clip)
    power = np.cumsum(out.astype(np.float64) ** 2)
    share, first = rng.uniform(0.3, 0.6), rng.random() < 0.5
    at = int(np.searchsorted(power, (share if first else 1 - share) * power[-1]))
    out[slice(at, None) if first else slice(0, at)] = 0
    return out


@dataclass
class Corpus:
    """Decoded material, int16 at 16 kHz: arrays, or store.Recordings that are read when they are
    sliced. words[i] is clip i's word; rebuilt[i]: its sound was rebuilt, not recorded; teacher[i]:
    another net's posterior for it, NaN where there is none."""

    clips: list[np.ndarray]
    words: list[str]
    noise: list[np.ndarray] = field(default_factory=list)
    speech: list[np.ndarray] = field(default_factory=list)
    rooms: list[np.ndarray] = field(default_factory=list)
    rebuilt: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    teacher: np.ndarray | None = None


class Sequences(NamedTuple):
    """x (n, frames, FEATURES), int16 as kept or float32 as the net sees it; start (n,) first frame
    of the decision window; target (n, labels) distribution; label (n,); speech (n,) continuous."""

    x: np.ndarray
    start: np.ndarray
    target: np.ndarray
    label: np.ndarray
    speech: np.ndarray

    def take(self, which: np.ndarray) -> "Sequences":
        return Sequences(*(a[which] for a in self))


def with_unknown(corpus: Corpus, config: TrainConfig) -> Corpus:
    """The corpus; one of keywords alone with each played backwards, as unknown: a net that has
    never heard another word takes any for its own."""
    if any(w not in config.words for w in corpus.words):
        return corpus
    n = len(corpus.clips)
    return replace(
        corpus,
        clips=[*corpus.clips, *(np.array(c)[::-1] for c in corpus.clips)],
        words=corpus.words + [UNKNOWN] * n,
        rebuilt=np.zeros(0, bool),
        teacher=None,
    )


class Sampler:
    """Draws sequences. Sequence k of a seed is always the same, whatever thread computes it."""

    def __init__(self, corpus: Corpus, config: TrainConfig) -> None:
        self.corpus, self.config = with_unknown(corpus, config), config
        corpus = self.corpus
        self.frames = config.clip + config.context
        self.augment = Augment(config, corpus.noise, corpus.speech, corpus.rooms)
        rebuilt = corpus.rebuilt if len(corpus.rebuilt) else np.zeros(len(corpus.clips), bool)
        label = np.array([label_of(w, config.labels) for w in corpus.words], np.int64)
        n = len(config.words)
        self.choices = [np.flatnonzero(label == i) for i in range(n + 1)]
        self.choice_p = [cumulative(self._weights(c, rebuilt)) for c in self.choices]
        self.long_speech = [s for s in corpus.speech if len(s) > SAMPLE_RATE]
        self.hard: list[tuple[int, int]] = []  # mine.hard_places of long_speech
        length = np.array([len(s) for s in self.long_speech], float)
        self.speech_p = cumulative(length)
        self.speech_share = config.speech_share if self.long_speech else 0.0
        # The share of unknown is meant beside ten words, so it counts as many words as it does
        # there: a net of one word must hear others more often than that one.
        rest = 1 - config.silence_share - config.speech_share
        unknown = 10 * config.unknown_share / (rest - config.unknown_share)
        spoken = 1 - config.silence_share - self.speech_share
        weight = np.append(np.ones(n), unknown)
        weight[: len(config.wake)] = config.wake_weight
        p = spoken * weight / weight.sum()
        self.label_p = np.append(p, config.silence_share) / (p.sum() + config.silence_share)
        self._stop = threading.Event()

    def _weights(self, which: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
        """(clips of a label,) how often each is drawn. Words with many recordings weigh by the
        square root of their number. Rebuilt sounds have a share of every word that grows with
        what recordings lack, .25 to .6, so that hoarseness alone says little."""
        words = [self.corpus.words[i] for i in which]
        count = Counter(words)
        p = np.array([1 / np.sqrt(count[w] + 30) for w in words])
        again = rebuilt[which]
        made, real = again.sum(), (~again).sum()
        if made and real:
            share = np.clip(np.sqrt(made) / (np.sqrt(made) + 2 * np.sqrt(real)), 0.25, 0.6)
            p = np.where(again, share * p / p[again].sum(), (1 - share) * p / p[~again].sum())
        return p / p.sum() if len(p) else p

    def _clip(self, label: int, rng: np.random.Generator) -> int:
        return int(self.choices[label][pick(self.choice_p[label], rng)])

    def _speech(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, int, int]:
        """A recording, and the first sample and the samples of n frames of it at any speed: from
        anywhere, or so that a hard place ends in them."""
        size = int(n * HOP * self.config.stretch[1]) + 1
        if self.hard and rng.random() < HARD_SHARE:
            which, end = self.hard[int(rng.integers(len(self.hard)))]
            source = self.long_speech[which]
            at = int(end - rng.uniform(0.7, 0.84) * n * HOP)
            return source, max(0, min(at, len(source) - size)), size
        source = self.long_speech[pick(self.speech_p, rng)]
        return source, int(rng.integers(max(1, len(source) - size))), size

    def draw(self, seed: int) -> tuple[np.ndarray, int, np.ndarray, int, bool]:
        """(frames, FEATURES) int16, start, target, label, continuous speech or not."""
        rng = np.random.default_rng(seed)
        speech = bool(self.speech_share and rng.random() < self.speech_share)
        heard = int(rng.integers(0, SETTLE)) if speech or rng.random() < 0.3 else 0
        n, unknown = heard + self.frames, len(self.config.words)
        if speech:
            start, label = int(rng.integers(0, self.config.context + 1)), unknown
            source, at, size = self._speech(n, rng)
            pcm = self.augment.waveform(source[at : at + size], n, 0, None, self.config.snr, rng)
            target = np.eye(unknown + 2, dtype=np.float32)[label]
        else:
            label = int(rng.choice(len(self.label_p), p=self.label_p))
            late = self.config.context >= 5 and rng.random() < 0.6
            start = int(rng.integers(5, self.config.context + 1)) if late else 0
            silence = self.config.labels[label] == SILENCE
            which = -1 if silence else self._clip(label, rng)
            clip = np.zeros(SAMPLE_RATE, np.int16) if silence else self.corpus.clips[which]
            if label == unknown and self.config.halves and rng.random() < HALVES_SHARE:
                word = int(rng.integers(len(self.config.halves)))
                which = self._clip(self.config.words.index(self.config.halves[word]), rng)
                clip, which = half(self.corpus.clips[which], rng), -1
            before = None
            if len(self.choices[unknown]) and rng.random() < 0.3:
                before = self.corpus.clips[self._clip(unknown, rng)]
            snr = self.config.wake_snr if label < len(self.config.wake) else self.config.snr
            pcm = self.augment.waveform(
                clip, n, heard + start, before, None if silence else snr, rng
            )
            target = self._target(label, which)
        return Frontend().push(pcm)[heard:], start, target, label, speech

    def _target(self, label: int, which: int) -> np.ndarray:
        """(labels,) distribution: the label, smoothed, mixed with the teacher's opinion."""
        c, n = self.config, len(self.label_p)
        target = np.full(n, c.label_smoothing / n, np.float32)
        target[label] += 1 - c.label_smoothing
        if self.corpus.teacher is not None and which >= 0:
            opinion = self.corpus.teacher[which]
            if np.isfinite(opinion).all():
                target = (1 - c.teacher) * target + c.teacher * opinion
        return target.astype(np.float32)

    def block(self, index: int) -> Sequences:
        """The fresh sequences of one epoch, clips_per_epoch / reuse of them."""
        n = self.config.clips_per_epoch // self.config.reuse
        first = (self.config.seed << 32) + index * n
        x = np.empty((n, self.frames, FEATURES), np.int16)
        rest = []
        for i in range(n):
            if self._stop.is_set():
                raise CancelledError
            x[i], *others = self.draw(first + i)
            rest.append(others)
        start, target, label, speech = zip(*rest)
        return Sequences(
            x, np.array(start, np.int32), np.array(target), np.array(label, np.int32),
            np.array(speech),
        )  # fmt: skip

    def epochs(self, first: int) -> Generator[Iterator[Sequences], None, None]:
        """From epoch `first` on, endlessly, each epoch's batches; an epoch is the same whether
        training was resumed or not. The next block is made while an epoch is used."""
        pool: list[Sequences] = []
        self._stop.clear()
        with ThreadPoolExecutor(1) as worker:
            ahead: Future[Sequences] = worker.submit(self.block, first)
            try:
                for epoch in range(first, 2**31):
                    while len(pool) < self.config.reuse:
                        pool.append(ahead.result())
                        ahead = worker.submit(self.block, epoch + len(pool))
                    yield self._batches(epoch, pool)
                    pool.pop(0)
            finally:
                self._stop.set()

    def _batches(self, epoch: int, pool: list[Sequences]) -> Iterator[Sequences]:
        rng = np.random.default_rng([self.config.seed, epoch])
        size, batch = len(pool[0].label), self.config.batch
        order = rng.permutation(size * len(pool))
        for at in range(0, len(order) - batch + 1, batch):
            which = order[at : at + batch]
            picked = [pool[k // size].take(np.array([k % size])) for k in which]
            one = Sequences(*(np.concatenate(a) for a in zip(*picked)))
            x = one.x.astype(np.float32) * np.float32(INPUT_SCALE)
            yield one._replace(x=self.augment.features(x, rng))
