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
from edge_lp.text import console, only_our_lines

from edge_lp_papers.processes import Call, Say, Tell, in_processes

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
PARTS = "?" * 16 + ".json"  # what is kept; a part's own files have longer names


@dataclass
class Part:
    """What a part's function may use beside its arguments. path(name): a file of its own, for a
    checkpoint of what takes longer than a user would like to lose. say(text, done, of): how far it
    is, for a progress bar of its own. seconds: for the function to set, CPU time that its result
    has taken before this call; spent(): with what this call has taken."""

    stem: Path
    say: Say
    clock: Callable[[], float] = time.process_time
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.begin = self.clock()

    def spent(self) -> float:
        return self.seconds + self.clock() - self.begin

    def path(self, name: str) -> Path:
        return self.stem.with_name(f"{self.stem.name}-{name}")


class Work:
    """folder: the experiment's own, for parts and for checkpoints of a training; it is removed when
    the experiment is done. seed: of everything that is drawn. data: the user's folder of data sets,
    if any."""

    def __init__(self, folder: Path, seed: int = 0, data: Path | None = None) -> None:
        self.folder, self.seed, self.data = folder, seed, data
        make_folder(folder)

    def find(self, *names: str) -> Path:
        """A data set of the user's, DIR/NAME of --data DIR: the first of these names that is
        there. EdgeLpError: none is."""
        for name in names:
            if self.data and (self.data / name).is_dir():
                return self.data / name
        where = f"there is no folder {self.data / names[0]}" if self.data else "no --data DIR"
        wanted = " or ".join(f"{name}/" for name in names)
        raise EdgeLpError(f"it needs data, {where}; give a DIR with {wanted} in it")

    def beside(self, name: str) -> Path:
        """A file that stays, beside the experiment's result: OUT/name of OUT/parts/NAME/SIZE."""
        return self.folder.parents[2] / name

    def map(
        self,
        what: str,
        function: Callable[..., Any],
        parts: Sequence[dict[str, Any]],
        alone: bool = False,
    ) -> list[Any]:
        """[function(**part) for part in parts], those that an earlier run has kept from there. By
        threads on all cores, as the work is done in C, which lets go of the interpreter's lock;
        alone: one after the other, as each uses all cores by itself.

        A part says all that its result depends on, its seed too, in JSON's terms; so does the
        result. A function that takes `part` gets a Part beside its arguments."""
        if alone:
            return self._all(what, function, parts, time.process_time, _one_by_one)
        return self._all(what, function, parts, time.thread_time, _in_threads)

    def train(
        self, what: str, function: Callable[..., Any], parts: Sequence[dict[str, Any]]
    ) -> list[Any]:
        """As map, each part in a process of its own, as many at the same time as there are
        cores."""
        return self._all(what, function, parts, time.process_time, in_processes)

    def _all(
        self,
        what: str,
        function: Callable[..., Any],
        parts: Sequence[dict[str, Any]],
        clock: Callable[[], float],
        run: Callable[[Sequence[Call], int, Tell], Iterator[tuple[int, Any]]],
    ) -> list[Any]:
        paths = [self._path(function, part) for part in parts]
        todo = [k for k, path in enumerate(paths) if not path.is_file()]
        calls = [partial(_made, paths[k], function, parts[k], clock) for k in todo]
        with Bars(what, len(parts), len(parts) - len(todo)) as bars:
            for i, _ in run(calls, CORES, bars.tell):
                bars.ended(i)
        return [json.loads(path.read_bytes())["result"] for path in paths]

    def _path(self, function: Callable[..., Any], part: dict[str, Any]) -> Path:
        key = json.dumps([function.__module__, function.__qualname__, part], sort_keys=True)
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"

    def seconds(self) -> float:
        """CPU time of all parts, those of earlier runs too."""
        kept = (json.loads(p.read_bytes()) for p in self.folder.glob(PARTS))
        return sum(k.get("seconds", 0.0) for k in kept)

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.tidy()

    def tidy(self) -> None:
        """Without folders that are empty: SIZE, NAME and parts."""
        with contextlib.suppress(OSError):  # another run's parts are there
            for folder in (self.folder, *self.folder.parents[:2]):
                if folder.exists():
                    folder.rmdir()


def _made(
    path: Path,
    function: Callable[..., Any],
    arguments: dict[str, Any],
    clock: Callable[[], float],
    say: Say,
) -> None:
    """A part, made and kept."""
    part = Part(path.with_suffix(""), say, clock)
    given = {"part": part} if "part" in signature(function).parameters else {}
    result = function(**arguments, **given)
    kept = {"part": arguments, "seconds": part.spent(), "result": result}
    write_file(path, json.dumps(kept).encode())


def _one_by_one(calls: Sequence[Call], cores: int, tell: Tell) -> Iterator[tuple[int, Any]]:
    """In this thread, so that Ctrl-C ends it at once; without what TensorFlow's C++ says."""
    for i, call in enumerate(calls):
        with only_our_lines():
            call(partial(tell, i))
        yield i, None


def _in_threads(calls: Sequence[Call], cores: int, tell: Tell) -> Iterator[tuple[int, Any]]:
    with ThreadPoolExecutor(cores) as pool:
        running = {pool.submit(call, partial(tell, i)): i for i, call in enumerate(calls)}
        try:
            for done in as_completed(running):
                yield running[done], done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class Bars:
    """A progress bar of all parts, and one of each part that tells how far it is; nothing where
    there is no terminal."""

    def __init__(self, what: str, total: int, done: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        err = console(stderr=True)
        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bars = Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
        self.all = self.bars.add_task(what, total=total, completed=done)
        self.own: dict[int, Any] = {}

    def __enter__(self) -> Bars:
        self.bars.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.bars.stop()

    def tell(self, i: int, text: str, done: int, of: int) -> None:
        """Call i is so far."""
        if i not in self.own:
            self.own[i] = self.bars.add_task(text, total=of)
        self.bars.update(self.own[i], description=text, completed=done)

    def ended(self, i: int) -> None:
        if i in self.own:
            self.bars.remove_task(self.own.pop(i))
        self.bars.advance(self.all)
