# SPDX-License-Identifier: Apache-2.0
"""A command on each detection."""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from typing import Any

from edge_lp.errors import EdgeLpError
from edge_lp.measure.stream import Detection
from edge_lp.text import Notice

WAITING = 8  # detections that may wait for the command to end
PATIENCE = 2.0  # seconds from SIGTERM to SIGKILL


class Command:
    """A context manager: run() each detection, whose keyword, score and time are in the command's
    environment. No shell: the words of the command are its program and arguments. One at a time, in
    order; what comes while WAITING others wait is told and not run. One that fails, or takes longer
    than `timeout` seconds and is ended, is told in one line. The command's output goes to stderr,
    or nowhere if `quiet`. At a regular end those that wait still run; else the one that runs is
    ended, with all that it started.

    EdgeLpError: no such program."""

    def __init__(self, command: str, timeout: float, note: Notice, quiet: bool) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as e:
            raise EdgeLpError(f"--exec {command}: {e}; close the quotation mark") from None
        self._program = self._words[0] if self._words else ""
        if not self._program or not shutil.which(self._program):
            raise EdgeLpError(
                f"--exec {command}: no program {self._program!r} that may be run; give its path, "
                "or make it executable"
            )
        self._timeout, self._note, self._quiet = timeout, note, quiet
        self._queue: queue.Queue[Detection | None] = queue.Queue(WAITING)
        self._running: subprocess.Popen[Any] | None = None
        self._over = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Command:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._queue.put(None)
                self._thread.join()
        finally:
            with self._lock:
                self._over = True
                running = self._running
            if running:
                _end(running)
            left = sum(1 for d in self._queue.queue if d)
            if left:
                self._note(f"note: {self._program} was not run for the last {left} detections")

    def run(self, d: Detection) -> None:
        try:
            self._queue.put_nowait(d)
        except queue.Full:
            self._tell(d, f"not run, {WAITING} detections wait already")

    def _tell(self, d: Detection, what: str) -> None:
        self._note(f"note: {self._program} for {d.keyword!r} at {d.t:.2f} s: {what}")

    def _work(self) -> None:
        while (d := self._queue.get()) is not None:
            with self._lock:
                if self._over:
                    return
                try:
                    self._running = self._start(d)
                except OSError as e:
                    self._tell(d, f"cannot be started ({e.strerror})")
                    continue
            self._watch(d, self._running)

    def _start(self, d: Detection) -> subprocess.Popen[Any]:
        said = {
            "EDGE_LP_KEYWORD": d.keyword,
            "EDGE_LP_SCORE": f"{d.score:.4f}",
            "EDGE_LP_TIME": f"{d.t:.2f}",
        }
        to = subprocess.DEVNULL if self._quiet else _stderr()
        return subprocess.Popen(
            self._words,
            env={**os.environ, **said},
            stdin=subprocess.DEVNULL,
            stdout=to,
            stderr=to,
            start_new_session=True,  # Ctrl-C is for us; and a group of its own, to end it as one
        )

    def _watch(self, d: Detection, running: subprocess.Popen[Any]) -> None:
        try:
            code = running.wait(self._timeout)
        except subprocess.TimeoutExpired:
            _end(running)
            self._tell(d, f"ended, it took longer than {self._timeout:g} s")
            return
        finally:
            with self._lock:
                self._running = None
        if code and not self._over:
            self._tell(d, f"exit code {code}" if code > 0 else f"killed by signal {-code}")


def _end(process: subprocess.Popen[Any]) -> None:
    """Its whole group: SIGTERM, and after PATIENCE SIGKILL."""
    for number, patience in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, PATIENCE)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


def _stderr() -> int:
    """Where our own lines go."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return sys.stderr.fileno()
    return subprocess.DEVNULL
