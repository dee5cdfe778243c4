# SPDX-License-Identifier: Apache-2.0
"""Heidelberg Digits (Cramer et al. 2020, https://zenkelab.org/datasets, hd_audio): ten digits in
English and German by twelve speakers, two of whom are only in the test list.

    hd_audio/audio/lang-english_speaker-00_trial-0_digit-0.flac ...
    hd_audio/train_filenames.txt    names of files in audio/, one a line
    hd_audio/test_filenames.txt"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from edge_lp.errors import EdgeLpError
from edge_lp.measure.splits import TESTING, TRAINING, VALIDATION, Clip

NAME = re.compile(r"lang-(english|german)_speaker-(\d+)_trial-\d+_digit-(\d)\.flac")
LISTS = {TRAINING: "train_filenames.txt", TESTING: "test_filenames.txt"}
DIGITS = {
    "english": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "german": ("null", "eins", "zwei", "drei", "vier", "fuenf", "sechs", "sieben", "acht", "neun"),
}
WORDS = (*DIGITS["english"], *DIGITS["german"])
SHARE = 0.1  # of the training clips, at least, that validate


def recordings(root: Path) -> list[Clip]:
    """The clips of both lists; of the training list the last speakers with SHARE of its clips
    validate, for P2's code chose its weights on the test list. EdgeLpError: another layout, a file
    that is not there, or a single training speaker."""
    clips = [clip for split, name in LISTS.items() for clip in _listed(root, name, split)]
    for c in clips:
        if not c.path.is_file():
            raise EdgeLpError(f"{root}: a list names {c.path.name}, there is no {c.path}")
    aside = _validating([c for c in clips if c.split == TRAINING], root)
    return [
        Clip(c.path, c.word, VALIDATION, c.speaker)
        if c.split == TRAINING and c.speaker in aside
        else c
        for c in clips
    ]


def _listed(root: Path, name: str, split: str) -> list[Clip]:
    try:
        names = (root / name).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        raise EdgeLpError(
            f"{root}: no {name}; expected Heidelberg Digits as hd_audio is unpacked: audio/*.flac, "
            + " and ".join(LISTS.values())
        ) from None
    clips = []
    for file in names:
        found = NAME.fullmatch(Path(file).name)
        if not found:
            raise EdgeLpError(
                f"{root / name}: {file!r}; expected lang-LANGUAGE_speaker-N_trial-N_digit-N.flac"
            )
        language, speaker, digit = found.groups()
        path = root / "audio" / Path(file).name
        clips.append(Clip(path, DIGITS[language][int(digit)], split, f"speaker{speaker}"))
    if not clips:
        raise EdgeLpError(f"{root / name}: an empty list")
    return clips


def _validating(clips: list[Clip], root: Path) -> set[str]:
    """The last speakers, but not all."""
    count = Counter(c.speaker for c in clips)
    if len(count) < 2:
        raise EdgeLpError(
            f"{root / LISTS[TRAINING]}: one speaker, expected two or more: one validates"
        )
    chosen: set[str] = set()
    for speaker in sorted(count, reverse=True)[: len(count) - 1]:
        if sum(count[s] for s in chosen) >= SHARE * len(clips):
            break
        chosen.add(speaker)
    return chosen
