# SPDX-License-Identifier: Apache-2.0
"""P1, Fig. 2, right: SDR and firing rate of a neuron over the amplitude of its input, at 10 Hz."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_lp_papers.experiment import Experiment, Row, Verdict
from edge_lp_papers.experiments import sdr
from edge_lp_papers.work import Work

AMPLITUDES = np.logspace(-12, -6, 20).tolist()
FREQUENCY = 10.0
PUBLISHED = (
    [0.69, 7.16, 13.51, 16.02, 20.15, 23.67, 24.65, 28.95, 33.67, 37.67]
    + [42.11, 44.43, 47.89, 51.78, 47.11, 13.35, 4.80, 4.14, 1.90, 1.90]
)  # fmt: skip


def measure(work: Work, frequency: float) -> dict[str, Any]:
    return sdr.sweep(work, [(frequency, a) for a in AMPLITUDES])


def compare(data: dict[str, Any]) -> list[Row]:
    rows = sdr.rows([f"{a * 1e9:.3g} nA" for a in AMPLITUDES], PUBLISHED, data)
    return [*rows, Row("the text's neuron: peak, V1, dB", 55.0, peak(data["v1"])[0])]


def peak(points: list[dict[str, Any]]) -> tuple[float, float]:
    """(dB, A)."""
    return max((q["sdr"], a) for q, a in zip(points, AMPLITUDES, strict=True) if q["sdr"])


def judge(data: dict[str, Any]) -> Verdict:
    (top, at), (fitted, where) = peak(data["v1"]), peak(data["v2"])
    steps = [data["v1"][i]["sdr"] for i in (6, 11)]  # in the straight part
    decade = (steps[1] - steps[0]) / np.log10(AMPLITUDES[11] / AMPLITUDES[6])
    return sdr.verdict(
        PUBLISHED,
        data,
        f"Its peak is {fitted:.1f} dB at {where * 1e9:.1f} nA. The neuron of the paper's equations "
        f"(V1) has what the text says and the figure does not: {decade:.0f} dB a decade, a peak of "
        f"{top:.1f} dB at {at * 1e9:.1f} nA (the text's 55 dB), and a sudden "
        f"drop where the input comes near I_in = 40 nA.",
    )


def draw(figure: Any, data: dict[str, Any]) -> None:
    sdr.curves(figure, AMPLITUDES, "amplitude (A), frequency 10 Hz", PUBLISHED, data)


EXPERIMENT = Experiment(
    name="sdr-amplitude",
    paper="P1",
    figure="Fig. 2b",
    title="Signal to distortion of one neuron over amplitude",
    default={"frequency": FREQUENCY},
    full={"frequency": FREQUENCY},
    times=("2 s", "2 s"),
    measure=measure,
    compare=compare,
    judge=judge,
    draw=draw,
)
