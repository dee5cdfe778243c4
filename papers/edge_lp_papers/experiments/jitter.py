# SPDX-License-Identifier: Apache-2.0
"""P1, Fig. A.1: spikes that arrive at the wrong time. Jitter N(0, sigma) of the spike times is, in
the mean, a filter e^(s^2 sigma^2 / 2), that is e^(-(2 pi f sigma)^2 / 2) at a frequency f: slow
signals pass, fast ones are lost.

Measured: a tone is encoded by the neuron V1, its spikes are jittered, and the tone in them is
compared with the tone in the spikes as they were sent."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_lp_papers.experiment import NOT_REPRODUCED, REPRODUCED, Experiment, Row, Verdict
from edge_lp_papers.spiker.layer import Layer
from edge_lp_papers.spiker.neuron import Neuron, jittered
from edge_lp_papers.work import Work

SECONDS, TRANSIENT = 1.0, 0.1
TOLERANCE = 0.03


def theory(f: float, sigma: float) -> float:
    return float(np.exp(-((2 * np.pi * f * sigma) ** 2) / 2))


def tone(times: np.ndarray, f: float) -> complex:
    """The component at f of a train of spikes over whole periods."""
    return complex(np.exp(-2j * np.pi * f * times).sum())


def ratio(f: float, sigma: float, draws: int, seed: int) -> dict[str, Any]:
    """|tone| with jitter over |tone| without: mean and standard deviation over the draws."""
    step = Neuron().step
    t = np.arange(int((SECONDS + TRANSIENT) / step)) * step
    drive = 0.5e-9 * (2 + np.sin(2 * np.pi * f * t))
    spikes = Layer(Neuron(), np.zeros((1, 1))).run(drive[:, None])[1][:, 0]
    times = np.flatnonzero(spikes) * step
    times = times[times >= TRANSIENT]
    rng = np.random.default_rng([seed, round(f * 1000)])
    clean = abs(tone(times, f))
    found = [abs(tone(jittered(times, sigma, rng), f)) / clean for _ in range(draws)]
    return {
        "f": f,
        "theory": theory(f, sigma),
        "mean": float(np.mean(found)),
        "std": float(np.std(found)),
    }


def measure(work: Work, sigma: float, draws: int, frequencies: list[float]) -> dict[str, Any]:
    parts = [{"f": f, "sigma": sigma, "draws": draws, "seed": work.seed} for f in frequencies]
    return {"sigma": sigma, "points": work.map("jitter", ratio, parts)}


def compare(data: dict[str, Any]) -> list[Row]:
    return [Row(f"{p['f']:g} Hz", p["theory"], p["mean"]) for p in data["points"]]


def judge(data: dict[str, Any]) -> Verdict:
    worst = max(data["points"], key=lambda p: abs(p["mean"] - p["theory"]))
    off = abs(worst["mean"] - worst["theory"])
    return Verdict(
        REPRODUCED if off <= TOLERANCE else NOT_REPRODUCED,
        f"The published transfer function is a formula; the tone that is left in jittered spikes "
        f"follows it within {off:.3f} at all {len(data['points'])} frequencies (worst: "
        f"{worst['f']:g} Hz, {worst['mean']:.3f} for {worst['theory']:.3f}). With sigma = "
        f"{data['sigma'] * 1e3:g} ms signals below some 50 Hz pass unharmed.",
    )


def draw(figure: Any, data: dict[str, Any]) -> None:
    points = data["points"]
    f = np.geomspace(points[0]["f"], points[-1]["f"], 200)
    axes = figure.subplots()
    axes.semilogx(f, [theory(x, data["sigma"]) for x in f], label=r"$e^{s^2\sigma^2/2}$ (paper)")
    axes.errorbar(
        [p["f"] for p in points],
        [p["mean"] for p in points],
        [p["std"] for p in points],
        fmt="o",
        capsize=3,
        label="spikes of the neuron, jittered",
    )
    axes.set_xlabel("frequency (Hz)")
    axes.set_ylabel("tone with jitter / without")
    axes.set_title(f"Jitter of the spike times, sigma {data['sigma'] * 1e3:g} ms")
    axes.grid(True, alpha=0.3)
    axes.legend()


POINTS = [10.0, 20.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0]
EXPERIMENT = Experiment(
    name="jitter",
    paper="P1",
    figure="Fig. A.1",
    title="What jitter of the spike times does to a signal",
    default={"sigma": 1e-3, "draws": 20, "frequencies": POINTS},
    full={"sigma": 1e-3, "draws": 100, "frequencies": POINTS},
    times=("2 s", "4 s"),
    measure=measure,
    compare=compare,
    judge=judge,
    draw=draw,
)
