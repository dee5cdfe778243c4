# SPDX-License-Identifier: Apache-2.0
"""Recordings, decoded once: their samples lie one behind the other in a file under XDG_CACHE_HOME
and are read when they are needed, so memory does not grow with the hours. The operating system
keeps what is read often."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
from edge_lp.audio.files import read_file
from edge_lp.errors import AudioError, EdgeLpError
from edge_lp.measure.place import first_around, place_of_word
from rich.progress import track

from edge_lp_train.files import cache, log, read_arrays, write_arrays

TOGETHER, SIZE = 64, 1 << 23  # files, and bytes of them, that are decoded before one is written
INDEX = ("lengths", "faults", "at", "spoken")


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
    stat = [(str(p.absolute()), p.stat().st_size, p.stat().st_mtime_ns) for p in paths]
    index = cache("pcm", repr(stat))
    samples = index.with_suffix(".pcm")
    kept = _kept(samples, index, len(paths))
    if kept is not None:
        return kept
    try:
        samples.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=samples.parent, delete=False) as out:
            try:
                arrays = _decode(paths, about, out)
                os.replace(out.name, samples)
            finally:
                Path(out.name).unlink(missing_ok=True)
        write_arrays(index, arrays)
        return _recordings(open(samples, "rb"), arrays)
    except (OSError, EdgeLpError) as e:
        log.print(f"note: decoded recordings are not kept: {e}")
    try:
        file = tempfile.TemporaryFile()
        return _recordings(file, _decode(paths, about, file))
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


def _decode(paths: Sequence[Path], about: str, out: IO[bytes]) -> dict[str, np.ndarray]:
    """Writes the samples to `out`; returns the index, a row for each path."""
    lengths, faults, places = [], [], []
    for x in track(_in_order(paths), f"reading {about}", len(paths), console=log,
                   disable=not log.is_terminal):  # fmt: skip
        fault = x if isinstance(x, str) else ""
        pcm, place = (np.zeros(0, np.int16), (0, 0)) if isinstance(x, str) else x
        out.write(pcm.tobytes())
        lengths.append(len(pcm))
        faults.append(fault)
        places.append(place)
    out.flush()
    at, spoken = np.array(places).T
    return dict(zip(INDEX, (np.array(lengths), np.array(faults), at, spoken)))


def _in_order(paths: Sequence[Path]) -> Iterator[Any]:
    """The decoded recordings; never more than TOGETHER of them wait, or SIZE bytes of files."""
    with ThreadPoolExecutor() as pool:
        some: list[Path] = []
        for path in paths:
            if some and (len(some) == TOGETHER or sum(p.stat().st_size for p in some) > SIZE):
                yield from pool.map(_read, some)
                some = []
            some.append(path)
        yield from pool.map(_read, some)


def _read(path: Path) -> tuple[np.ndarray, tuple[int, int]] | str:
    try:
        x = read_file(path, note=lambda line: None)
    except (AudioError, OSError) as e:
        return str(e).removeprefix(f"{path}: ")
    return x, place_of_word(x)
