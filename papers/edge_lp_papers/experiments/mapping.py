# SPDX-License-Identifier: Apache-2.0
"""P1, Fig. F.3: the states of an ANN of two recurrent layers of 51 units, and those of the SNN that
it was mapped to, without mismatch and with c_v 1, in both forms: one-sided on Delta and I_in, as
the code draws it, and Gaussian on all parameters, as eq. 8 has it. What was published is a picture.

Of ten draws of the weights the median run is told; the picture shows the first draw."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_lp_papers.experiment import NOT_REPRODUCED, REPRODUCED, Experiment, Row, Verdict
from edge_lp_papers.experiments import overlay
from edge_lp_papers.spiker import rnn
from edge_lp_papers.spiker.neuron import Neuron, gaussian, one_sided
from edge_lp_papers.work import Work

UNITS, EVERY = 51, 10
AMPLITUDE, TRANSIENT, LEAST = 1e-9, 10_000, 1e-14
SHOWN, POINTS = 3, 200  # units a layer, points a curve
LAYERS = ("recurrent layer 1", "recurrent layer 2", "output layer")
WAYS = (("", one_sided, 0.0), (", code", one_sided, 1.0), (", eq. 8", gaussian, 1.0))


def one_run(seed: int, run: int) -> dict[str, Any]:
    """NMSE (WAYS, layers) and curves (ANN and WAYS, layers, SHOWN, POINTS), in nA."""
    inputs = rnn.signals(rnn.coins(np.random.default_rng([seed, 0])), AMPLITUDE)
    w = rnn.weights(np.random.default_rng([seed, 1, run]), UNITS, layers=2)

    def way(i: int, form: Any, c: float) -> Any:
        rng = np.random.default_rng([seed, 2, run, i])
        return lambda layers: [form(Neuron(), c, UNITS, rng) for _ in range(layers)]

    wanted = (1, 3, 4)  # of [input, recurrent, linear, recurrent, output]
    scores = [[rnn.Score(EVERY) for _ in wanted] for _ in WAYS]
    curves: list[list[list[np.ndarray]]] = [[[] for _ in wanted] for _ in range(len(WAYS) + 1)]
    ways = [way(i, form, c) for i, (_, form, c) in enumerate(WAYS)]
    for begin, ann, snns in rnn.side_by_side(w, inputs, ways, EVERY):
        for k, layer in enumerate(wanted):
            for curve, states in zip(curves, [ann, *snns], strict=True):
                curve[k].append(states[layer][:, :SHOWN])
            for score, states in zip(scores, snns, strict=True):
                if begin >= TRANSIENT:
                    score[k].add(ann[layer], states[layer])
    thin = len(inputs) // EVERY // POINTS
    return {
        "nmse": [[float(s.units(LEAST).mean()) for s in layers] for layers in scores],
        "curves": [
            [np.round(1e9 * np.concatenate(c)[::thin].T, 4).tolist() for c in layers]
            for layers in curves
        ]
        if run == 0
        else None,
    }


def measure(work: Work, runs: int) -> dict[str, Any]:
    parts = [{"seed": work.seed, "run": run} for run in range(runs)]
    found = work.map("networks of 51", one_run, parts)
    return {"nmse": [r["nmse"] for r in found], "curves": found[0]["curves"]}


def compare(data: dict[str, Any]) -> list[Row]:
    return [
        Row(f"c_v {c:g}{form}, {layer}, median run", None, float(value))
        for (form, _, c), values in zip(WAYS, np.median(data["nmse"], 0), strict=True)
        for layer, value in zip(LAYERS, values, strict=True)
    ]


def judge(data: dict[str, Any]) -> Verdict:
    plain, code, eq_8 = np.median(data["nmse"], 0)
    good = (plain >= 0.9).all() and eq_8[1] < code[1] < plain[1]
    return Verdict(
        REPRODUCED if good else NOT_REPRODUCED,
        f"Without mismatch the SNN's states lie on the ANN's: NMSE {plain[0]:.2f} {plain[1]:.2f}, "
        f"output {plain[2]:.2f}, median of {len(data['nmse'])} draws. With c_v 1 the deeper layer "
        f"suffers most: {code[0]:.2f} {code[1]:.2f} {code[2]:.2f} with the code's one-sided "
        f"mismatch, {eq_8[0]:.2f} {eq_8[1]:.2f} {eq_8[2]:.2f} with the paper's eq. 8 on all "
        "parameters. The published figure is one draw, with no number but in its titles.",
    )


def draw(figure: Any, data: dict[str, Any]) -> None:
    """Per c_v and layer the first units."""
    ann, *snns = data["curves"]
    t = np.linspace(0, 1e3 * rnn.SECONDS, len(ann[0][0]))
    titles = [
        [f"{layer}, c_v {c:g}{form}: NMSE {x:.2f}" for layer, x in zip(LAYERS, nmse, strict=True)]
        for (form, _, c), nmse in zip(WAYS, data["nmse"][0], strict=True)
    ]
    axes = overlay.draw(figure, t, ann, snns, titles, "ms")
    axes[len(axes) // 2, 0].set_ylabel("nA")


EXPERIMENT = Experiment(
    name="mapping",
    paper="P1",
    figure="Fig. F.3",
    title="States of an ANN and of the SNN that it is mapped to",
    default={"runs": 10},
    full={"runs": 100},
    times=("10 s", "2 min"),
    measure=measure,
    compare=compare,
    judge=judge,
    draw=draw,
    inches=(12.0, 9.0),
)
