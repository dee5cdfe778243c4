# SPDX-License-Identifier: Apache-2.0
"""Accuracy on a folder of clips: one folder per word, one decision per clip.

A clip is cut or padded with zeros at its end to one second and meets a fresh state; the logits of
all frames are averaged, the greatest wins. Three backends see the same frames of the C front end:
    snn     the spiking net in the C runtime, as a board runs it
    ann     the same 3-bit weights in float arithmetic (model.reference.ReferenceNet.from_spec)
    float   the float weights that training left beside the model"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.core import COUNT, Counts
from edge_lp.loihi.energy import estimate
from edge_lp.measure.clips import SILENCE, find_clips, index_of, read_clip
from edge_lp.measure.intervals import wilson
from edge_lp.model.find import float_weights, read_model
from edge_lp.model.format import unpack
from edge_lp.model.reference import ReferenceNet
from edge_lp.runtime import Frontend, Model, Net
from edge_lp.text import Notice, notice

BACKENDS = ("snn", "ann", "float")
BATCH = 128  # clips that the float nets take at once


@dataclass
class Result:
    """truth, predicted: (n,) label indices. counts: what the core did in all clips (snn only)."""

    backend: str
    labels: list[str]
    truth: np.ndarray
    predicted: np.ndarray
    counts: Counts | None = None

    @property
    def n(self) -> int:
        return len(self.truth)

    def _percent(self, keep: np.ndarray) -> float | None:
        return (
            round(100 * float((self.truth == self.predicted)[keep].mean()), 2)
            if keep.any()
            else None
        )

    @property
    def accuracy(self) -> float:
        return round(100 * float((self.truth == self.predicted).mean()), 2)

    @property
    def ci95(self) -> list[float]:
        return [
            round(100 * p, 2) for p in wilson(int((self.truth == self.predicted).sum()), self.n)
        ]

    @property
    def without_silence(self) -> float | None:
        silence = index_of(self.labels, SILENCE)
        return self._percent(self.truth != (-1 if silence is None else silence))

    @property
    def per_class(self) -> dict[str, float | None]:
        """Recall in percent; None for a label without clips."""
        return {label: self._percent(self.truth == i) for i, label in enumerate(self.labels)}

    @property
    def confusion(self) -> np.ndarray:
        """(labels, labels) clips: row true, column predicted."""
        m = np.zeros((len(self.labels),) * 2, int)
        np.add.at(m, (self.truth, self.predicted), 1)
        return m

    def json(self) -> dict[str, Any]:
        return {
            "backend": self.backend,
            "n": self.n,
            "accuracy": self.accuracy,
            "ci95": self.ci95,
            "without_silence": self.without_silence,
            "per_class": self.per_class,
        }


@dataclass
class _Workers:
    """The C runtime's objects, one set a thread."""

    model: Model
    local: threading.local = field(default_factory=threading.local)

    def front_end(self) -> Frontend:
        if not hasattr(self.local, "front_end"):
            self.local.front_end = Frontend()
        self.local.front_end.reset()
        return self.local.front_end

    def net(self) -> Net:
        if not hasattr(self.local, "net"):
            self.local.net = Net(self.model, COUNT)
        self.local.net.reset()
        return self.local.net

    def features(self, pcm: np.ndarray) -> np.ndarray:
        return self.front_end().push(pcm)

    def decide(self, pcm: np.ndarray) -> tuple[int, Counts]:
        net = self.net()
        logits = net.push(self.features(pcm))
        return int(logits.sum(axis=0).argmax()), net.counts()


def evaluate(
    model: str | Path,
    root: str | Path,
    backend: str = "snn",
    progress: Callable[[Iterable, int], Iterable] = lambda it, n: it,
    note: Notice = notice,
) -> Result:
    """Runs a backend over a folder on all cores. `progress` wraps the iteration over the clips
    (their number is its second argument); `note` hears what is odd about the folder.

    ModelError, AudioError: see resolve_model, find_clips, read_file; the model comes first."""
    m = Model(read_model(model))
    reference = None
    if backend != "snn":
        reference = (
            ReferenceNet.from_spec(unpack(m.bytes))
            if backend == "ann"
            else ReferenceNet.from_npz(float_weights(model))
        )
    clips = find_clips(root, m.labels, note)
    truth, workers = np.array([label for _, label in clips]), _Workers(m)
    task: Callable[[np.ndarray], Any] = workers.decide if reference is None else workers.features
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        done = list(progress(pool.map(lambda clip: task(read_clip(clip[0])), clips), len(clips)))
    finally:
        pool.shutdown(cancel_futures=True)
    if reference is None:
        return Result(
            backend,
            m.labels,
            truth,
            np.array([d[0] for d in done]),
            sum((d[1] for d in done[1:]), done[0][1]),
        )
    frames = np.stack(done)
    predicted = [
        reference(frames[i : i + BATCH]).mean(axis=1).argmax(axis=1)
        for i in range(0, len(frames), BATCH)
    ]
    return Result(backend, m.labels, truth, np.concatenate(predicted))


def tables(r: Result) -> list[Any]:
    """The result for a reader: one line, recall per class beside the confusion matrix, and for the
    spiking net its work and an energy estimate."""
    from rich.table import Table

    low, high = r.ci95
    without = (
        ""
        if r.without_silence in (None, r.accuracy)
        else f", without silence {r.without_silence:.2f} %"
    )
    t = Table(
        box=None,
        padding=(0, 1, 0, 0),
        title="clips: true in rows, decided in columns",
        title_justify="left",
        title_style="dim",
    )
    for column in ("", "clips", "recall", *(label.strip("_")[:5] for label in r.labels)):
        t.add_column(column, justify="right" if column else "left")
    for label, recall, row, i in zip(
        r.labels, r.per_class.values(), r.confusion, range(len(r.labels))
    ):
        cells = [
            f"[bold]{n}[/bold]" if i == j else str(n) if n else "[dim]·[/dim]"
            for j, n in enumerate(row)
        ]
        t.add_row(label, str(row.sum()), "" if recall is None else f"{recall:.1f} %", *cells)
    work = []
    if r.counts:
        a_clip = Counts(*(round(x / r.n) for x in astuple(r.counts)))
        work = [
            f"a clip of 1 s: {a_clip.spikes:,} spikes, {a_clip.synops:,} synaptic operations, "
            f"{estimate(a_clip)}"
        ]
    return [
        f"{r.backend}: [bold]{r.accuracy:.2f} %[/bold] of {r.n} clips (95 % interval {low:.2f} to "
        f"{high:.2f}){without}",
        t,
        *work,
    ]
