# SPDX-License-Identifier: Apache-2.0
"""Outputs: the one way to write them, and arrays that come from a file.

A regular file is complete or not there: it grows under a temporary name of its own and is renamed
at the end; a file that it replaces hands on its mode and owner, links are followed. What is no
regular file (a device node, a FIFO), and what this process has open for writing anyway (/dev/stdout
and its like), is written into. "-" is stdout; a file of that name is "./-"."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from edge_lp.errors import EdgeLpError

if TYPE_CHECKING:
    import numpy as np

STDOUT = "-"
MAX_ARRAYS = 1 << 28  # bytes that the arrays of a file may take, inflated


@contextlib.contextmanager
def _explained(path: str | Path, what: str = "write") -> Iterator[None]:
    """One line for a failure to write; a reader that has gone stays BrokenPipeError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as e:  # ValueError: a NUL in the name
        reason = (e.strerror if isinstance(e, OSError) else None) or e
        raise EdgeLpError(
            f"cannot {what} {path}: {reason}; choose another place or make it writable"
        ) from e


def _status(path: str | Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _target(path: str | Path) -> tuple[Path, os.stat_result | None]:
    """The file behind a name, links followed, and what is there now. EdgeLpError, OSError: it
    cannot be written."""
    if not os.path.basename(path):
        raise EdgeLpError(f"cannot write {str(path)!r}: that is not the name of a file")
    there, target = _status(path), Path(os.path.realpath(path))
    if there and stat.S_ISDIR(there.st_mode):
        raise EdgeLpError(f"cannot write {path}: it is a directory; name a file")
    if not there and not target.parent.is_dir():
        raise EdgeLpError(
            f"cannot write {path}: there is no directory {target.parent}; make it first, or choose "
            "another place"
        )
    if not os.access(path if there else target.parent, os.W_OK):
        raise PermissionError(13, "Permission denied")
    return target, there


def _open_already(there: os.stat_result) -> int | None:
    """The descriptor of this process that writes to this file, if there is one."""
    for fd in map(int, os.listdir("/dev/fd")):
        with contextlib.suppress(OSError):
            writes = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
            if writes and os.path.samestat(there, os.fstat(fd)):
                return fd
    return None


def _temporary(folder: Path) -> Path:
    return folder / f".edge-lp-{os.urandom(6).hex()}.part"


NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def _as_new(part: Path, name: Path) -> None:
    """The file under a name that nobody has, whole from its first moment: whoever is killed leaves
    no empty one. Where a folder knows no links, the name is reserved first. FileExistsError."""
    try:
        os.link(part, name)
    except FileExistsError:
        raise
    except OSError:
        os.close(os.open(name, os.O_WRONLY | NEW))
        os.replace(part, name)


class Output:
    """An output under way: write() as it comes, then keep() or discard(); as a context manager it
    is kept unless something went wrong. `seekable`: a regular file, of which patch() can change
    what was written. EdgeLpError: it cannot be opened; OSError: it cannot be written any more."""

    def __init__(self, path: str | Path) -> None:
        self.path, self.written = path, 0
        self._part: Path | None = None
        self._stream: BinaryIO | Any
        with _explained(path):
            if path == STDOUT:
                sys.stdout.flush()
                self._stream = sys.stdout.buffer
                return
            self._target, self._there = _target(path)
            self._stream = os.fdopen(self._open(), "wb", buffering=0)

    def _open(self) -> int:
        there = self._there
        if there and (fd := _open_already(there)) is not None:
            sys.stdout.flush()
            return os.dup(fd)
        if there and not stat.S_ISREG(there.st_mode):
            return os.open(self.path, os.O_WRONLY | os.O_NOCTTY)
        part = _temporary(self._target.parent)
        fd = os.open(part, os.O_RDWR | NEW, 0o666)
        self._part = part
        if there:
            with contextlib.suppress(PermissionError):  # another's file in a folder of ours
                os.fchown(fd, there.st_uid, there.st_gid)
            os.fchmod(fd, stat.S_IMODE(there.st_mode))
        return fd

    @property
    def seekable(self) -> bool:
        return self._part is not None

    def write(self, data: Any) -> None:
        """Any buffer of bytes. `written` counts what got there, also where OSError is raised."""
        rest = memoryview(data).cast("B")
        while rest:
            n = self._stream.write(rest)
            if n is None:  # a pipe that somebody has set to not wait
                select.select([], [self._stream], [])
            self.written += n or 0
            rest = rest[n or 0 :]

    def patch(self, data: bytes, at: int = 0) -> None:
        os.pwrite(self._stream.fileno(), data, at)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._stream.fileno(), size)

    def keep(self) -> str | Path:
        """The output is complete. Returns its name: where somebody else has written the file
        meanwhile, theirs stays and ours is called NAME-2."""
        with _explained(self.path):
            if self._part is None:
                self._stream.flush()
                self._close()
                return self.path
            self._close()
            try:
                name = self._place(self._part)
            finally:
                self._part.unlink(missing_ok=True)
            return self.path if name == self._target else name

    def _place(self, part: Path) -> Path:
        now, there, n = _status(self._target), self._there, 1
        if now and there and os.path.samestat(now, there) and now.st_mtime_ns == there.st_mtime_ns:
            os.replace(part, self._target)
            return self._target
        while True:
            name = self._target
            if n > 1:
                name = name.with_name(f"{name.stem}-{n}{name.suffix}")
            try:
                _as_new(part, name)
                return name
            except FileExistsError:
                n += 1

    def discard(self) -> None:
        self._close()
        if self._part:
            self._part.unlink(missing_ok=True)

    def _close(self) -> None:
        if self.path != STDOUT:
            self._stream.close()

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind:
            self.discard()
        else:
            self.keep()


def write_file(path: str | Path, data: bytes) -> Path:
    """Writes an output, as this module says. EdgeLpError where that is not possible."""
    with _explained(path), Output(path) as out:
        out.write(data)
    return Path(path)


def make_folder(path: str | Path) -> Path:
    """A folder that is there from now on, with those above it. EdgeLpError: it cannot be made."""
    with _explained(path, "make the folder"):
        Path(path).mkdir(parents=True, exist_ok=True)
    return Path(path)


def cache_folder(kind: str) -> Path:
    """Where things of a kind are kept that can be made again: below XDG_CACHE_HOME (~/.cache). It
    may not be there."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-lp" / kind


def check_writable(path: str | Path) -> None:
    """Before long work: that write_file(path, ...) will be able to write. EdgeLpError where it will
    not."""
    if path == STDOUT:
        return
    with _explained(path):
        target, there = _target(path)
        if not there or stat.S_ISREG(there.st_mode):
            part = _temporary(target.parent)
            os.close(os.open(part, os.O_WRONLY | NEW))
            part.unlink()


def read_arrays(path: str | Path, limit: int = MAX_ARRAYS) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, none of them pickled. EdgeLpError: it cannot be read, is no such
    file, or inflates to more than `limit` bytes, which is looked at before anything is inflated."""
    import zipfile

    import numpy as np

    try:
        with zipfile.ZipFile(path) as z:
            size = sum(entry.file_size for entry in z.infolist())
        if size > limit:
            raise EdgeLpError(f"{path}: its arrays take {size:,} bytes, expected at most {limit:,}")
        with np.load(path, allow_pickle=False) as z:
            arrays = {name: z[name] for name in z.files}
        if not all(isinstance(a, np.ndarray) for a in arrays.values()):
            raise ValueError("an entry that is no array")
        return arrays
    except EdgeLpError:
        raise
    except Exception as e:  # noqa: BLE001 - a dozen kinds on damaged bytes
        if isinstance(e, OSError) and e.errno:
            raise EdgeLpError(f"{path}: {e.strerror}") from None
        raise EdgeLpError(
            f"{path}: not a readable .npz file of arrays; copy it again, or name another"
        ) from None
