# SPDX-License-Identifier: Apache-2.0
"""A folder of words -> clips and the labels that they should get."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_lp.audio.files import AUDIO_SUFFIXES, read_file
from edge_lp.errors import AudioError
from edge_lp.runtime import SAMPLE_RATE

UNKNOWN, SILENCE = ("unknown", "_unknown_"), ("silence", "_silence_")


def index_of(labels: Sequence[str], names: Sequence[str]) -> int | None:
    return next((i for i, label in enumerate(labels) if label in names), None)


def label_of(word: str, labels: Sequence[str]) -> int | None:
    """The label that a folder's clips should get: its own; silence for _silence_; else unknown.
    None: the model has no such label."""
    if word in SILENCE:
        return index_of(labels, SILENCE)
    return labels.index(word) if word in labels else index_of(labels, UNKNOWN)


def find_clips(root: str | Path, labels: Sequence[str]) -> list[tuple[Path, int]]:
    """(file, label) of each clip below root, sorted. _background_noise_ (long recordings) is left
    out. AudioError: no folder, no clips."""
    root = Path(root)
    if not root.is_dir():
        raise AudioError(
            f"{root}: {'not a folder' if root.exists() else 'no such folder'}; expected one that "
            "holds a folder of clips per word"
        )
    clips = []
    for folder in sorted(
        p for p in root.iterdir() if p.is_dir() and p.name != "_background_noise_"
    ):
        label = label_of(folder.name, labels)
        if label is not None:
            clips += [
                (f, label) for f in sorted(folder.iterdir()) if f.suffix.lower() in AUDIO_SUFFIXES
            ]
    if not clips and any(p.is_dir() and label_of(p.name, labels) is None for p in root.iterdir()):
        raise AudioError(
            f"{root}: none of its folders is named after a label of the model ({', '.join(labels)})"
        )
    if not clips:
        hint = next(
            (
                f"; did you mean {p}?"
                for p in (root / "testing", root.parent)
                if p.is_dir() and any(p.glob("*/*.*"))
            ),
            "",
        )
        raise AudioError(
            f"{root}: no recordings found; expected {root}/WORD/*.wav (or flac, ogg), one folder "
            f"per word{hint}"
        )
    return clips


def read_clip(path: Path) -> np.ndarray:
    """(16000,) int16: the clip's first second, zeros behind it if it is shorter."""
    pcm = read_file(path, note=lambda line: None)[:SAMPLE_RATE]
    return np.pad(pcm, (0, SAMPLE_RATE - len(pcm)))
