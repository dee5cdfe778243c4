# SPDX-License-Identifier: Apache-2.0
"""Folders of recordings -> clips, and the labels that they should get.

The one walker for evaluate, verify and train:

    ROOT/WORD/*.wav                      the word is the folder's name; folders below it are its too
    ROOT/{training,validation,testing}/WORD/*.wav       the same, with the split given

What is passed over is listed with its reason, never silently: people's folders hold more than
recordings."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge_lp.audio.files import AUDIO_SUFFIXES, read_file
from edge_lp.errors import AudioError
from edge_lp.measure.place import LONG, clip_samples, first_around, place_of_word
from edge_lp.runtime import SAMPLE_RATE
from edge_lp.text import Notice, notice

UNKNOWN, SILENCE = ("unknown", "_unknown_"), ("silence", "_silence_")
NOISE = "_background_noise_"  # long recordings beside the words, no word of their own
SPLITS = ("training", "validation", "testing")
NEAR_SPLITS = {
    "train": "training",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "eval": "testing",
    "test": "testing",
}

NO_WORD = "in no word's folder"


@dataclass(frozen=True)
class Clip:
    """word: the folder's name, in Unicode's composed form (NFC), as labels are written. split: one
    of SPLITS where the folders say so, else None."""

    path: Path
    word: str
    split: str | None


@dataclass
class Found:
    """clips in order of split, word and path. skipped: what was passed over, and why."""

    clips: list[Clip] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)


def walk(root: str | Path) -> Found:
    """Every clip below a folder of words. Hidden files, files of other kinds, empty files and
    links that lead nowhere or in a circle are skipped. training, validation and testing are splits
    if one of them holds folders, else words. _background_noise_ holds no clips.

    AudioError: no such folder."""
    root, found = _folder(root), Found()
    splits = [root / s for s in SPLITS if _has_folders(root / s)]
    for folder in splits or [root]:
        for p in _entries(folder, found.skipped):
            path = Path(p.path)
            if not _leads_to_folder(p):
                found.skipped.append((path, why_not(p) or NO_WORD))
            elif not splits and p.name.lower() in NEAR_SPLITS and _has_folders(path):
                found.skipped.append(
                    (path, f"a split? then its name has to be {NEAR_SPLITS[p.name.lower()]}")
                )
            elif p.name != NOISE:
                word = unicodedata.normalize("NFC", p.name)
                split = folder.name if splits else None
                above = (os.path.realpath(root), os.path.realpath(folder))
                found.clips += [Clip(f, word, split) for f in _below(path, found.skipped, above)]
    if splits:
        found.skipped += [
            (Path(p.path), f"beside {splits[0].name}, and no split")
            for p in _entries(root, found.skipped)
            if Path(p.path) not in splits and p.name != NOISE
        ]
    return found


def recordings(paths: Iterable[str | Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Files as they are named, and all recordings below folders, in order; and what was skipped in
    the folders, with the reason. AudioError: none."""
    paths, skipped = list(paths), list[tuple[Path, str]]()
    found: list[Path] = []
    for path in map(Path, paths):
        found += _below(path, skipped) if path.is_dir() else [path]
    if not found:
        raise AudioError(
            f"{', '.join(map(str, paths))}: no recordings; expected files that end in "
            f"{', '.join(AUDIO_SUFFIXES)}, or folders of them{_because(skipped)}"
        )
    return found, skipped


def reasons(skipped: Sequence[tuple[Path, str]]) -> str:
    """What was skipped, a reason once, for a reader: "LICENSE (no recording), 3 like yes/._a.wav
    (hidden)"."""
    by_reason: dict[str, list[Path]] = {}
    for path, reason in skipped:
        by_reason.setdefault(reason, []).append(path)
    return ", ".join(
        f"{paths[0].name} ({reason})"
        if len(paths) == 1
        else f"{len(paths)} like {paths[0].parent.name}/{paths[0].name} ({reason})"
        for reason, paths in by_reason.items()
    )


def _because(skipped: Sequence[tuple[Path, str]]) -> str:
    return f"; skipped: {reasons(skipped)}" if skipped else ""


def why_not(file: os.DirEntry[str]) -> str | None:
    """Why a file is no recording; None: it may be one."""
    suffix = os.path.splitext(file.name)[1]
    if suffix.lower() not in AUDIO_SUFFIXES:
        return f"no recording that can be read{suffix and ': '}{suffix}"
    try:
        there = file.stat()  # the one call to the system for each file
    except OSError:
        return "a link that leads nowhere"
    if not stat.S_ISREG(there.st_mode):
        return "not a file"
    return None if there.st_size else "empty"


def _folder(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_dir():
        raise AudioError(
            f"{path}: {'not a folder' if path.exists() else 'no such folder'}; expected one that "
            "holds a folder of clips per word"
        )
    return path


def _entries(folder: Path, skipped: list[tuple[Path, str]]) -> Iterator[os.DirEntry[str]]:
    """What is in a folder, sorted, without hidden names (AppleDouble's ._x.wav among them)."""
    try:
        with os.scandir(folder) as found:
            inside = sorted(found, key=lambda p: p.name)
    except OSError as e:
        skipped.append((folder, f"cannot be opened: {e.strerror}"))
        return
    for p in inside:
        if p.name.startswith(".") or p.name == "__MACOSX":
            skipped.append((Path(p.path), "hidden"))
        else:
            yield p


def _leads_to_folder(p: os.DirEntry[str]) -> bool:
    try:
        return p.is_dir()
    except OSError:  # a link to itself
        return False


def _has_folders(folder: Path) -> bool:
    return folder.is_dir() and any(_leads_to_folder(p) for p in _entries(folder, []))


def _below(
    folder: Path, skipped: list[tuple[Path, str]], above: tuple[str, ...] = ()
) -> Iterator[Path]:
    """Recordings in a folder and the folders in it, sorted. above: the real paths of the folders
    that lead here, so that no link is followed in a circle."""
    here = os.path.realpath(folder)
    if here in above:
        skipped.append((folder, "a link to a folder that it is in"))
        return
    for p in _entries(folder, skipped):
        path = Path(p.path)
        if _leads_to_folder(p):
            yield from _below(path, skipped, (*above, here))
        elif reason := why_not(p):
            skipped.append((path, reason))
        else:
            yield path


# ------------------------------------------------------------------------------------------ labels


def index_of(labels: Sequence[str], names: Sequence[str]) -> int | None:
    return next((i for i, label in enumerate(labels) if label in names), None)


def label_of(word: str, labels: Sequence[str]) -> int | None:
    """The label that a folder's clips should get: its own; silence for _silence_; else unknown.
    None: the model has no such label."""
    if word in SILENCE:
        return index_of(labels, SILENCE)
    return labels.index(word) if word in labels else index_of(labels, UNKNOWN)


def near_misses(words: Iterable[str], labels: Sequence[str]) -> list[tuple[str, str]]:
    """(word, label) of words that are a label but for case, spaces or underscores at the ends:
    probably meant as it."""
    plain = {label.strip(" _").casefold(): label for label in labels}
    return [
        (w, plain[w.strip(" _").casefold()])
        for w in sorted(set(words))
        if w not in (*labels, *SILENCE, *UNKNOWN) and w.strip(" _").casefold() in plain
    ]


def find_clips(
    root: str | Path, labels: Sequence[str], note: Notice = notice
) -> list[tuple[Path, int]]:
    """(file, label) of each clip in a folder of words, sorted; one notice each of what was skipped,
    of words that nearly are labels, and of a folder without any label's name.

    AudioError: no folder, no clips, or splits (evaluating what was trained on says nothing)."""
    found = walk(root)
    splits = sorted({c.split for c in found.clips if c.split})
    if splits:
        raise AudioError(
            f"{root}: holds {', '.join(splits)}; did you mean {Path(root) / splits[0]}?"
            if len(splits) == 1
            else f"{root}: holds {', '.join(splits)}; name one of these folders"
        )
    return labelled(root, found, labels, note)


def labelled(
    root: str | Path, found: Found, labels: Sequence[str], note: Notice
) -> list[tuple[Path, int]]:
    """find_clips for clips that were found already."""
    words = {c.word for c in found.clips}
    if not words:
        one_word = any(reason == NO_WORD for _, reason in found.skipped)
        hint = f"; did you mean {Path(root).resolve().parent}?" if one_word else ""
        raise AudioError(
            f"{root}: no recordings found; expected {root}/WORD/*.wav (or flac, ogg), one folder "
            f"per word{hint}{_because(found.skipped)}"
        )
    clips = [
        (c.path, label) for c in found.clips if (label := label_of(c.word, labels)) is not None
    ]
    if not clips:
        raise AudioError(
            f"{root}: none of its folders is named after a label of the model ({', '.join(labels)})"
        )
    if found.skipped:
        note(f"note: {root}: skipped {reasons(found.skipped)}")
    near = near_misses(words, labels)
    if near:
        pairs = ", ".join(f"{word} (label {label})" for word, label in near)
        note(f"note: {root}: not counted as the labels that they nearly are: {pairs}; rename them?")
    elif not words & {*labels, *SILENCE}:
        note(
            f"note: {root}: no folder is named after a label ({', '.join(labels)}); all "
            "clips count as unknown"
        )
    return clips


@dataclass(frozen=True)
class _Spoken:
    """place.Spoken of a file, which is decoded only where its word's place is asked for."""

    path: Path

    def __len__(self) -> int:
        import soundfile

        try:
            return round(soundfile.info(str(self.path)).duration * SAMPLE_RATE)
        except soundfile.LibsndfileError:
            return len(_samples(self.path))

    @property
    def spoken(self) -> int:
        return place_of_word(_samples(self.path))[1]


def samples_of(words: Iterable[Sequence[Path]]) -> int:
    """place.clip_samples of files. AudioError: one that cannot be read."""
    return clip_samples([_Spoken(p) for p in paths] for paths in words)


def _samples(path: Path) -> np.ndarray:
    return read_file(path, note=lambda line: None, seconds=LONG / SAMPLE_RATE + 1)


def read_clip(path: Path, n: int = SAMPLE_RATE) -> np.ndarray:
    """(n,) int16: those around the clip's word, as training takes them; zeros behind a clip that is
    shorter."""
    pcm = _samples(path)
    if len(pcm) > n:
        first = first_around(*place_of_word(pcm), n, len(pcm))
        pcm = pcm[first : first + n]
    return np.pad(pcm, (0, n - len(pcm)))
