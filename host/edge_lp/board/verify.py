# SPDX-License-Identifier: Apache-2.0
"""Is the board's net the host's net? Clips go to the board; features, logits, spike counts,
posteriors and events come back and are compared with this machine's runtime, frame by frame, bit
for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_lp.audio.files import read_file
from edge_lp.board.emulate import Emulator
from edge_lp.board.frame import MU_LAW, mu_law_encode
from edge_lp.board.session import ALL_OUTPUTS, Board, BoardError, Result, parse_device
from edge_lp.runtime import Detector, Event, Frontend, Model, Net


@dataclass(frozen=True)
class Verdict:
    """difference: None, or the first frame and quantity that differ, with what was expected and
    what came."""

    clip: str
    frames: int
    spikes: int
    events: int
    difference: str | None

    def __str__(self) -> str:
        equal = f"equal: {self.frames} frames, {self.spikes} spikes, {self.events} events"
        return f"{self.clip} {self.difference or equal}"


class Host:
    """What a board should answer, from this machine's runtime."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._front_end, self._net = Frontend(), Net(model)
        self._detector = Detector(len(model.labels), model.n_keywords, model.detector)

    def run(self, pcm: np.ndarray) -> Iterator[Result]:
        """From a fresh state: (n,) int16 -> its frames."""
        self._front_end.reset()
        self._net.reset()
        self._detector.reset()
        spikes = 0
        for i, row in enumerate(self._front_end.push(pcm)):
            logits = self._net.push(row[None])
            events, posteriors = self._detector.push(logits)
            before, spikes = spikes, self._net.counts().spikes
            event, awake = events[0] if events else None, self._detector.awake() > 0
            yield Result(i, event, awake, posteriors[0], logits[0], spikes - before, row)


def _event(e: Event | None) -> str:
    return (
        f"label {e.label} at {e.middle}, decided in {e.frame}, score {e.score:.5f}" if e else "none"
    )


def difference(expected: list[Result], got: list[Result]) -> str | None:
    """The first difference, in words."""
    for e, g in zip(expected, got):
        if e.frame != g.frame:
            return f"frame {e.frame}: the board counts {g.frame}"
        for name in ("features", "logits", "posteriors"):
            a, b = np.atleast_1d(getattr(e, name)), np.atleast_1d(getattr(g, name))
            if not np.array_equal(a, b):
                i = int(np.flatnonzero(a != b)[0])
                return f"frame {e.frame}, {name}[{i}]: expected {a[i]}, the board has {b[i]}"
        if e.spikes != g.spikes:
            return f"frame {e.frame}, spikes: expected {e.spikes}, the board has {g.spikes}"
        if e.event != g.event:
            return (
                f"frame {e.frame}, event: expected {_event(e.event)}; "
                f"the board has {_event(g.event)}"
            )
        if e.awake != g.awake:
            return f"frame {e.frame}, awake: expected {e.awake}, the board has {g.awake}"
    return (
        None
        if len(expected) == len(got)
        else f"expected {len(expected)} frames, the board sent {len(got)}"
    )


def verify(
    model: Model, board: Board, named: Iterable[tuple[str, np.ndarray]]
) -> Iterator[Verdict]:
    """One verdict a clip (name, int16 samples). BoardError: the board runs another model."""
    if board.info.model_id != int.from_bytes(model.bytes[-4:], "little"):
        raise BoardError(
            f"{board.port}: the board runs model {board.info.model_id:08x}, not "
            f"{int.from_bytes(model.bytes[-4:], 'little'):08x}: "
            "build and flash the firmware with this model"
        )
    host = Host(model)
    board.configure(ALL_OUTPUTS)
    for name, pcm in named:
        board.reset()
        heard = MU_LAW[mu_law_encode(pcm)] if board.coding == 8 else pcm
        expected, got = list(host.run(heard)), list(board.push(pcm))
        yield Verdict(
            name,
            len(expected),
            sum(e.spikes or 0 for e in expected),
            sum(e.event is not None for e in expected),
            difference(expected, got),
        )


def run(model: Model, files: Iterable[Path], device: str, coding: int = 16) -> Iterator[Verdict]:
    """files: recordings. device: serial:PORT[@BAUD], or a board that is built and started for this
    (qemu:m4, posix, ...)."""
    with ExitStack() as stack:
        if device.startswith("serial:"):
            port, baud = parse_device(device)
        else:
            port, baud = stack.enter_context(Emulator(device, model.bytes)).port, 0
        board = stack.enter_context(
            Board(port, baud, coding) if baud else Board(port, coding=coding)
        )
        yield from verify(model, board, ((str(f), read_file(f)) for f in files))
