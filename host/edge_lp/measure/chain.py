# SPDX-License-Identifier: Apache-2.0
"""Front end and net of the C runtime on all cores: one set of both for each thread, fresh for each
recording. C calls leave Python's lock, so threads do."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from edge_lp.core import Counts
from edge_lp.runtime import Frontend, Model, Net

T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[Iterable[Any], int], Iterable[Any]]
AHEAD = 8  # results a core that may wait for their turn


def quiet(items: Iterable[Any], n: int) -> Iterable[Any]:
    """The Progress that shows nothing."""
    return items


@dataclass
class Chain:
    """flags: of the net."""

    model: Model
    flags: int = 0
    _mine: threading.local = field(default_factory=threading.local)

    def features(self, pcm: np.ndarray) -> np.ndarray:
        """(n,) int16 -> (frames, FEATURES) int16 from a fresh front end."""
        return self._fresh("front_end", Frontend).push(pcm)

    def logits(self, frames: np.ndarray) -> tuple[np.ndarray, Counts]:
        """(frames, FEATURES) -> (frames, labels) int32 Q8 from a fresh net; what its core did."""
        net = self._fresh("net", lambda: Net(self.model, self.flags))
        return net.push(frames), net.counts()

    def stream(self, blocks: Iterable[np.ndarray]) -> np.ndarray:
        """Blocks of a recording of any length -> (frames, labels) int16: the logits as the detector
        sees them, which clips them to 16 bits (SPEC.md, "Detector")."""
        front_end = self._fresh("front_end", Frontend)
        net = self._fresh("net", lambda: Net(self.model, self.flags))
        parts = [np.zeros((0, len(self.model.labels)), np.int16)]
        for pcm in blocks:
            logits = net.push(front_end.push(pcm))
            parts.append(np.clip(logits, -32767, 32767).astype(np.int16))
        return np.concatenate(parts)

    def _fresh(self, name: str, make: Callable[[], Any]) -> Any:
        if not hasattr(self._mine, name):
            setattr(self._mine, name, make())
        part = getattr(self._mine, name)
        part.reset()
        return part


def on_all_cores(task: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """task of each item, in order. At most AHEAD results a core are waiting, so that the memory
    does not grow with the items; what fails or is interrupted leaves no thread behind."""
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        left = iter(items)
        waiting = [pool.submit(task, item) for item in islice(left, AHEAD * cores)]
        try:
            while waiting:
                yield waiting.pop(0).result()
                waiting += [pool.submit(task, item) for item in islice(left, 1)]
        finally:
            for w in waiting:
                w.cancel()
