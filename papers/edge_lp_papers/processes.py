# SPDX-License-Identifier: Apache-2.0
"""Trainings beside each other, each in a process of its own: TensorFlow's small operations do not
share one interpreter well. Processes are started anew (spawn), as TensorFlow does not outlive a
fork."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

from edge_lp.errors import EdgeLpError
from edge_lp.text import only_our_lines

Say = Callable[[str, int, int], None]  # text, done, of: how far it is
Call = Callable[[Say], Any]
Tell = Callable[[int, str, int, int], None]  # the call that says it


def in_processes(calls: Sequence[Call], cores: int, tell: Tell) -> Iterator[tuple[int, Any]]:
    """(i, calls[i](say)) of each call, as they end, as many at the same time as there are cores;
    where there are more cores than calls, each has its share of threads. A call can be pickled, and
    so can what it returns. tell: is called here with what the calls say.

    An exception of a call is raised here; EdgeLpError too where a process ended by itself. Whatever
    ends this generator ends all processes."""
    threads = max(1, cores // max(1, len(calls)))
    waiting = list(enumerate(calls))[::-1]
    running: dict[Connection, tuple[int, Any]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < cores:
                i, call = waiting.pop()
                pipe, process = _started(call, threads)
                running[pipe] = i, process
            ready = wait(list(running))
            for pipe in [p for p in running if p in ready]:
                i, process = running[pipe]
                kind, *found = _received(pipe, process)
                if kind == "say":
                    tell(i, *found)
                    continue
                del running[pipe]
                process.join()
                if kind == "failed":
                    raise found[0]
                yield i, found[0]
    finally:
        for _, process in running.values():
            process.kill()  # its files are whole at any time
            process.join()


def _started(call: Call, threads: int) -> tuple[Connection, Any]:
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(theirs, call, threads), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _received(pipe: Connection, process: Any) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        process.join()
        return "failed", EdgeLpError(
            f"a training's process ended by itself (exit code {process.exitcode}; -9 is for want "
            "of memory, as a rule); the same command goes on where it was"
        )


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent
    parent.join()
    os._exit(1)


def _main(pipe: Connection, call: Call, threads: int) -> None:
    """What the process does. Ctrl-C is its parent's affair, which ends it; and where the parent is
    killed, it ends by itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with contextlib.suppress(BrokenPipeError), only_our_lines():  # nobody listens any more
        try:
            pipe.send(("done", call(lambda *what: pipe.send(("say", *what)))))
        except EdgeLpError as e:
            pipe.send(("failed", e))
        except BrokenPipeError:
            raise
        except Exception as e:
            sys.excepthook(type(e), e, e.__traceback__)
            pipe.send(("failed", RuntimeError(f"{type(e).__name__}: {e}")))
