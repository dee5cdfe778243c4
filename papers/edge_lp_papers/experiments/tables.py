# SPDX-License-Identifier: Apache-2.0
"""What P1's Tables 1 and 2 share: random networks of four recurrent layers, their ANN against their
SNN, with mismatch c_v, over many draws of the weights.

What the paper does not say and its code does: the inputs have 1 nA, the first 10,000 steps are
dropped, the inputs' coin flips are drawn once and shared by all runs, which moves all of a table;
mismatch is p (1 + c_v U[0, 1)) on Delta and I_in only, not the Gaussian of eq. 8 on all parameters;
the deviations are over runs, not units; and a unit whose sums are below 1e-14 A^2 counts as 1 or
not at all (spiker.rnn.Score)."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_lp_papers.experiment import Row
from edge_lp_papers.spiker import rnn
from edge_lp_papers.spiker.neuron import CODE, Neuron, gaussian, one_sided
from edge_lp_papers.work import Work

AMPLITUDE, TRANSIENT, LEAST = 1e-9, 10_000, 1e-14
FLOOR, ROUNDED = 1e-4, 0.05  # of the picture; of a published 1.0
EVERY = 10  # steps of the SNN for one of the ANN; moves no NMSE by more than .001


def one_run(
    seed: int,
    run: int,
    units: int,
    blocks: list[int] | None,
    c_v: list[float],
    gaussian_c_v: list[float],
) -> dict[str, Any]:
    """One draw of the weights: for each c_v, each layer's mean and deviation over its units.
    blocks: of rnn.signals; None: drawn."""
    inputs = rnn.signals(blocks or rnn.coins(np.random.default_rng([seed, 0])), AMPLITUDE)
    w = rnn.weights(np.random.default_rng([seed, 1, run]), units)
    forms = [(one_sided, c) for c in c_v] + [(gaussian, c) for c in gaussian_c_v]

    def way(i: int, form: Any, c: float) -> Any:
        rng = np.random.default_rng([seed, 2, run, i])
        return lambda layers: [form(Neuron(), c, units, rng, CODE) for _ in range(layers)]

    ways = [way(i, *form) for i, form in enumerate(forms)]
    scores = rnn.compared(w, inputs, ways, TRANSIENT, EVERY, EVERY)
    units_of = [[score.units(LEAST) for score in layers] for layers in scores]
    return {
        "mean": [[float(u.mean()) if len(u) else None for u in layers] for layers in units_of],
        "std": [[float(u.std()) if len(u) else None for u in layers] for layers in units_of],
    }


def measure(
    work: Work,
    runs: int,
    units: int,
    blocks: list[int] | None,
    c_v: list[float],
    gaussian_c_v: list[float],
) -> dict[str, Any]:
    ways = {"c_v": c_v, "gaussian_c_v": gaussian_c_v}
    fixed = {"seed": work.seed, "units": units, "blocks": blocks, **ways}
    parts = [{"run": run, **fixed} for run in range(runs)]
    found = work.map(f"networks of {units}", one_run, parts)
    return {**ways, "runs": found}


def table(data: dict[str, Any], name: str = "mean") -> np.ndarray:
    """(c_v, runs, recurrent layers)."""
    rows = [run[name] for run in data["runs"]]
    return np.array(rows, float).transpose(1, 0, 2)[:, :, 1::2]


Published = dict[float, tuple[list[float], list[float]]]
"""By c_v: of the recurrent layers the means over the runs, and the deviations."""


def compare(data: dict[str, Any], published: Published) -> list[Row]:
    forms = [(c, "") for c in data["c_v"]]
    forms += [(c, " by eq. 8") for c in data["gaussian_c_v"]]
    rows = []
    for (c, form), means, stds in zip(forms, table(data), table(data, "std"), strict=True):
        name = f"c_v {c:g}{form}, layers 1-4, "
        rows += [
            Row(name + "mean over runs", _line(published[c][0]), _line(means.mean(0))),
            Row(name + "median run", None, _line(np.median(means, 0))),
            Row(name + "deviation over runs", _line(published[c][1]), _line(means.std(0))),
            Row(name + "deviation over units, median run", None, _line(np.median(stds, 0))),
        ]
    return rows


def _line(values: Any) -> str:
    return "  ".join(f"{v:.2f}" if abs(v) < 10 else f"{v:.0f}" for v in values)


def draw(figure: Any, data: dict[str, Any], published: Published) -> None:
    """The table as a picture: 1 - NMSE, the error's share of the signal, by layer and c_v. A
    published 1.0 is .95 or more, and drawn there."""
    axes = figure.subplots()
    for i, (c, means) in enumerate(zip(data["c_v"], table(data), strict=False)):
        x = np.arange(1, 5) + 0.06 * (i - len(data["c_v"]) / 2)
        axes.plot(
            np.repeat(x, len(means)),
            np.maximum(1 - means.T.ravel(), FLOOR),
            ".",
            c=f"C{i}",
            alpha=0.4,
        )
        axes.plot(
            x,
            np.maximum(1 - np.median(means, 0), FLOOR),
            "-",
            c=f"C{i}",
            label=f"c_v {c:g}, median run",
        )
        axes.plot(x, 1 - means.mean(0), "_", ms=16, c=f"C{i}", mew=2)
        said = np.maximum(1 - np.array(published[c][0]), ROUNDED)
        axes.plot(x, said, "o", mfc="none", ms=9, c=f"C{i}")
    axes.set_yscale("log")
    axes.set_xticks(range(1, 5), [f"recurrent layer {k}" for k in range(1, 5)])
    axes.set_ylabel("1 - NMSE")
    axes.set_title("runs: dots; their mean: bars; published mean: circles (1.0 at .95)", fontsize=9)
    axes.grid(True, alpha=0.3)
    axes.legend(fontsize=8)
