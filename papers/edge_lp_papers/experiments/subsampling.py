# SPDX-License-Identifier: Apache-2.0
"""P1's study of how coarse the ANN's time may be: the same random networks (51 units, four
recurrent layers), the ANN stepped every T_ann, the SNN every microsecond on the inputs of the ANN.

The paper's code resamples inputs by FFT, which no causal system can; here they are held. Inputs
have 10 nA, no transient is dropped, the least sum is 1e-18 A^2."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_lp_papers.experiment import NOT_REPRODUCED, REPRODUCED, Experiment, Row, Verdict
from edge_lp_papers.spiker import rnn
from edge_lp_papers.spiker.neuron import FAST, Neuron
from edge_lp_papers.work import Work

AMPLITUDE, LEAST = 1e-8, 1e-18
PUBLISHED: dict[int, list[float] | None] = {  # T_ann in us
    10: [0.98, 0.97, 0.94, 0.92],
    100: [0.99, 0.98, 0.97, 0.95],
    200: None,
    500: None,
    1000: [0.81, 0.76, 0.60, 0.17],
    10000: [-0.6, -1.3, -1.4, -2.1],
}


def one_run(seed: int, run: int, units: int, every: int) -> list[float]:
    """NMSE of the recurrent layers, mean over units."""
    inputs = rnn.signals(rnn.coins(np.random.default_rng([seed, 0])), AMPLITUDE, every)
    w = rnn.weights(np.random.default_rng([seed, 1, run]), units)
    (scores,) = rnn.compared(w, inputs, [lambda n: [Neuron()] * n], every=every)
    return [float(s.units(LEAST, keep_poor=True).mean()) for s in scores[1::2]]


def measure(work: Work, runs: int, units: int, t_ann: list[int]) -> dict[str, Any]:
    parts = [
        {"seed": work.seed, "run": run, "units": units, "every": every}
        for every in t_ann
        for run in range(runs)
    ]
    found = work.map("networks", one_run, parts)
    return {"t_ann": t_ann, "nmse": np.reshape(found, (len(t_ann), runs, 4)).tolist()}


def medians(data: dict[str, Any]) -> dict[int, Any]:
    return dict(zip(data["t_ann"], np.median(data["nmse"], 1), strict=True))


def _line(values: Any) -> str:
    return "  ".join(f"{v:.2f}" for v in values)


def compare(data: dict[str, Any]) -> list[Row]:
    rows = []
    for t, ours in medians(data).items():
        said = PUBLISHED[t]
        name = f"T_ann / tau {t * 1e-6 / FAST:.3g}, layers 1-4"
        rows.append(Row(name, _line(said) if said else None, _line(ours)))
    return rows


def judge(data: dict[str, Any]) -> Verdict:
    found = medians(data)
    finest, fine, coarse, far = (found[t] for t in (10, 100, 1000, 10000))
    good = (fine >= 0.9).all() and 0.3 < coarse.mean() < fine.mean() and far.mean() < 0
    return Verdict(
        REPRODUCED if good else NOT_REPRODUCED,
        f"At T_ann = .07 tau the four layers of an SNN have the NMSE {_line(fine)}, at .7 tau "
        f"{_line(coarse)}, and at 7 tau nothing is left ({_line(far)}): the published course, with "
        f"inputs held in place of resampled by FFT. Stepping the ANN finer still gives nothing "
        f"more ({_line(finest)} at .007 tau). Medians of {len(data['nmse'][0])} draws of the "
        "weights; the last layer's moves most from draw to draw.",
    )


def draw(figure: Any, data: dict[str, Any]) -> None:
    axes = figure.subplots()
    x = [t * 1e-6 / FAST for t in data["t_ann"]]
    for k in range(4):
        axes.semilogx(x, [m[k] for m in medians(data).values()], f"C{k}.-", label=f"layer {k + 1}")
        said = [(a, p[k]) for a, t in zip(x, data["t_ann"], strict=True) if (p := PUBLISHED[t])]
        axes.plot(*zip(*said, strict=True), f"C{k}o", mfc="none")
    axes.set_ylim(-3.6, 1.1)
    axes.set_xlabel("T_ann / tau")
    axes.set_ylabel("NMSE (published: circles)")
    axes.grid(True, alpha=0.3)
    axes.legend()


EXPERIMENT = Experiment(
    name="subsampling",
    paper="P1",
    figure="App. F",
    title="How coarse the ANN's time step may be",
    default={"runs": 5, "units": 51, "t_ann": list(PUBLISHED)},
    full={"runs": 200, "units": 51, "t_ann": list(PUBLISHED)},
    times=("20 s", "12 min"),
    measure=measure,
    compare=compare,
    judge=judge,
    draw=draw,
)
