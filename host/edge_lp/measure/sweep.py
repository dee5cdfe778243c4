# SPDX-License-Identifier: Apache-2.0
"""Accuracy clean and under other conditions, side by side; how far two backends agree; the clips
that were decided worst."""

from __future__ import annotations

import json as json_text
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.errors import EdgeLpError
from edge_lp.measure.accuracy import Result, decide
from edge_lp.measure.chain import Progress, quiet
from edge_lp.measure.corrupt import Condition, Material
from edge_lp.measure.intervals import wilson
from edge_lp.text import Notice, notice, plain


@dataclass
class Sweep:
    """results: one for each condition, clean first; other: of a second backend, or empty."""

    results: list[Result]
    other: list[Result]

    @property
    def clean(self) -> Result:
        return self.results[0]


@dataclass(frozen=True)
class Wrong:
    """A clip that was not decided as it should be. margin: by how much (logits)."""

    path: Path
    condition: Condition
    truth: str
    decided: str
    margin: float


def sweep(
    model: str | Path,
    root: str | Path,
    backend: str,
    conditions: Sequence[Condition],
    noise: str | Path | None = None,
    rooms: str | Path | None = None,
    agreement: str | None = None,
    progress: Progress = quiet,
    note: Notice = notice,
    split: str | None = None,
) -> Sweep:
    """As accuracy.decide. agreement: a second backend for the same clips. EdgeLpError: it is the
    first one."""
    if agreement == backend:
        raise EdgeLpError(f"--agreement {agreement}: name another backend than --backend {backend}")
    backends = [backend, *([agreement] if agreement else [])]
    material = Material.of(conditions, noise, rooms)
    found = decide(model, root, backends, conditions, material, progress, note, split)
    return Sweep(found[backend], found[agreement] if agreement else [])


def agreement(a: Result, b: Result) -> dict[str, Any]:
    """Share of clips with the same decision, right or wrong."""
    same = int((a.predicted == b.predicted).sum())
    low, high = wilson(same, a.n)
    return {
        "backend": b.backend,
        "same_decision": round(100 * same / a.n, 2),
        "ci95": [round(100 * low, 2), round(100 * high, 2)],
        "its_accuracy": b.accuracy,
    }


def worst(results: Sequence[Result], n: int) -> list[Wrong]:
    """The n clips that were decided wrongly with the greatest margin, each under the condition in
    which that was."""
    found: dict[Path, Wrong] = {}
    for r in results:
        rows, predicted = np.arange(r.n), r.predicted
        margin = r.scores[rows, predicted] - r.scores[rows, r.truth]
        for i in np.flatnonzero(predicted != r.truth):
            wrong = Wrong(
                r.paths[i],
                r.condition,
                r.labels[r.truth[i]],
                r.labels[predicted[i]],
                float(margin[i]),
            )
            if wrong.path not in found or wrong.margin > found[wrong.path].margin:
                found[wrong.path] = wrong
    return sorted(found.values(), key=lambda w: -w.margin)[:n]


def json(s: Sweep, n_worst: int = 0) -> dict[str, Any]:
    """The clean result, as before; with it, where they were asked for, the other conditions, the
    agreement and the worst clips."""

    def one(i: int) -> dict[str, Any]:
        with_other = {"agreement": agreement(s.results[i], s.other[i])} if s.other else {}
        return {**s.results[i].json(), **with_other}

    out = one(0)
    if len(s.results) > 1:
        rows = range(1, len(s.results))
        out["conditions"] = [{**s.results[i].condition.json(), **one(i)} for i in rows]
    if n_worst:
        out["worst"] = [
            {
                "file": str(w.path),
                **w.condition.json(),
                "truth": w.truth,
                "decided": w.decided,
                "margin": round(w.margin, 3),
            }
            for w in worst(s.results, n_worst)
        ]
    return out


def tables(s: Sweep, n_worst: int = 0) -> list[Any]:
    """For a reader: a line a condition, then what was decided worst."""
    shown = []
    if len(s.results) > 1 or s.other:
        shown.append(_conditions(s))
    if n_worst:
        shown.append(_worst(worst(s.results, n_worst)))
    return shown


def _conditions(s: Sweep) -> Any:
    from rich.table import Table

    t = Table(box=None, padding=(0, 2, 0, 0))
    other = [f"same as {s.other[0].backend}", s.other[0].backend] if s.other else []
    for i, column in enumerate(
        ("condition", "accuracy", "95 % interval", "without silence", "mean of recalls", *other)
    ):
        t.add_column(column, justify="right" if i else "left")
    for i, r in enumerate(s.results):
        low, high = r.ci95
        cells = [f"{r.accuracy:.2f} %", f"{low:.1f} to {high:.1f}"]
        cells += ["" if r.without_silence is None else f"{r.without_silence:.2f} %"]
        cells += [f"{r.balanced:.2f} %"]
        if s.other:
            a = agreement(r, s.other[i])
            cells += [f"{a['same_decision']:.2f} %", f"{a['its_accuracy']:.2f} %"]
        t.add_row(str(r.condition), *cells)
    return t


def _worst(rows: Sequence[Wrong]) -> Any:
    from rich.table import Table

    t = Table(box=None, padding=(0, 2, 0, 0), title="decided worst", title_justify="left")
    for column in ("condition", "true", "decided", "by", "clip"):
        t.add_column(column, justify="right" if column == "by" else "left")
    for w in rows:
        t.add_row(
            str(w.condition), plain(w.truth), plain(w.decided), f"{w.margin:.2f}", plain(w.path)
        )
    return t


def peers(path: str | Path) -> list[dict[str, Any]]:
    """What `peers.py accuracy` printed, one JSON object a line: engine, snr_db, gain_db, accuracy,
    ci95. EdgeLpError: something else."""
    rows = []
    try:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            if line.strip():
                row = json_text.loads(line)
                rows.append(
                    {k: row[k] for k in ("engine", "snr_db", "gain_db", "accuracy", "ci95")}
                )
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise EdgeLpError(
            f"{path}: not what `peers.py accuracy` prints ({type(e).__name__}: {e}); expected JSON "
            "lines with engine, snr_db, gain_db, accuracy, ci95"
        ) from None
    return rows
