# SPDX-License-Identifier: Apache-2.0
"""The long part of an experiment: independent parts, shared among the cores, each kept on disk as
soon as it is done, so that a stopped run goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from edge_lp.errors import EdgeLpError
from edge_lp.files import make_folder, write_file
from edge_lp.text import console

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Part:
    """What a part's function may use beside its arguments: say(text) tells how far it is, beside
    the progress bar; path(name) is a file of its own, for a checkpoint of what takes longer than a
    user would like to lose."""

    stem: Path
    say: Callable[[str], None]

    def path(self, name: str) -> Path:
        return self.stem.with_name(f"{self.stem.name}-{name}")


class Work:
    """folder: the experiment's own, for parts and for checkpoints of a training; it is removed when
    the experiment is done. seed: of everything that is drawn. data: the user's folder of data sets,
    if any."""

    def __init__(self, folder: Path, seed: int = 0, data: Path | None = None) -> None:
        self.folder, self.seed, self.data = folder, seed, data
        self._bar: Any = None
        make_folder(folder)

    def find(self, name: str) -> Path:
        """A data set of the user's: --data DIR with DIR/name."""
        if self.data is None or not (self.data / name).is_dir():
            where = f"there is no folder {self.data / name}" if self.data else "no --data DIR"
            raise EdgeLpError(f"it needs data, {where}; give a DIR with {name}/ in it")
        return self.data / name

    def beside(self, name: str) -> Path:
        """A file that stays, beside the experiment's result."""
        return self.folder.parent.parent / name

    def map(
        self,
        what: str,
        function: Callable[..., Any],
        parts: Sequence[dict[str, Any]],
        threads: int = CORES,
    ) -> list[Any]:
        """[function(**part) for part in parts], those that an earlier run has kept from there.

        A part says all that its result depends on, its seed too, in JSON's terms; so does the
        result. A function that takes `part` gets a Part beside its arguments. `threads`: parts at
        the same time; the work is done in C or TensorFlow, which let go of the interpreter's lock.
        1 for what uses all cores by itself."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        err = console(stderr=True)
        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        results: list[Any] = [None] * len(parts)
        with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
            self._bar = (bar, bar.add_task(what, total=len(parts)))
            for i, result in self._results(function, parts, threads):
                results[i] = result
                bar.advance(self._bar[1])
        self._bar = None
        return results

    def _results(
        self, function: Callable[..., Any], parts: Sequence[dict[str, Any]], threads: int
    ) -> Iterator[tuple[int, Any]]:
        if threads == 1:  # in this thread, so that Ctrl-C ends it at once
            yield from ((i, self._one(function, p, time.process_time)) for i, p in enumerate(parts))
            return
        with ThreadPoolExecutor(threads) as pool:
            one = partial(self._one, function, clock=time.thread_time)
            running = {pool.submit(one, p): i for i, p in enumerate(parts)}
            try:
                for done in as_completed(running):
                    yield running[done], done.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def say(self, text: str) -> None:
        if self._bar:
            self._bar[0].update(self._bar[1], description=text)

    def _one(
        self, function: Callable[..., Any], part: dict[str, Any], clock: Callable[[], float]
    ) -> Any:
        key = json.dumps([function.__module__, function.__qualname__, part], sort_keys=True)
        path = self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
        if path.is_file():
            return json.loads(path.read_bytes())["result"]
        begin = clock()
        beside = {"part": Part(path.with_suffix(""), self.say)}
        given = beside if "part" in signature(function).parameters else {}
        result = function(**part, **given)
        kept = {"part": part, "seconds": clock() - begin, "result": result}
        write_file(path, json.dumps(kept).encode())
        return result

    def seconds(self) -> float:
        """CPU time of all parts, those of earlier runs too."""
        kept = (json.loads(p.read_bytes()) for p in self.folder.glob("*.json"))
        return sum(k.get("seconds", 0.0) for k in kept)

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another run's parts are there
            self.folder.parent.rmdir()
