# SPDX-License-Identifier: Apache-2.0
"""Accuracy on a folder of clips: one folder per word, one decision per clip.

Of a clip the second around its word, or as much more as the keywords of the folder take
(measure.place), or all of it and zeros behind it, is heard from a fresh state; the logits of all
frames are averaged, the greatest wins. Three backends see the same frames of the C front end:
    snn     the spiking net in the C runtime, as a board runs it
    ann     the same 3-bit weights in float arithmetic (model.reference.ReferenceNet.from_spec)
    float   the float weights that training left beside the model"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.core import COUNT, Counts
from edge_lp.loihi.energy import estimate
from edge_lp.measure.chain import Chain, Progress, on_all_cores, quiet
from edge_lp.measure.clips import SILENCE, find_clips, index_of, read_clip, samples_of
from edge_lp.measure.corrupt import CLEAN, Condition, Material, corrupt
from edge_lp.measure.intervals import wilson
from edge_lp.measure.splits import find_split
from edge_lp.model.find import float_weights, read_model
from edge_lp.model.format import unpack
from edge_lp.model.reference import ReferenceNet
from edge_lp.runtime import SAMPLE_RATE, Model
from edge_lp.text import Notice, notice, plain

BACKENDS = ("snn", "ann", "float")
BATCH = 128  # clips that the float nets take at once


@dataclass
class Result:
    """truth: (n,) label indices; scores: (n, labels) logits, averaged over each clip; paths: the
    clips, of which `seconds` were heard. counts: what the core did in all of them (snn only)."""

    backend: str
    labels: list[str]
    truth: np.ndarray
    scores: np.ndarray
    condition: Condition = CLEAN
    paths: list[Path] = field(default_factory=list)
    counts: Counts | None = None
    seconds: float = 1.0

    @property
    def predicted(self) -> np.ndarray:
        """(n,) label indices: the greatest score wins, the first of several."""
        return self.scores.argmax(axis=1)

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
    def balanced(self) -> float:
        """Mean of the recalls of the labels that have clips, in percent."""
        return round(float(np.mean([r for r in self.per_class.values() if r is not None])), 2)

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
            "mean_of_recalls": self.balanced,
            "per_class": self.per_class,
        }


def evaluate(
    model: str | Path,
    root: str | Path,
    backend: str = "snn",
    progress: Progress = quiet,
    note: Notice = notice,
) -> Result:
    """Runs a backend over a folder, clips as they are, on all cores. `progress` wraps the iteration
    over the clips (their number is its second argument); `note` hears what is odd about the folder.

    ModelError, AudioError: see resolve_model, find_clips, read_file; the model comes first."""
    return decide(model, root, [backend], [CLEAN], Material(), progress, note)[backend][0]


def decide(
    model: str | Path,
    root: str | Path,
    backends: Sequence[str],
    conditions: Sequence[Condition],
    material: Material,
    progress: Progress = quiet,
    note: Notice = notice,
    split: str | None = None,
) -> dict[str, list[Result]]:
    """Runs backends over a folder, or over one of the splits that training makes of it, under
    conditions: a result for each condition, in their order.
    Clips are decoded and changed once for all; what is held at a time does not grow with them."""
    m = Model(read_model(model))
    nets = {b: _reference(model, m, b) for b in backends if b != "snn"}
    clips = find_split(root, split, m.labels, note) if split else find_clips(root, m.labels, note)
    chain, n = Chain(m, COUNT), len(m.labels)
    samples = samples_of([p for p, label in clips if label == k] for k in range(m.n_keywords))
    scores = {b: np.zeros((len(conditions), len(clips), n), np.float32) for b in backends}
    counts: list[Counts | None] = [None] * len(conditions)

    def heard(path: Path) -> list[tuple[np.ndarray, tuple[np.ndarray, Counts] | None]]:
        pcm = read_clip(path, samples)
        frames = [chain.features(corrupt(pcm, path.stem, c, material)) for c in conditions]
        return [(f, chain.logits(f) if "snn" in scores else None) for f in frames]

    batch: list[np.ndarray] = []
    done = on_all_cores(heard, [path for path, _ in clips])
    for i, row in enumerate(progress(done, len(clips))):
        for k, (_, spiking) in enumerate(row):
            if spiking:
                scores["snn"][k, i] = spiking[0].mean(axis=0) / 256
                before = counts[k]
                counts[k] = spiking[1] if before is None else before + spiking[1]
        if nets:
            batch.append(np.stack([frames for frames, _ in row]))
        if batch and (len(batch) == BATCH or i == len(clips) - 1):
            x = np.stack(batch, axis=1)
            for b, net in nets.items():
                for k in range(len(conditions)):
                    scores[b][k, i + 1 - len(batch) : i + 1] = net(x[k]).mean(axis=1)
            batch.clear()
    truth, paths = np.array([label for _, label in clips]), [path for path, _ in clips]
    seconds = samples / SAMPLE_RATE

    def result(b: str, k: int) -> Result:
        work = counts[k] if b == "snn" else None
        return Result(b, m.labels, truth, scores[b][k], conditions[k], paths, work, seconds)

    return {b: [result(b, k) for k in range(len(conditions))] for b in backends}


def _reference(model: str | Path, opened: Model, backend: str) -> ReferenceNet:
    if backend == "ann":
        return ReferenceNet.from_spec(unpack(opened.bytes))
    return ReferenceNet.from_npz(float_weights(model))


def tables(r: Result) -> list[Any]:
    """The result for a reader: one line, recall per class beside the confusion matrix, and for the
    spiking net its work and an energy estimate."""
    from rich.table import Table
    from rich.text import Text

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
    for column in ("", "clips", "recall", *(plain(label).strip("_")[:5] for label in r.labels)):
        t.add_column(column, justify="right" if column else "left")
    for label, recall, row, i in zip(
        r.labels, r.per_class.values(), r.confusion, range(len(r.labels))
    ):
        cells = [
            Text(str(n), "bold") if i == j else Text(str(n)) if n else Text("·", "dim")
            for j, n in enumerate(row)
        ]
        t.add_row(plain(label), str(row.sum()), "" if recall is None else f"{recall:.1f} %", *cells)
    work = []
    if r.counts:
        a_clip = Counts(*(round(x / r.n) for x in astuple(r.counts)))
        work = [
            f"a clip of {r.seconds:g} s: {a_clip.spikes:,} spikes, {a_clip.synops:,} synaptic "
            f"operations, {estimate(a_clip)}"
        ]
    return [
        Text.assemble(
            f"{r.backend}: ",
            (f"{r.accuracy:.2f} %", "bold"),
            f" of {r.n} clips (95 % interval {low:.2f} to {high:.2f}){without}",
        ),
        t,
        *work,
    ]
