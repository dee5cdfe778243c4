# SPDX-License-Identifier: Apache-2.0
"""What is known of recordings beside their sound: who speaks, and what is said.

Tables with tabs, a head line, paths relative to the table's own folder, in a recording's folder or
any above it: TRANSCRIPTS.tsv (file, text) and MANIFEST.tsv (file, ..., speaker, ...)."""

from __future__ import annotations

import csv
import functools
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from edge_lp.errors import AudioError

TEXTS, MANIFEST = "TRANSCRIPTS.tsv", "MANIFEST.tsv"
# Names of recordings of which each may be another person: UUIDs, and Common Voice's
FILES = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$|common_voice_.+_\d+$", re.I)
T = TypeVar("T")


@functools.lru_cache(maxsize=None)
def _table(path: Path, column: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8", newline="") as f:
            rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as e:
        raise AudioError(f"{path}: cannot be read ({e}); expected a table with tabs") from None
    if rows and not {"file", column} <= set(rows[0]):
        raise AudioError(
            f"{path}: its head line names {', '.join(map(str, rows[0]))}; "
            f"expected file and {column}"
        )
    return {row["file"]: row[column] or "" for row in rows}


@functools.lru_cache(maxsize=None)
def _tables(folder: Path, name: str) -> tuple[Path, ...]:
    """The tables of this name in a folder and above it."""
    return tuple(p / name for p in (folder, *folder.parents) if (p / name).is_file())


@functools.lru_cache(maxsize=None)
def _real(folder: Path) -> Path:
    return folder.resolve()


def _resolved(recording: Path) -> Path:
    """recording.resolve(), the folder's part of it once a folder."""
    if recording.is_symlink():
        return recording.resolve()
    return _real(recording.parent) / recording.name


def _look_up(recording: Path, table: str, column: str) -> str | None:
    """recording: resolved."""
    for path in _tables(recording.parent, table):
        text = _table(path, column).get(recording.relative_to(path.parent).as_posix())
        if text is not None:
            return text
    return None


def text_of(recording: Path) -> str | None:
    """What is said in it; None: nobody wrote it down."""
    return _look_up(_resolved(recording), TEXTS, "text")


def speaker_of(recording: Path) -> str:
    """Who speaks: as the manifest says; else as the file's name says in Speech Commands
    (SPEAKER_nohash_N) and LibriSpeech (SPEAKER-CHAPTER-N); else what a name has before its first _
    or -, 'anna' of anna_03.wav. A name that has none, that begins with its word (its folder's
    name) or a number, or that only tells files apart (a UUID, Common Voice's), is a speaker of its
    own. A link is called as what it leads to."""
    recording = _resolved(recording)
    if speaker := _look_up(recording, MANIFEST, "speaker"):
        return speaker
    name = recording.stem
    if known := re.match(r"(?P<a>.+)_nohash_\d+$|(?P<b>\d+)-\d+-\d+$", name):
        return known["a"] or known["b"]
    head = re.split("[_-]", name, maxsplit=1)[0]
    own = head.isdigit() or head.lower() == recording.parent.name.lower() or FILES.match(name)
    return name if own else head


def halves(items: Iterable[tuple[str, T]]) -> tuple[list[T], list[T]]:
    """(speaker, item) -> the items of one half of the speakers, and of the other; the same halves
    in every run, whatever order they come in."""
    items = list(items)
    order = sorted({s for s, _ in items}, key=lambda s: (zlib.crc32(s.encode()), s))
    first = set(order[::2])
    return [x for s, x in items if s in first], [x for s, x in items if s not in first]
