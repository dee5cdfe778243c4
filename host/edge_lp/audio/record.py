# SPDX-License-Identifier: Apache-2.0
"""What is heard, written to a file while it passes."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np

from edge_lp.audio.blocks import Blocks
from edge_lp.errors import AudioError
from edge_lp.files import STDOUT, Output
from edge_lp.runtime import SAMPLE_RATE
from edge_lp.text import Notice, notice

HEADER = struct.Struct("<4sI4s 4sI28s 4sIHHIIHH 4sI")
UNKNOWN = 0xFFFFFFFF


def wav_header(size: int | None) -> bytes:
    """The header of `size` bytes of int16 mono at 16 kHz. None: not known yet, readers go on to the
    end. From 4 GiB on it is RF64 (EBU Tech 3306), whose sizes take the room of the chunk JUNK; 80
    bytes in each case. libsndfile could write it too, but neither to a pipe nor growing from one to
    the other."""
    form, chunk, extra = b"RIFF", b"JUNK", b""
    whole = riff = UNKNOWN if size is None else HEADER.size - 8 + size
    data = UNKNOWN if size is None else size
    if size is not None and whole >= UNKNOWN:
        form, chunk, extra = b"RF64", b"ds64", struct.pack("<QQQI", whole, size, size // 2, 0)
        riff = data = UNKNOWN
    sound = (b"fmt ", 16, 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    return HEADER.pack(form, riff, b"WAVE", chunk, 28, extra, *sound, b"data", data)


class Recorder:
    """Writes the blocks that pass to a wav file: what was heard, sample by sample. A context
    manager; the file gets its name when it closes, if anything was heard. A place that cannot be
    written any more ends the recording with a notice, and nothing else."""

    def __init__(self, path: str, note: Notice = notice) -> None:
        """EdgeLpError: the recording cannot be made there."""
        if path == STDOUT:
            raise AudioError("--record - would mix with the detections on stdout; name a file")
        self.path, self._note, self._going = path, note, True
        self._out = Output(path)
        try:
            self._out.write(wav_header(None))
        except OSError as e:
            self._out.discard()
            raise AudioError(f"cannot record to {path}: {e.strerror}; choose another place") from e

    @property
    def samples(self) -> int:
        """What is in the recording."""
        return (self._out.written - HEADER.size) // 2

    def through(self, blocks: Iterable[np.ndarray]) -> Blocks:
        for pcm in blocks:
            self.write(pcm)
            yield pcm

    def write(self, pcm: np.ndarray) -> None:
        if not self._going:
            return
        try:
            self._out.write(np.ascontiguousarray(pcm, "<i2"))
        except OSError as e:
            self._going = False
            self._note(
                f"note: {self.path}: {e.strerror}: the recording ends at "
                f"{self.samples / SAMPLE_RATE:.1f} s, listening goes on"
            )

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        if not self.samples:
            self._out.discard()
            return
        if self._out.seekable:
            try:
                self._out.truncate(HEADER.size + 2 * self.samples)
                self._out.patch(wav_header(2 * self.samples))
            except OSError as e:
                self._note(f"note: {self.path}: {e.strerror}: its header does not say its length")
        kept = self._out.keep()
        if kept != self.path:
            self._note(f"note: {self.path} was written by somebody else; this one is {kept}")
