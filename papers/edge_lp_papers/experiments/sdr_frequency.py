# SPDX-License-Identifier: Apache-2.0
"""P1, Fig. 2, left: SDR and firing rate of a neuron over the frequency of its input, at 0.5 nA."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_lp_papers.experiment import Experiment, Row, Verdict
from edge_lp_papers.experiments import sdr
from edge_lp_papers.work import Work

FREQUENCIES = np.logspace(0, 5, 20).tolist()
AMPLITUDE = 0.5e-9
PUBLISHED = (
    [36.77, 36.28, 36.13, 36.75, 35.68, 34.70, 30.08, 27.49, 23.68, 14.82]
    + [13.42, 2.62, -0.84, 1.91, 5.27, 4.69, 9.20, 2.01, 2.16, 2.77]
)  # fmt: skip


def measure(work: Work, amplitude: float) -> dict[str, Any]:
    return sdr.sweep(work, [(f, amplitude) for f in FREQUENCIES])


def compare(data: dict[str, Any]) -> list[Row]:
    return sdr.rows([f"{f:,.3g} Hz" for f in FREQUENCIES], PUBLISHED, data)


def judge(data: dict[str, Any]) -> Verdict:
    v1 = data["v1"]
    return sdr.verdict(
        PUBLISHED,
        data,
        f"The neuron of the paper's equations (V1) has {v1[0]['sdr']:.1f} dB at 1 Hz and "
        f"{v1[10]['sdr']:.1f} dB at {FREQUENCIES[10]:.0f} Hz; both lose the tone by some 5 kHz.",
    )


def draw(figure: Any, data: dict[str, Any]) -> None:
    sdr.curves(figure, FREQUENCIES, "frequency (Hz), amplitude 0.5 nA", PUBLISHED, data)


EXPERIMENT = Experiment(
    name="sdr-frequency",
    paper="P1",
    figure="Fig. 2a",
    title="Signal to distortion of one neuron over frequency",
    default={"amplitude": AMPLITUDE},
    full={"amplitude": AMPLITUDE},
    times=("2 s", "2 s"),
    measure=measure,
    compare=compare,
    judge=judge,
    draw=draw,
)
