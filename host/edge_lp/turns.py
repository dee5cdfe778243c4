# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is with an object of C's: calls of several threads take theirs, Ctrl-C does not
wait for one that is long, and a forked process does not wait for a thread that it has not got."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable

_ALL: weakref.WeakSet[Turns] = weakref.WeakSet()


class Turns:
    """A context manager: the turn of the thread that is in it, any number of times."""

    def __init__(self) -> None:
        self._renew()
        self.torn = False
        _ALL.add(self)

    def _renew(self) -> None:
        self._turn = threading.RLock()
        self._aside = threading.Lock()  # held while something goes on aside

    def __enter__(self) -> None:
        self._turn.acquire()
        try:
            with self._aside:  # what Ctrl-C left behind is waited for
                pass
            if self.torn:
                raise RuntimeError(
                    "another thread was in the midst of a run when this process was forked from "
                    "it: the state is half a step's here; build a simulation of its own"
                )
        except BaseException:
            self._turn.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._turn.release()

    def aside(self, work: Callable[[Callable[[], bool]], None]) -> None:
        """work(left) in the turn of this thread, in another one: Ctrl-C, which only the main thread
        hears, ends the waiting at once, and left() is True then. The next turn begins when work has
        ended."""
        left, ended, failed = threading.Event(), threading.Event(), []

        def run() -> None:
            try:
                with self._aside:
                    work(left.is_set)
            except BaseException as e:
                failed.append(e)
            ended.set()

        try:
            threading.Thread(target=run).start()
            ended.wait()
        except BaseException:
            left.set()
            raise
        if failed:
            raise failed[0]

    def forked(self) -> None:
        """In a child process, before anything else runs there."""
        free = self._turn.acquire(blocking=False) and self._aside.acquire(blocking=False)
        self.torn = self.torn or not free
        self._renew()


def _forked() -> None:
    for turns in list(_ALL):
        turns.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
