# SPDX-License-Identifier: Apache-2.0
"""A folder of words -> clips with labels and splits, decoded once, and the tf.data pipeline that
feeds training.

Features come from the C front end only, so what is trained is what runs.
"""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from edge_lp.audio.files import AUDIO_SUFFIXES, read_file
from edge_lp.errors import AudioError, EdgeLpError
from edge_lp.runtime import FEATURES, HOP, SAMPLE_RATE, Frontend
from rich.progress import track

from edge_lp_train.augment import Augment
from edge_lp_train.presets import SILENCE, UNKNOWN, TrainConfig

SPLITS = ("training", "validation", "testing")
# Q10 log2 units -> the net's input; the 3 makes the drive on the core an exact shift (export.py)
FEATURE_SCALE = 3 * 2.0**-13
CLIP = SAMPLE_RATE  # samples of a clip
CLIP_FRAMES = 100


@dataclass(frozen=True)
class Clip:
    path: Path
    word: str
    split: str


def which_set(name: str, validation_percent: float = 10.0, testing_percent: float = 10.0) -> str:
    """Speech Commands' own rule: the SHA-1 of a file name up to `_nohash_` decides, so a speaker
    stays in one split (Warden 2018, section 6)."""
    percent = (
        int(hashlib.sha1(re.sub(r"_nohash_.*$", "", name).encode()).hexdigest(), 16)
        % (2**27)
        * (100.0 / (2**27 - 1))
    )
    return (
        "validation"
        if percent < validation_percent
        else "testing"
        if percent < validation_percent + testing_percent
        else "training"
    )


def find_clips(root: Path) -> list[Clip]:
    """Every recording below root, sorted. training/validation/testing sub-folders are the split if
    there; else the data set's rule."""
    if not root.is_dir():
        raise EdgeLpError(
            f"{root}: no such folder; expected one with a sub-folder of recordings for each word"
        )
    split_given = any((root / s).is_dir() for s in SPLITS)
    clips = []
    for base, split in [(root / s, s) for s in SPLITS] if split_given else [(root, "")]:
        for path in sorted(base.glob("*/*")):
            if path.suffix.lower() in AUDIO_SUFFIXES and path.parent.name != "_background_noise_":
                clips.append(Clip(path, path.parent.name, split or which_set(path.name)))
    if not clips:
        raise AudioError(
            f"{root}: no recordings found; expected WORD/*.wav, .flac or .ogg, directly or below "
            "training, validation and testing"
        )
    return clips


def find_recordings(folder: Path, option: str) -> list[Path]:
    """Every recording below a folder that an option names, sorted."""
    if not folder.is_dir():
        raise EdgeLpError(f"{folder}: no such folder; {option} takes a folder of recordings")
    found = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in AUDIO_SUFFIXES]
    if not found:
        raise AudioError(
            f"{folder}: no recordings found for {option}; expected .wav, .flac or .ogg files"
        )
    return found


def find_noise(root: Path, given: Path | None) -> list[Path]:
    """Recordings of background noise: the folder given, or `_background_noise_` in the data set, or
    none."""
    base = root / "_background_noise_"
    return find_recordings(given or base, "--noise") if given or base.is_dir() else []


def check_words(config: TrainConfig, clips: list[Clip]) -> None:
    there = {c.word for c in clips if c.split == "training"}
    missing = [w for w in config.words if w not in there]
    if missing:
        raise EdgeLpError(
            f"no training recordings of {', '.join(missing)}; the folder has "
            f"{', '.join(sorted(there))}"
        )


def read(path: Path) -> np.ndarray:
    """A recording as mono int16 at 16 kHz, as evaluate and listen read it, without a notice for
    each file."""
    return read_file(path, note=lambda line: None)


def read_all(paths: list[Path], about: str) -> list[np.ndarray]:
    if not paths:
        return []
    with ThreadPoolExecutor() as pool:
        return list(track(pool.map(read, paths), description=f"reading {about}", total=len(paths)))


def to_clip(x: np.ndarray) -> np.ndarray:
    """Cut or padded with zeros at the end to one second."""
    return np.pad(x[:CLIP], (0, max(0, CLIP - len(x))))


def fingerprint(clips: list[Clip]) -> str:
    """SHA-256 over names and contents of the recordings trained on."""
    h = hashlib.sha256()
    for c in clips:
        h.update(f"{c.split}/{c.word}/{c.path.name}\n".encode())
        h.update(hashlib.sha1(c.path.read_bytes()).digest())
    return h.hexdigest()


def label_of(word: str, config: TrainConfig) -> int:
    return config.labels.index(word if word in config.labels else UNKNOWN)


def features(x: np.ndarray) -> np.ndarray:
    """(n,) int16 -> (frames, FEATURES) int16 Q10 from a fresh front end."""
    return Frontend().push(x)


@dataclass
class Corpus:
    """Decoded training material. words[i] is clip i's word; noise and speech are one long recording
    each (speech: continuous, without keywords)."""

    clips: list[np.ndarray]
    words: list[str]
    noise: np.ndarray
    speech: np.ndarray


class Sampler:
    """Draws training sequences: (frames, FEATURES) float32, (frames,) weights of the decision
    window, one-hot label. Sequence k of seed s is always the same, whatever thread computes it."""

    def __init__(self, corpus: Corpus, config: TrainConfig, speech_share: float = 0.0) -> None:
        """speech_share: of the sequences, that are continuous speech; 0 if the corpus has none."""
        self.corpus, self.config = corpus, config
        self.frames = CLIP_FRAMES + config.context
        self.augment = Augment(config, corpus.noise)
        by_label: list[list[int]] = [[] for _ in config.labels]
        for i, w in enumerate(corpus.words):
            by_label[label_of(w, config)].append(i)
        self.by_label = [np.array(b, np.int64) for b in by_label]
        self.unknown_p = self._unknown_weights()
        n = len(config.words)
        unknown = config.unknown_share if len(self.by_label[n]) else 0.0
        self.speech_share = speech_share if len(corpus.speech) > self.frames * HOP else 0.0
        rest = 1 - unknown - self.speech_share - config.silence_share
        size = np.array([len(b) for b in self.by_label[:n]], float)
        # between even and by the square root of what there is
        share = np.sqrt(size) / np.sqrt(size).sum() * 0.5 + 0.5 / n
        p = np.concatenate([rest * share, [unknown, config.silence_share]])
        self.label_p = p / p.sum()

    def _unknown_weights(self) -> np.ndarray:
        """Words with many recordings weigh by the square root of their number; a word with a
        handful is not drawn to death."""
        words = [self.corpus.words[i] for i in self.by_label[len(self.config.words)]]
        count = {w: words.count(w) for w in set(words)}
        p = np.array([1 / np.sqrt(count[w] + 30) for w in words])
        return p / p.sum() if len(p) else p

    def _clip(self, label: int, rng: np.random.Generator) -> np.ndarray:
        if self.config.labels[label] == SILENCE:
            return np.zeros(CLIP, np.int16)
        which = (
            rng.choice(self.by_label[label], p=self.unknown_p)
            if label == len(self.config.words)
            else rng.choice(self.by_label[label])
        )
        return self.corpus.clips[which]

    def draw(self, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        if self.speech_share and rng.random() < self.speech_share:
            return self._speech(rng)
        label = int(rng.choice(len(self.label_p), p=self.label_p))
        context = (
            int(rng.integers(5, self.config.context + 1))
            if self.config.context >= 5 and rng.random() < 0.6
            else 0
        )
        before = (
            self.corpus.clips[int(rng.integers(len(self.corpus.clips)))]
            if rng.random() < 0.3
            else None
        )
        return self._finish(self._clip(label, rng), context, before, label, context, rng)

    def _speech(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Continuous speech over the whole sequence, unknown wherever the window lies."""
        n = int(self.frames * HOP * self.config.stretch[1]) + 1
        at = int(rng.integers(0, len(self.corpus.speech) - n)) if len(self.corpus.speech) > n else 0
        window = int(rng.integers(0, self.config.context + 1))
        return self._finish(
            self.corpus.speech[at : at + n], 0, None, len(self.config.words), window, rng
        )

    def _finish(
        self,
        clip: np.ndarray,
        context: int,
        before: np.ndarray | None,
        label: int,
        window: int,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pcm = self.augment.waveform(
            clip, self.frames, context, before, self.config.labels[label] == SILENCE, rng
        )
        x = self.augment.features(features(pcm).astype(np.float32) * FEATURE_SCALE, rng)
        weights = np.zeros(self.frames, np.float32)
        weights[window : window + CLIP_FRAMES] = 1
        return x, weights, np.eye(len(self.label_p), dtype=np.float32)[label]

    def dataset(self, first_epoch: int):
        """An endless tf.data.Dataset of batches; epoch e is the same whether training was resumed
        or not."""
        import tensorflow as tf

        n, labels, frames = self.config.clips_per_epoch, len(self.label_p), self.frames
        start = (self.config.seed << 32) + first_epoch * n

        def draw(seed):
            x, w, y = tf.numpy_function(
                lambda s: self.draw(int(s)), [seed], (tf.float32, tf.float32, tf.float32)
            )
            x.set_shape((frames, FEATURES))
            w.set_shape((frames,))
            y.set_shape((labels,))
            return (x, w), y

        return (
            tf.data.Dataset.counter(start)
            .map(draw, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .batch(self.config.batch, drop_remainder=True)
            .prefetch(4)
        )


def validation_set(
    clips: list[np.ndarray], words: list[str], noise: np.ndarray, config: TrainConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Clean validation clips as `evaluate` runs them (fresh state), with one silence clip of
    background noise in twelve. Features int16, labels."""
    rng = np.random.default_rng(config.seed)
    pcm = [to_clip(c) for c in clips]
    labels = [label_of(w, config) for w in words]
    for _ in range(len(clips) // 12):
        at = int(rng.integers(0, max(1, len(noise) - CLIP)))
        level = 10 ** rng.uniform(-2, 0)
        pcm.append(to_clip((noise[at : at + CLIP] * level).astype(np.int16)))
        labels.append(config.labels.index(SILENCE))
    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(features, pcm))), np.array(labels)
