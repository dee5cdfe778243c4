# SPDX-License-Identifier: Apache-2.0
"""Raw samples on a pipe, as blocks."""

from __future__ import annotations

import select
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

import numpy as np

from edge_lp.audio.blocks import BLOCK, Blocks
from edge_lp.audio.oddities import Oddities
from edge_lp.errors import AudioError
from edge_lp.runtime import SAMPLE_RATE
from edge_lp.text import Notice, notice

RAW = "raw PCM, int16 little-endian, mono, 16 kHz"
# how files begin that are not raw samples: what they are called, and their first bytes
HEADERS = (
    ("WAV", b"RIFF"),
    ("WAV", b"RF64"),
    ("FLAC", b"fLaC"),
    ("Ogg", b"OggS"),
    ("AIFF", b"FORM"),
    ("AU", b".snd"),
    ("CAF", b"caff"),
    ("MP3", b"ID3"),
)
TICK = 0.1  # seconds: keys are answered while nothing comes
MAGIC = 4  # bytes, the longest of them


def pipe_blocks(stream: BinaryIO, note: Notice = notice) -> Blocks:
    """Raw PCM, int16 little-endian, mono, 16 kHz. Yields what has arrived, without waiting for a
    full block; while nothing comes, an empty one every TICK.

    AudioError: nothing came, a terminal, or a file with a header, which would be heard as noise."""
    if stream.isatty():
        raise AudioError(f"stdin: is a terminal; pipe {RAW}, into it")
    arrivals, head = _arrivals(stream), b""
    while len(head) < MAGIC and (data := next(arrivals, None)) is not None:
        head += data
    _check(head)
    odd, half = Oddities("stdin", SAMPLE_RATE, note), b""
    for data in chain([head], arrivals):
        data = half + data
        half = data[len(data) & ~1 :]
        yield odd.pcm(np.frombuffer(data[: len(data) & ~1], "<i2").astype(np.int16))
    if half:
        note("note: stdin: the last byte is half a sample and was left out")


def _arrivals(stream: BinaryIO) -> Iterator[bytes]:
    """What comes, as it comes, nothing every TICK. From below Python's buffer, which takes a pipe
    that is empty for the moment, and does not block, for one at its end."""
    raw = getattr(stream, "raw", stream)
    while True:
        if not _ready(raw):
            yield b""
        elif (data := raw.read(2 * BLOCK)) == b"":
            return
        elif data is not None:
            yield data


def _ready(raw: BinaryIO) -> bool:
    """Waits for something to read, or for TICK."""
    try:
        return bool(select.select([raw], [], [], TICK)[0])
    except (OSError, ValueError):  # nothing that can be waited for
        return True


def _check(head: bytes) -> None:
    if not head:
        raise AudioError(f"stdin: no samples came; expected {RAW}")
    name = next((name for name, magic in HEADERS if head.startswith(magic)), None)
    if name == "FLAC":
        raise AudioError(f"stdin: a FLAC file, not {RAW}; name the file, it cannot be piped")
    if name:
        raise AudioError(
            f"stdin: {name} data, not {RAW}; --device /dev/stdin reads it with its header"
        )
