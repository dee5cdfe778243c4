# SPDX-License-Identifier: Apache-2.0
"""What a process owes its surroundings: it ends cleanly when it is told to, whatever its standard
streams are."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from edge_lp.text import notice


@contextlib.contextmanager
def stops_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does; those that follow (a closed
    terminal sends SIGHUP twice) do not disturb the clean-up. What the parent ignores (nohup) stays
    ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ends = [s for s in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) is signal.SIG_DFL]

    def stop(number: int, frame: Any) -> None:
        for s in ends:
            signal.signal(s, signal.SIG_IGN)
        raise KeyboardInterrupt

    for s in ends:
        signal.signal(s, stop)
    try:
        yield
    finally:
        for s in ends:
            signal.signal(s, signal.SIG_DFL)


class _Dropping(io.FileIO):
    """What cannot be written is dropped."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)


def prepare_streams() -> None:
    """Before anything is opened: a closed standard stream becomes the null device, so that no file
    gets its number; stderr drops what it cannot say; stdout degrades where its encoding lacks a
    character."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: fd
            setattr(sys, name, open(fd, "w" if fd else "r", encoding="utf-8"))
    if sys.stderr is sys.__stderr__ and sys.stderr is not None:
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Dropping(2, "w", closefd=False)),
            encoding=sys.stderr.encoding,
            errors="backslashreplace",
            line_buffering=True,
        )
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="edge-lp")


def finish_stdout(code: int) -> int:
    """Writes out what is still buffered -> the exit code: 141 where the reader has gone, 2 where it
    cannot be written, else the one that is given. With 2 one line has been told already (the first
    write may have failed for the same reason): it stays the only one."""
    try:
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        code = 141
    except OSError as e:
        if code != 2:
            notice(f"edge-lp: stdout: {e.strerror}")
        code = 2
    with contextlib.suppress(OSError):  # the interpreter flushes once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
