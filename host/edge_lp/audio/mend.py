# SPDX-License-Identifier: Apache-2.0
"""WAV files whose recorder never wrote the sizes: interrupted, or on a pipe.

A RIFF file (Microsoft 1994) is a list of chunks: four letters, a size of 32 bits, that many bytes,
and one more if they are odd. RF64 (EBU Tech 3306) keeps the sizes of long files in its first chunk,
ds64: 64 bits each for the file, the data and the number of samples."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

HEAD = 65536  # bytes in which the data chunk has to begin


class Mended(io.RawIOBase):
    """A file of which some first bytes are others."""

    def __init__(self, file: BinaryIO, head: bytes) -> None:
        self._file, self._head = file, head

    def readinto(self, into) -> int:
        at = self._file.tell()
        n = self._file.readinto(into)  # type: ignore[attr-defined]
        mine = self._head[at : at + n]
        into[: len(mine)] = mine
        return n

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def mend(file: BinaryIO) -> BinaryIO | Mended:
    """The file, from its start; with the true sizes in its header if it is a WAV or RF64 file that
    says it holds no samples, or does not say how many, and has some."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = bytearray(file.read(HEAD))
    mended = head[8:12] == b"WAVE" and _mend_sizes(file, head, size)
    file.seek(0)
    return Mended(file, bytes(head)) if mended else file


def _mend_sizes(file: BinaryIO, head: bytearray, size: int) -> bool:
    at = next((at for name, at, _ in _chunks(file, 12, size) if name == b"data"), size)
    if at + 8 > len(head):
        return False
    said, there = int.from_bytes(head[at + 4 : at + 8], "little"), size - at - 8
    if head[:4] == b"RF64" and head[12:16] == b"ds64":
        if not there or struct.unpack_from("<Q", head, 28)[0]:
            return False
        struct.pack_into("<QQQ", head, 20, size - 8, there, 0)
        struct.pack_into("<I", head, at + 4, 0xFFFFFFFF)
        return True
    # libsndfile takes a size past the end of the file as "to the end", but 0 as 0
    if head[:4] != b"RIFF" or said or not there or _only_chunks(file, at + 8, size):
        return False
    struct.pack_into("<I", head, 4, min(size - 8, 0xFFFFFFFF))
    struct.pack_into("<I", head, at + 4, min(there, 0xFFFFFFFF))
    return True


def _chunks(file: BinaryIO, at: int, size: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, where it starts, where the next one starts) of the chunks from `at` on."""
    while at + 8 <= size:
        file.seek(at)
        name, n = struct.unpack("<4sI", file.read(8))
        yield name, at, at + 8 + n + n % 2
        at += 8 + n + n % 2


def _only_chunks(file: BinaryIO, at: int, size: int) -> bool:
    """Do chunks follow, to the end? Then a data chunk of size 0 was meant. Samples do not look like
    that: four letters each, and sizes that end where the file does."""
    end = at
    for name, _, end in _chunks(file, at, size):
        if not (name.isascii() and name.decode().isprintable()) or end > size + 1:
            return False
    return end >= size
