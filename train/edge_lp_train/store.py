# SPDX-License-Identifier: Apache-2.0
"""Recordings, decoded once: their samples lie one behind the other in a file under XDG_CACHE_HOME
and are read when they are needed, so memory does not grow with the hours. The operating system
keeps what is read often."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
from edge_lp.audio.files import WHOLE_BLOCK, file_blocks, read_file
from edge_lp.errors import AudioError, EdgeLpError
from edge_lp.measure.place import LONG, first_around, place_of_word
from edge_lp.runtime import SAMPLE_RATE
from rich.progress import track

from edge_lp_train.files import cache, log, read_arrays, write_arrays

TOGETHER, SIZE = 64, 1 << 23  # files, and bytes of them, that are decoded before one is written;
# a longer one is written while it is decoded
INDEX = ("lengths", "faults", "at", "spoken")
File = tuple[Path, int]  # and its bytes
Row = tuple[Any, ...]  # of the index


class Recording:
    """A recording's samples, int16 at 16 kHz: like a one-dimensional array that is read from the
    disk where it is sliced (step 1). at, spoken: where its word begins, and how long that is, in
    samples; spoken is 0 where every sample is 0."""

    __slots__ = ("_file", "_first", "_n", "at", "spoken")

    def __init__(self, file: IO[bytes], first: int, n: int, at: int, spoken: int) -> None:
        self._file, self._first, self._n, self.at, self.spoken = file, first, n, at, spoken

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, part: slice) -> np.ndarray:
        start, stop, _ = part.indices(self._n)
        size = 2 * max(0, stop - start)
        data = os.pread(self._file.fileno(), size, 2 * (self._first + start))
        return np.frombuffer(data, np.int16)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or np.int16, copy=True if copy is None else copy)

    def around(self, n: int) -> Recording:
        """The n samples around the word, or the recording if it is no longer than that."""
        if self._n <= n:
            return self
        first = first_around(self.at, self.spoken, n, self._n)
        return Recording(self._file, self._first + first, n, self.at - first, self.spoken)


def read_all(paths: Sequence[Path], about: str) -> list[Recording | str]:
    """Every recording as evaluate and listen read it, or why it cannot be. What is decoded is kept
    for the next start, by a name that changes when a file's name, size or time does."""
    if not paths:
        return []
    found = [os.stat(p) for p in paths]
    stat = [(str(p.absolute()), s.st_size, s.st_mtime_ns) for p, s in zip(paths, found)]
    index = cache("pcm", repr(stat))
    files = list(zip(paths, (s.st_size for s in found)))
    samples = index.with_suffix(".pcm")
    kept = _kept(samples, index, len(paths))
    if kept is not None:
        return kept
    try:
        samples.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=samples.parent, delete=False) as out:
            try:
                arrays = _decode(files, about, out)
                os.replace(out.name, samples)
            finally:
                Path(out.name).unlink(missing_ok=True)
        write_arrays(index, arrays)
        return _recordings(open(samples, "rb"), arrays)
    except (OSError, EdgeLpError) as e:
        log.print(f"note: decoded recordings are not kept: {e}")
    try:
        file = tempfile.TemporaryFile()
        return _recordings(file, _decode(files, about, file))
    except OSError as e:
        raise EdgeLpError(
            f"no room for the decoded recordings, 115 MB an hour: {e.strerror or e}; make some in "
            f"{samples.parent}, or set XDG_CACHE_HOME"
        ) from None


def _kept(samples: Path, index: Path, n: int) -> list[Recording | str] | None:
    """What an earlier start has decoded; None: nothing, or it is damaged."""
    try:
        arrays = read_arrays(index, INDEX)
        file = open(samples, "rb")
    except (OSError, EdgeLpError):
        return None
    whole = len(arrays["lengths"]) == n
    if whole and os.fstat(file.fileno()).st_size == 2 * arrays["lengths"].sum():
        return _recordings(file, arrays)
    file.close()
    return None


def _recordings(file: IO[bytes], arrays: dict[str, np.ndarray]) -> list[Recording | str]:
    file.flush()
    lengths = arrays["lengths"]
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]]).tolist()
    rows = zip(arrays["faults"], first, lengths.tolist(), arrays["at"].tolist(),
               arrays["spoken"].tolist())  # fmt: skip
    return [str(why) or Recording(file, *row) for why, *row in rows]


def _decode(files: Sequence[File], about: str, out: IO[bytes]) -> dict[str, np.ndarray]:
    """Writes the samples to `out`; returns the index, a row for each file."""
    rows = track(_in_order(files, out), f"reading {about}", len(files), console=log,
                 disable=not log.is_terminal)  # fmt: skip
    columns = tuple(zip(*rows))
    out.flush()
    return dict(zip(INDEX, map(np.array, columns)))


def _in_order(files: Iterable[File], out: IO[bytes]) -> Iterator[Row]:
    """Writes the recordings one behind the other; never more than TOGETHER of them wait, or SIZE
    bytes of files."""
    with ThreadPoolExecutor() as pool:
        for some in _groups(files):
            if some[0][1] > SIZE:
                yield _pass_on(some[0][0], out)
                continue
            for pcm, *row in pool.map(_read, [path for path, _ in some]):
                out.write(pcm.tobytes())
                yield (len(pcm), *row)


def _groups(files: Iterable[File]) -> Iterator[list[File]]:
    """Files that are decoded together; one of more than SIZE bytes is alone."""
    some, total = list[File](), 0
    for file in files:
        if some and (len(some) == TOGETHER or total + file[1] > SIZE):
            yield some
            some, total = [], 0
        some.append(file)
        total += file[1]
    yield some


def _read(path: Path) -> tuple[np.ndarray, str, int, int]:
    """Samples, fault, place of the word."""
    try:
        pcm = read_file(path, note=_unheard)
    except (AudioError, OSError) as e:
        return np.zeros(0, np.int16), _fault(path, e), 0, 0
    return pcm, "", *place_of_word(pcm)


def _pass_on(path: Path, out: IO[bytes]) -> Row:
    """A row for a file of any length, which is written block by block."""
    first, n, heard = out.tell(), 0, False
    try:
        for pcm in file_blocks(path, note=_unheard, strict=True, block=WHOLE_BLOCK):
            out.write(pcm.tobytes())
            n, heard = n + len(pcm), heard or bool(pcm.any())
    except AudioError as e:
        out.seek(first)
        out.truncate()
        return 0, _fault(path, e), 0, 0
    if n > LONG:
        return n, "", 0, SAMPLE_RATE * heard
    out.flush()
    return n, "", *place_of_word(Recording(out, first // 2, n, 0, 0)[:])


def _unheard(line: str) -> None:
    pass


def _fault(path: Path, e: Exception) -> str:
    return str(e).removeprefix(f"{path}: ")
