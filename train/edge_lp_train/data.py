# SPDX-License-Identifier: Apache-2.0
"""Folders -> decoded training and validation material, each recording decoded once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from edge_lp.audio.files import read_file
from edge_lp.errors import AudioError, EdgeLpError
from edge_lp.measure.clips import NOISE, recordings
from edge_lp.runtime import SAMPLE_RATE
from rich.progress import track

from edge_lp_train.files import log, read_arrays, write_arrays
from edge_lp_train.presets import TrainConfig
from edge_lp_train.sampler import Corpus
from edge_lp_train.splits import TESTING, TRAINING, VALIDATION, Clip, Split, split_clips

KINDS = ("data", "noise", "speech", "rooms", "rebuilt", "teacher", "start")
CLIP = SAMPLE_RATE  # samples of a clip
SHORTEST = SAMPLE_RATE // 20  # a clip of fewer samples is no word
LOUD_HOP = SAMPLE_RATE // 100


@dataclass
class Material:
    """What a run learns from. clips: the recordings of words in use, of all splits, rebuilt ones
    left out; cut: how many of them were longer than a second."""

    training: Corpus
    validation: Corpus
    clips: list[Clip]
    skipped: list[tuple[Path, str]]
    rule: str
    cut: int = 0
    files: list[Clip] = field(default_factory=list)  # trained on, rebuilt ones too

    def split(self, name: str) -> list[Clip]:
        return [c for c in self.clips if c.split == name]


def read_all(paths: Sequence[Path], about: str) -> list[np.ndarray | str]:
    """Every recording as mono int16 at 16 kHz, as evaluate and listen read it, or why it cannot
    be. The samples are kept under XDG_CACHE_HOME for the next start, by a name that changes when a
    file's name, size or time does."""
    if not paths:
        return []
    stat = [(str(p.absolute()), p.stat().st_size, p.stat().st_mtime_ns) for p in paths]
    key = hashlib.sha256(repr(stat).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = base / "edge-lp" / "decoded" / f"{key}.npz"
    if kept.exists():
        f = read_arrays(kept, ("samples", "lengths", "faults"))
        pieces = np.split(f["samples"], np.cumsum(f["lengths"])[:-1])
        return [str(why) or x for x, why in zip(pieces, f["faults"])]
    with ThreadPoolExecutor() as pool:
        work = track(pool.map(_read, paths), f"reading {about}", len(paths), console=log,
                     disable=not log.is_terminal)  # fmt: skip
        found = list(work)
    samples = [np.zeros(0, np.int16) if isinstance(x, str) else x for x in found]
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(kept, {
            "samples": np.concatenate(samples),
            "lengths": np.array([len(x) for x in samples]),
            "faults": np.array([x if isinstance(x, str) else "" for x in found]),
        })  # fmt: skip
    except (OSError, EdgeLpError) as e:
        log.print(f"note: decoded recordings are not kept: {e}", markup=False)
    return found


def _read(path: Path) -> np.ndarray | str:
    try:
        return read_file(path, note=lambda line: None)
    except (AudioError, OSError) as e:
        return str(e).removeprefix(f"{path}: ")


def loudest_second(x: np.ndarray) -> np.ndarray:
    """The second of a longer clip that holds the most energy, to a hundredth of a second."""
    power = np.add.reduceat(x.astype(np.float64) ** 2, np.arange(0, len(x), LOUD_HOP))
    sums = np.convolve(power, np.ones(CLIP // LOUD_HOP), "valid")
    at = min(int(sums.argmax()) * LOUD_HOP, len(x) - CLIP)
    return x[at : at + CLIP]


def find_recordings(folder: Path, option: str) -> list[Path]:
    """Every recording below a folder that an option names, sorted."""
    if not folder.is_dir():
        raise EdgeLpError(f"{folder}: no such folder; {option} takes a folder of recordings")
    try:
        return recordings([folder])[0]
    except AudioError as e:
        raise AudioError(f"{e} ({option})") from None


def find_noise(root: Path, given: Path | None) -> list[Path]:
    """Recordings of background noise: the folder given, or `_background_noise_` in the data set, or
    none."""
    base = root / NOISE
    return find_recordings(given or base, "--noise") if given or base.is_dir() else []


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


def _check_words(root: Path, config: TrainConfig, clips: list[Clip]) -> None:
    if not clips:
        raise AudioError(
            f"{root}: no recordings found; expected WORD/*.wav, .flac or .ogg, directly or below "
            "training, validation and testing"
        )
    there = {c.word for c in clips if c.split == TRAINING}
    missing = [w for w in config.words if w not in there]
    if missing:
        raise EdgeLpError(
            f"no training recordings of {', '.join(missing)}; the folder has "
            f"{', '.join(sorted(there))}"
        )


def _words(clips: list[Clip], about: str, skipped: list[tuple[Path, str]]) -> tuple[
    list[Clip], list[np.ndarray], int
]:  # fmt: skip
    """The clips that can be used, their samples (at most a second), and how many were cut."""
    used, samples, cut = [], [], 0
    for c, x in zip(clips, read_all([c.path for c in clips], about)):
        if isinstance(x, str):
            skipped.append((c.path, x))
        elif len(x) < SHORTEST:
            skipped.append((c.path, "shorter than 0.05 s"))
        elif not x.any():
            skipped.append((c.path, "silent"))
        else:
            cut += len(x) > CLIP
            used.append(c)
            samples.append(loudest_second(x) if len(x) > CLIP else x)
    return used, samples, cut


def _plain(paths: list[Path], about: str, skipped: list[tuple[Path, str]]) -> list[np.ndarray]:
    """Recordings without labels."""
    out = []
    for p, x in zip(paths, read_all(paths, about)):
        if isinstance(x, str) or not len(x):
            skipped.append((p, x if isinstance(x, str) else "empty"))
        else:
            out.append(x)
    return out


def load_corpus(folders: dict[str, Path], config: TrainConfig) -> Material:
    """Training and validation material. Folders: "data", and if given "noise", "speech", "rooms",
    "rebuilt" (WORD/* of training clips whose sound was rebuilt or made), "teacher" (a table)."""
    root = folders["data"]
    try:
        split = split_clips(root)
    except AudioError as e:
        raise EdgeLpError(str(e)) from None
    _check_words(root, config, split.clips)
    again = split_clips(folders["rebuilt"]) if "rebuilt" in folders else Split([], [], "")
    noise = find_noise(root, folders.get("noise"))
    talk = speech_split(folders["speech"]) if "speech" in folders else ([], [])
    rooms = find_recordings(folders["rooms"], "--rooms") if "rooms" in folders else []
    skipped = split.skipped + again.skipped
    by = {s: [c for c in split.clips if c.split == s] for s in (TRAINING, VALIDATION, TESTING)}
    remade = [c for c in again.clips if c.split == TRAINING] or again.clips
    taught, clips, cut = _words(by[TRAINING] + remade, "training", skipped)
    held, held_clips, held_cut = _words(by[VALIDATION], "validation", skipped)
    _check_words(root, config, taught)
    if not held:
        raise EdgeLpError(
            f"{root}: no recordings fall into the validation split; expected some in "
            f"{root / VALIDATION}, or three speakers of each word"
        )
    recorded = sum(c in set(by[TRAINING]) for c in taught)
    background = _plain(noise, "noise", skipped)
    training = Corpus(
        clips, [c.word for c in taught], background, _plain(talk[0], "speech", skipped),
        _plain(rooms, "rooms", skipped), np.arange(len(taught)) >= recorded,
    )  # fmt: skip
    if "teacher" in folders:
        training.teacher = teacher_table(folders["teacher"], config, taught)
    if config.synth_clips:
        _add_synthesised(training, config)
    validation = Corpus(
        held_clips, [c.word for c in held], background,
        _plain(talk[1], "validation speech", skipped),
    )  # fmt: skip
    used = taught[:recorded] + held + by[TESTING]
    return Material(training, validation, used, skipped, split.rule, cut + held_cut, taught)


def _add_synthesised(training: Corpus, config: TrainConfig) -> None:
    from edge_lp_train.voices import synthesise

    words, extra, phrases = synthesise(config)
    training.words.extend(words)
    training.clips.extend(extra)
    training.rebuilt = np.concatenate([training.rebuilt, np.zeros(len(extra), bool)])
    training.speech += phrases
    if training.teacher is not None:
        none = np.full((len(extra), len(config.labels)), np.nan, np.float32)
        training.teacher = np.concatenate([training.teacher, none])
