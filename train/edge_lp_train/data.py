# SPDX-License-Identifier: Apache-2.0
"""Folders -> decoded training and validation material, each recording decoded once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from edge_lp.errors import AudioError, EdgeLpError
from edge_lp.measure.clips import NOISE, label_of, recordings
from edge_lp.measure.place import clip_samples
from edge_lp.measure.splits import TESTING, TRAINING, VALIDATION, Clip, Split, split_clips
from edge_lp.runtime import HOP, SAMPLE_RATE

from edge_lp_train.files import read_arrays
from edge_lp_train.presets import TrainConfig
from edge_lp_train.sampler import Corpus
from edge_lp_train.store import Recording, read_all

KINDS = ("data", "noise", "speech", "rooms", "rebuilt", "teacher", "start")
SHORTEST = SAMPLE_RATE // 20  # a clip of fewer samples is no word
ENOUGH = 20  # recordings of a label for validation, beside which no voice is asked


@dataclass
class Material:
    """What a run learns from. clips: the recordings of words in use, of all splits, rebuilt ones
    left out; cut: how many of them were longer than the frames of a clip. held: clips of training
    speakers that were set aside."""

    training: Corpus
    validation: Corpus
    clips: list[Clip]
    skipped: list[tuple[Path, str]]
    rule: str
    cut: int = 0
    files: list[Clip] = field(default_factory=list)  # trained on, rebuilt ones and all shards too
    frames: int = 100
    held: Corpus = field(default_factory=lambda: Corpus([], []))

    def split(self, name: str) -> list[Clip]:
        return [c for c in self.clips if c.split == name]


def find_recordings(folder: Path, option: str) -> list[Path]:
    """Every recording below a folder that an option names, sorted."""
    if not folder.is_dir():
        raise EdgeLpError(f"{folder}: no such folder; {option} takes a folder of recordings")
    try:
        return recordings([folder])[0]
    except AudioError as e:
        raise AudioError(f"{e} ({option})") from None


def find_noise(root: Path | None, given: Path | None) -> list[Path]:
    """Recordings of background noise: the folder given, or `_background_noise_` in the data set, or
    none."""
    base = given or (root / NOISE if root and (root / NOISE).is_dir() else None)
    return find_recordings(base, "--noise") if base else []


def speech_split(folder: Path) -> tuple[list[Path], list[Path]]:
    """Recordings of continuous speech for training and for validation: the sub-folders of these
    names if there, else every eighth file by the hash of its name is for validation."""
    if (folder / TRAINING).is_dir() and (folder / VALIDATION).is_dir():
        return (find_recordings(folder / TRAINING, "--speech"),
                find_recordings(folder / VALIDATION, "--speech"))  # fmt: skip
    files = find_recordings(folder, "--speech")
    aside = [hashlib.sha1(p.name.encode("utf-8", "surrogateescape")).digest()[0] % 8 == 0
             for p in files]  # fmt: skip
    return ([p for p, a in zip(files, aside) if not a], [p for p, a in zip(files, aside) if a])


def fingerprint(clips: list[Clip]) -> str:
    """SHA-256 over names and contents of the recordings trained on."""
    h = hashlib.sha256()
    for c in clips:
        h.update(f"{c.split}/{c.word}/{c.path.name}\n".encode("utf-8", "surrogateescape"))
        h.update(hashlib.sha1(c.path.read_bytes()).digest())
    return h.hexdigest()


def teacher_table(path: Path, config: TrainConfig, clips: list[Clip]) -> np.ndarray:
    """(clips, labels) posteriors of another net from an .npz of "files" (WORD/name), "labels" and
    "posteriors" (files, labels); NaN for clips that it does not know. A label that it does not know
    gets none of its posterior, and clips of such a word none of its opinion."""
    f = read_arrays(path, ("files", "labels", "posteriors"), f"{path} is no teacher's table")
    labels = [str(w) for w in f["labels"]]
    given = np.zeros((len(f["files"]), len(config.labels)), np.float32)
    for i, w in enumerate(config.labels):
        if w in labels:
            given[:, i] = f["posteriors"][:, labels.index(w)]
    row = dict(zip((str(n) for n in f["files"]), given))
    nothing = np.full(len(config.labels), np.nan, np.float32)
    known = [c.word in labels or c.word not in config.labels for c in clips]
    return np.array(
        [row.get(f"{c.word}/{c.path.name}", nothing) if k else nothing
         for c, k in zip(clips, known)], np.float32,
    )  # fmt: skip


def _check_words(root: Path | None, config: TrainConfig, clips: list[Clip]) -> None:
    if root is None and config.words == config.said:
        return  # all is spoken
    if root is None:
        silent = ", ".join(w for w in config.words if w not in config.said)
        raise EdgeLpError(f"no recordings of {silent}: --data DIR is missing, or --say them")
    if not clips:
        raise AudioError(
            f"{root}: no recordings found; expected WORD/*.wav, .flac or .ogg, directly or below "
            "training, validation and testing"
        )
    there = {c.word for c in clips if c.split == TRAINING}
    missing = [w for w in config.words if w not in there and w not in config.said]
    if missing:
        raise EdgeLpError(
            f"no training recordings of {', '.join(missing)}; the folder has "
            f"{', '.join(sorted(there))}"
        )


def _usable(
    clips: list[Clip], about: str, skipped: list[tuple[Path, str]]
) -> tuple[list[Clip], list[Recording]]:
    """The clips that can be used, and their recordings."""
    used, found = [], []
    for c, x in zip(clips, read_all([c.path for c in clips], about)):
        if isinstance(x, str):
            skipped.append((c.path, x))
        elif len(x) < SHORTEST:
            skipped.append((c.path, "shorter than 0.05 s"))
        elif not x.spoken:
            skipped.append((c.path, "silent"))
        else:
            used.append(c)
            found.append(x)
    return used, found


def clip_frames(clips: list[Clip], found: list[Recording], config: TrainConfig) -> int:
    """Frames of a clip: as many as the keywords take (place.clip_samples), at least config.clip."""
    of_word = ([x for c, x in zip(clips, found) if c.word == w] for w in config.words)
    return max(config.clip, clip_samples(of_word) // HOP)


def _plain(paths: list[Path], about: str, skipped: list[tuple[Path, str]]) -> list[Any]:
    """Recordings without labels."""
    out = []
    for p, x in zip(paths, read_all(paths, about)):
        if isinstance(x, str) or not len(x):
            skipped.append((p, x if isinstance(x, str) else "empty"))
        else:
            out.append(x)
    return out


def _set_aside(clips: list[Clip], config: TrainConfig) -> set[Clip]:
    """Training clips of the speakers that the check is made on: config.held of them, by the hash
    of their names; none of a keyword of which few speakers are left."""
    of_word: dict[str, set[str]] = {}
    for c in clips:
        of_word.setdefault(c.word, set()).add(c.speaker)
    enough = {w for w, speakers in of_word.items() if len(speakers) * (1 - config.held) >= 20}
    edge = int(config.held * 2**16)
    return {c for c in clips if c.word in enough
            and int(hashlib.sha1(f"held {c.speaker}".encode("utf-8", "surrogateescape"))
                    .hexdigest()[:4], 16) < edge}  # fmt: skip


def shard(items: list[Any], kind: Callable[[Any], str], worker: int, workers: int) -> list[Any]:
    """Every workers-th item of each kind, from the worker-th on; all of a kind that has fewer items
    than there are workers."""
    of_kind: dict[str, list[Any]] = {}
    for x in items:
        of_kind.setdefault(kind(x), []).append(x)
    mine = {k: v[worker::workers] if len(v) >= workers else v for k, v in of_kind.items()}
    chosen = {id(x) for v in mine.values() for x in v}
    return [x for x in items if id(x) in chosen]


def load_corpus(
    folders: dict[str, Path], config: TrainConfig, worker: int = 0, workers: int = 1
) -> Material:
    """Training and validation material. Folders: "data", and if given "noise", "speech", "rooms",
    "rebuilt" (WORD/* of training clips whose sound was rebuilt or made), "teacher" (a table). Where
    all keywords are spoken (config.said), no "data" is needed. Of several workers each decodes a
    share of the training files of its own."""
    root = folders.get("data")
    try:
        split = split_clips(root) if root else Split([], [], "voices, a sixth for validation")
    except AudioError as e:
        raise EdgeLpError(str(e)) from None
    _check_words(root, config, split.clips)
    again = split_clips(folders["rebuilt"]) if "rebuilt" in folders else Split([], [], "")
    talk = speech_split(folders["speech"]) if "speech" in folders else ([], [])
    rooms = find_recordings(folders["rooms"], "--rooms") if "rooms" in folders else []
    skipped = split.skipped + again.skipped
    by = {s: [c for c in split.clips if c.split == s] for s in (TRAINING, VALIDATION, TESTING)}
    aside = _set_aside(by[TRAINING], config) if config.held else set()
    remade = [c for c in again.clips if c.split == TRAINING] or again.clips
    real = [c for c in by[TRAINING] if c not in aside]
    mine = [*shard(real, _word, worker, workers), *shard(remade, _word, worker, workers)]
    taught, clips = _usable(mine, "training", skipped)
    _check_words(root, config, taught)
    checked, checked_clips = _usable(by[VALIDATION], "validation", skipped)
    if not checked and not config.said:
        raise EdgeLpError(
            f"{root}: no recordings fall into the validation split; expected some in "
            f"{root}/{VALIDATION}, or three speakers of each word; or --say the words: then voices "
            "validate"
        )
    frames = clip_frames(taught, clips, config)
    cut = lambda found: [x.around(frames * HOP) for x in found]
    rebuilt = np.isin([id(c) for c in taught], [id(c) for c in remade])
    one = lambda _: ""
    noise = shard(find_noise(root, folders.get("noise")), one, worker, workers)
    background = _plain(noise, "noise", skipped)
    training = Corpus(
        cut(clips), [c.word for c in taught], background,
        _plain(shard(talk[0], one, worker, workers), "speech", skipped),
        _plain(rooms, "rooms", skipped), rebuilt,
    )  # fmt: skip
    if "teacher" in folders:
        training.teacher = teacher_table(folders["teacher"], config, taught)
    validation = Corpus(
        cut(checked_clips), [c.word for c in checked], background,
        _plain(talk[1], "validation speech", skipped),
    )  # fmt: skip
    if config.synth_clips:
        _add_synthesised(training, validation, config)
    set_aside, held_clips = _usable(sorted(aside, key=str), "speakers set aside", skipped)
    held = Corpus(cut(held_clips), [c.word for c in set_aside], background)
    recorded = [c for c, made in zip(taught, rebuilt) if not made]
    return Material(
        training, validation, recorded + checked + by[TESTING], skipped, split.rule,
        sum(len(x) > frames * HOP for x in clips + checked_clips), real + remade, frames, held,
    )  # fmt: skip


def _word(c: Clip) -> str:
    return c.word


def _add_synthesised(training: Corpus, validation: Corpus, config: TrainConfig) -> None:
    """What voices say, as rebuilt clips to train with; for validation, of what has few recordings
    there."""
    from edge_lp_train.voices import speak

    said, aside = speak(config)
    training.words.extend(said.words)
    training.clips.extend(said.clips)
    training.rebuilt = np.concatenate([training.rebuilt, np.ones(len(said.clips), bool)])
    training.speech += said.speech
    if training.teacher is not None:
        none = np.full((len(said.clips), len(config.labels)), np.nan, np.float32)
        training.teacher = np.concatenate([training.teacher, none])
    recorded = Counter(label_of(w, config.labels) for w in validation.words)
    for word, clip in zip(aside.words, aside.clips):
        if recorded[label_of(word, config.labels)] < ENOUGH:
            validation.words.append(word)
            validation.clips.append(clip)
    if not validation.speech:
        validation.speech += aside.speech
