# SPDX-License-Identifier: Apache-2.0
"""What of a run is kept: a part of a group, some of the steps, spikes as events, or straight to a
file, so that a long run needs no more memory than what it records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.learning import RECORDED
from edge_lp.loihi.description import Connection, Group, Part, told
from edge_lp.loihi.limits import LimitError, check_flag, check_number, check_range

KINDS = ("spikes", "u", "v")
Events = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Probe(Part):
    """One quantity of one group or of one connection that learns, for Simulation.run(record=[...]);
    result[probe] has what it saw.

    what: of a group "spikes" (uint8), "u" or "v" (int32); of a connection "w" or "t" (int16
    mantissas and tags, one a synapse), "x1" "x2" "y1" "y2" "y3" (uint8, one a source or target) or
    "r1" (int16, one), all of them as of the last epoch. compartments: indices, of synapses or units
    likewise; None is all. every, start: steps start, start + every, ... of the simulation, counted
    from its step 0 (not from the run's first), so that runs in pieces record what one run does.
    events: spikes as two arrays, the steps and the compartments, in order of time; else one array
    (steps recorded, compartments). out: a .npy file that is written as the run goes on, and the
    array its memory map.
    """

    group: Group | Connection
    what: str = "spikes"
    compartments: Any = None
    every: int = 1
    start: int = 0
    events: bool = False
    out: str | Path | None = None


def shape_of(probe: Probe) -> tuple[int, Any, str]:
    """How many values a step, of which type, and whose."""
    of = probe.group
    if isinstance(of, Group):
        return of.n, np.uint8 if probe.what == "spikes" else np.int32, of.name
    if probe.what in ("w", "t"):
        return len(of.table.mantissas), np.int16, str(of)
    if probe.what == "r1":
        return 1, np.int16, str(of)
    return (of.src if probe.what[0] == "x" else of.dst).n, np.uint8, str(of)


def kinds_of(probe: Probe) -> tuple[str, ...]:
    return RECORDED if isinstance(probe.group, Connection) else KINDS


def entries_of(record: Any, probes: bool) -> list[Any]:
    """Kinds and, where there may be any, Probes; LimitError names what is neither."""
    entries = list(record) if isinstance(record, Iterable) and not isinstance(record, str) else []
    bad = [r for r in entries if not isinstance(r, Probe) and r not in KINDS]
    if probes:
        bad += [r.what for r in entries if isinstance(r, Probe) and r.what not in kinds_of(r)]
    else:
        bad += [r for r in entries if isinstance(r, Probe)]
    if bad or isinstance(record, str) or not isinstance(record, Iterable):
        found = [r if isinstance(r, str) else str(r) for r in bad] if bad else record
        raise LimitError(
            f"record is {found!r}, expected a list of any of {', '.join(KINDS)}"
            + (", and Probes of them" if probes else "")
        )
    return entries


@contextmanager
def in_memory() -> Iterator[None]:
    """What is to be kept has room in memory, or one line says how much that is."""
    try:
        yield
    except MemoryError as e:
        raise LimitError(
            f"{str(e) or 'out of memory'}: record less, by fewer steps at a time, or by a Probe "
            "with every=, compartments=, events= or out="
        ) from None


class NotRecorded(LimitError, KeyError):
    """A result was asked for what its run did not keep."""

    __str__ = Exception.__str__  # KeyError's has quotes


class Kept(dict):
    """What of each group, or of each probe, was recorded; NotRecorded says what was not."""

    def __init__(self, kind: str):
        self.kind = kind

    def __missing__(self, key: object) -> Any:
        raise NotRecorded(
            f"{self.kind} of {told(key)}: not in this result, which has what record= named of its "
            "network"
        )

    def __reduce__(self) -> Any:
        return Kept, (self.kind,), None, None, iter(self.items())


class Recorder:
    """Takes a run's rows piece by piece and keeps what its probe asks for."""

    def __init__(self, probe: Probe, first: int, steps: int):
        """first, steps: the run's first step and length."""
        width, dtype, name = shape_of(probe)
        self._where = f"probe of {name}"
        self._every = check_number(f"{self._where}: every", probe.every, (1, 2**62))
        self._start = check_number(f"{self._where}: start", probe.start, (0, 2**62))
        self._which: Any = slice(None)
        if probe.compartments is not None:
            what = f"{self._where}: compartment"
            self._which = check_range(what, probe.compartments, (0, width - 1)).reshape(-1)
            self._which = self._which.astype(np.intp)
            width = len(self._which)
        if check_flag(f"{self._where}: events", probe.events):
            if probe.what != "spikes" or probe.out is not None:
                raise LimitError(f"{self._where}: only spikes are events, and not in a file")
            self._events: list[Events] | None = []
            return
        self._events, self._at = None, 0
        shape = (len(self._due(first, steps)), width)
        if probe.out is None:
            self._rows = np.zeros(shape, dtype)
        else:
            self._rows = self._open(Path(probe.out), shape, dtype)

    def _open(self, path: Path, shape: tuple[int, int], dtype: Any) -> np.ndarray:
        if 0 in shape:
            raise LimitError(f"{self._where}: {shape} values in this run, expected some for a file")
        if path.exists() and not path.is_file():
            raise LimitError(f"{self._where}: {path} is no file, expected one that can be mapped")
        try:
            return np.lib.format.open_memmap(path, "w+", dtype, shape)
        except OSError as e:
            raise LimitError(f"{self._where}: {path}: {e.strerror or e}") from None

    def _due(self, first: int, steps: int) -> range:
        """Of the steps from first on: those that are recorded, counted from first."""
        late = max(0, first - self._start)
        begin = self._start + -(-late // self._every) * self._every
        return range(begin - first, steps, self._every) if begin - first < steps else range(0)

    def take(self, first: int, rows: np.ndarray) -> None:
        """rows (steps, n) of the steps from first on."""
        due = self._due(first, len(rows))
        if not due:
            return
        kept = rows[due.start : due.stop : due.step][:, self._which]
        if self._events is None:
            self._rows[self._at : self._at + len(kept)] = kept
            self._at += len(kept)
            return
        t, i = np.nonzero(kept)
        compartments = i if isinstance(self._which, slice) else self._which[i]
        self._events.append((first + due.start + t * due.step, compartments))

    def result(self) -> np.ndarray | Events:
        if self._events is None:
            return self._rows
        none = np.zeros(0, np.int64)
        steps, compartments = zip((none, none), *self._events)
        return np.concatenate(steps), np.concatenate(compartments)
