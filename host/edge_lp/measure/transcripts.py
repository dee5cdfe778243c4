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


def _look_up(recording: Path, table: str, column: str) -> str | None:
    recording = recording.resolve()
    for folder in recording.parents:
        found = folder / table
        if found.is_file():
            text = _table(found, column).get(recording.relative_to(folder).as_posix())
            if text is not None:
                return text
    return None


def text_of(recording: Path) -> str | None:
    """What is said in it; None: nobody wrote it down."""
    return _look_up(recording, TEXTS, "text")


def speaker_of(recording: Path) -> str:
    """Who speaks: as the manifest says; as the file's name says in Speech Commands
    (SPEAKER_nohash_N) and LibriSpeech (SPEAKER-CHAPTER-N); else the file stands for a speaker of
    its own."""
    if speaker := _look_up(recording, MANIFEST, "speaker"):
        return speaker
    named = re.match(r"(?P<a>.+)_nohash_\d+$|(?P<b>\d+)-\d+-\d+$", recording.resolve().stem)
    return (named["a"] or named["b"]) if named else recording.stem


def halves(items: Iterable[tuple[str, T]]) -> tuple[list[T], list[T]]:
    """(speaker, item) -> the items of one half of the speakers, and of the other; the same halves
    in every run, whatever order they come in."""
    items = list(items)
    order = sorted({s for s, _ in items}, key=lambda s: (zlib.crc32(s.encode()), s))
    first = set(order[::2])
    return [x for s, x in items if s in first], [x for s, x in items if s not in first]
