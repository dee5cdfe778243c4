# SPDX-License-Identifier: Apache-2.0
"""How good a net is while it is trained, at the biases that its model would have: accuracy on
validation clips, clean and in noise, and false events on validation speech."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from edge_lp.measure.clips import label_of
from edge_lp.measure.embed import embed
from edge_lp.runtime import FEATURES, HOP, SAMPLE_RATE, Frontend

from edge_lp_train.augment import piece
from edge_lp_train.losses import detector_scores
from edge_lp_train.presets import SILENCE, TrainConfig
from edge_lp_train.sampler import Corpus, with_unknown

SNRS = (None, 10.0, 0.0)  # dB; None is clean
WAKE_SNRS = (10.0, 10.0, 20.0)  # dB, as measure.embed has them, in which a wake word is called
WAKE_SECONDS = 4  # of such a call
PASSED = 5  # thresholds at which wake words are counted: 0, 1, ... false events are above them
MISSED = (0.15, 0.2, 0.25, 0.3)  # shares of the words, at whose thresholds false events count
CHUNK = 30 * SAMPLE_RATE  # pieces in which continuous speech is heard
MAX_SPEECH = 4 * 3600 * SAMPLE_RATE  # of continuous speech, no more is heard
FRAMES_PER_HOUR = 360_000
REFRACTORY = 50

Infer = Callable[[np.ndarray], np.ndarray]  # (n, frames, FEATURES) int16 -> logits per frame


@dataclass(frozen=True)
class Quality:
    """raw and mean of the classes' recalls at SNRS; false events an hour, the geometric mean over
    MISSED of one more than there are (at one threshold they double and halve from check to check of
    the same accuracy); share of the wake words missed in noise, on average over the thresholds at
    which the validation speech raises none to four (one alone would say more of that speech than of
    the net); share of the clips of training speakers set aside that are decided right, clean and at
    10 dB. NaN: nothing to measure it on."""

    raw: tuple[float, ...]
    balanced: tuple[float, ...]
    false_events: float
    wake_missed: float = float("nan")
    held: float = float("nan")

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
    noise = piece(noises[int(rng.integers(len(noises)))], len(x), rng).astype(np.float64)
    y = x.astype(np.float64)
    gain = np.sqrt((y**2).mean() / max((noise**2).mean(), 1e-9) / 10 ** (snr / 10))
    return np.clip(np.round(y + noise * gain), -32768, 32767).astype(np.int16)


def features(pcm: Iterable[np.ndarray]) -> np.ndarray:
    """(clips, frames, FEATURES) of clips of one length, which are made as they are needed."""
    out: list[np.ndarray] = []
    rest = iter(pcm)
    with ThreadPoolExecutor() as pool:
        while some := list(islice(rest, 256)):
            out += pool.map(lambda x: Frontend().push(x), some)
    return np.stack(out) if out else np.zeros((0, 0, FEATURES), np.int16)


def pieces(recordings: Iterable[np.ndarray], n: int) -> Iterator[np.ndarray]:
    """Recordings one behind the other, in pieces of n samples; a rest is left out."""
    rest = np.zeros(0, np.int16)
    for x in recordings:
        for at in range(0, len(x), n):
            rest = np.concatenate([rest, x[at : at + n]])
            if len(rest) >= n:
                yield rest[:n]
                rest = rest[n:]


def to_clip(x: np.ndarray, n: int = SAMPLE_RATE) -> np.ndarray:
    """Cut or padded with zeros at the end to n samples."""
    return np.pad(x[:n], (0, max(0, n - len(x))))


class Check:
    def __init__(self, validation: Corpus, config: TrainConfig, held: Corpus | None = None) -> None:
        """One silence clip of background noise is added for every twelve clips. held: clips of
        training speakers that were set aside."""
        rng = np.random.default_rng(config.seed)
        noises = [n for n in validation.noise if len(n) > 2 * SAMPLE_RATE]
        if not noises:
            noises = [rng.normal(0, 300, 4 * SAMPLE_RATE).astype(np.int16)]
        validation = with_unknown(validation, config)
        clips, n = validation.clips, config.clip * HOP
        label = np.array([label_of(w, config.labels) for w in validation.words]).tolist()
        quiet = [np.zeros(n, np.int16)] * max(1, len(clips) // 12)
        for i, _ in enumerate(quiet):
            x = piece(noises[int(rng.integers(len(noises)))], n, rng)
            quiet[i] = (x * 10 ** rng.uniform(-2, 0)).astype(np.int16)
        self.config = config
        self.labels = np.array(label + [config.labels.index(SILENCE)] * len(quiet))

        def heard(x: np.ndarray, snr: float | None, room: int = 0) -> np.ndarray:
            x = np.pad(to_clip(x, n), room)
            return x if snr is None else mix(x, noises, snr, rng)

        self.x = [features(chain((heard(c, s) for c in clips), quiet)) for s in SNRS]
        words = [i for i, v in enumerate(label) if v < len(config.words)]
        words = [words[int(i)] for i in rng.permutation(len(words))[:600]]
        wake = [i for i, v in enumerate(label) if v < len(config.wake)]
        around = SAMPLE_RATE // 2
        self.words = features(heard(clips[i], 20.0, around) for i in words)
        self.word_labels = np.array([label[i] for i in words])

        def called(x: np.ndarray, snr: float) -> np.ndarray:
            noise = piece(noises[int(rng.integers(len(noises)))], WAKE_SECONDS * SAMPLE_RATE, rng)
            return to_clip(embed([("", np.array(x))], rng, noise, snr)[0], len(noise))

        self.wake = features(called(clips[i], s) for i in wake for s in WAKE_SNRS)
        self.wake_labels = np.repeat([label[i] for i in wake], len(WAKE_SNRS)).astype(int)
        talk = pieces(validation.speech, CHUNK)
        self.speech = features(islice(talk, MAX_SPEECH // CHUNK))
        self.hours = len(self.speech) * (CHUNK / HOP) / FRAMES_PER_HOUR
        held = held or Corpus([], [])
        self.held = features(heard(c, s) for c in held.clips for s in (None, 10.0))
        names = [label_of(w, config.labels) for w in held.words for _ in range(2)]
        self.held_labels = np.array(names)

    def __call__(self, infer: Infer) -> Quality:
        raw, balanced = [], []
        means = [infer(x).mean(axis=1) for x in self.x]
        shift = self.shift(means)

        def fitted(x: np.ndarray) -> np.ndarray:
            return infer(x) + shift

        for m in means:
            hit = (m + shift).argmax(1) == self.labels
            raw.append(float(hit.mean()))
            recalls = [hit[self.labels == c].mean() for c in np.unique(self.labels)]
            balanced.append(float(np.mean(recalls)))
        talk = frame_scores(fitted(self.speech), self.config.windows) if len(self.speech) else None
        held = float("nan")
        if len(self.held):
            held = float(np.mean(fitted(self.held).mean(axis=1).argmax(1) == self.held_labels))
        return Quality(
            tuple(raw), tuple(balanced), self._false_events(fitted, talk),
            self._wake_missed(fitted, talk), held,
        )  # fmt: skip

    def shift(self, means: list[np.ndarray]) -> np.ndarray:
        """(labels,) what to add to a net's logits of unknown and of silence, where accuracy and the
        mean of the classes' recalls, clean and in noise, are best. means: (clips, labels) of each
        condition in x."""
        words = len(self.config.words)
        return best_shift(means, self.labels, (words, words + 1))

    def _wake_missed(self, infer: Infer, talk: np.ndarray | None) -> float:
        if not len(self.wake) or talk is None:
            return float("nan")
        # (PASSED, labels): what a piece of speech, in which nobody is called, reaches at most
        highest = np.sort(talk.max(axis=1), axis=0)[::-1][:PASSED]
        scores = frame_scores(infer(self.wake), self.config.windows).max(axis=1)
        own = np.take_along_axis(scores, self.wake_labels[:, None], 1)[:, 0]
        return float(np.mean(own <= highest[:, self.wake_labels]))

    def _false_events(self, infer: Infer, talk: np.ndarray | None) -> float:
        if not len(self.words) or talk is None:
            return float("nan")
        n = len(self.config.words)
        scores = frame_scores(infer(self.words), self.config.windows)
        own = scores[np.arange(len(scores)), :, self.word_labels].max(axis=1)
        highest = talk[..., :n].max(axis=2)
        counts = [events(highest, t) for t in np.quantile(own, MISSED)]
        return float(np.exp(np.mean(np.log1p(counts))) / self.hours)


def events(scores: np.ndarray, threshold: float) -> int:
    """How often (pieces, frames) scores reach a threshold, REFRACTORY frames apart at least."""
    found = 0
    for s in scores:
        last = -REFRACTORY
        for t in np.flatnonzero(s >= threshold).tolist():
            if t - last >= REFRACTORY:
                found, last = found + 1, t
    return found


def best_shift(means: list[np.ndarray], truth: np.ndarray, of: tuple[int, ...]) -> np.ndarray:
    """(labels,) what to add to the logits `of` some labels, found one after the other and again;
    means: (clips, labels) of each condition."""
    shift = np.zeros(means[0].shape[1], np.float32)
    classes = np.unique(truth)

    def quality(shift: np.ndarray) -> float:
        found = [(m + shift).argmax(1) for m in means]
        raw = np.mean([np.mean(f == truth) for f in found])
        recalls = [[(f == c)[truth == c].mean() for c in classes] for f in found]
        return float(raw + np.mean(recalls))

    for label in of * 2:
        axis = np.eye(len(shift), dtype=np.float32)[label]
        steps = np.arange(-1.5, 1.51, 0.125) - shift[label]
        by = max(steps, key=lambda s: (quality(shift + s * axis), -abs(s + shift[label])))
        shift = shift + np.float32(by) * axis
    return shift


def frame_scores(logits: np.ndarray, windows: tuple[int, ...]) -> np.ndarray:
    """(n, frames, labels) logits -> the same of the detector's log posteriors."""
    return np.asarray(detector_scores(logits.astype(np.float32), windows))
