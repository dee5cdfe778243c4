# SPDX-License-Identifier: Apache-2.0
"""What the two halves of P1's Fig. 2 share: one neuron is given a tone above an offset, amp (2 +
sin(2 pi f t)), and its decoded output is judged by the ratio of the tone to all else (SDR).

There are two neurons. V1 is the one that the paper describes, and whose 20 dB a decade, drop near
I_in and peak of 53.8 dB the text quotes. V2 made the published curves, is described nowhere, and
was fitted to them (spiker.neuron.v2)."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_lp_papers.experiment import CODE_ONLY, NOT_REPRODUCED, Row, Verdict
from edge_lp_papers.spiker.layer import Layer
from edge_lp_papers.spiker.neuron import V1, Neuron, v2
from edge_lp_papers.work import Work

TRANSIENT = 0.1  # seconds before the period that counts
TOLERANCE = 0.05  # dB, of V2 against the figure
SATURATED = 0.999e6  # spikes a second: one in every step


def ratio(s: np.ndarray) -> float | None:
    """The strongest bin over the rest of bins 1 ... N/2 - 1, in dB; None for a constant."""
    power = np.abs(np.fft.fft(s))[1 : len(s) // 2] ** 2
    rest = power.sum() - power.max()
    return float(10 * np.log10(power.max() / rest)) if rest > 0 else None


def point(kind: int, frequency: float, amplitude: float) -> dict[str, Any]:
    """A neuron on one period of a tone: SDR in dB, spikes a second."""
    neuron = Neuron() if kind == V1 else v2()
    seconds = TRANSIENT + 1 / frequency
    t = np.linspace(0, seconds, int(seconds / neuron.step))  # with its end, as the code has it
    drive = amplitude * (2 + np.sin(2 * np.pi * frequency * t))
    s, spikes, _ = Layer(neuron, np.zeros((1, 1))).run(drive[:, None])
    sdr = ratio(s[int(TRANSIENT / neuron.step) :, 0])
    return {"sdr": sdr, "rate": int(spikes.sum()) / seconds}


def sweep(work: Work, tones: list[tuple[float, float]]) -> dict[str, Any]:
    """(frequency, amplitude) pairs -> {"v1": points, "v2": points}."""
    parts = [{"kind": kind, "frequency": f, "amplitude": a} for kind in (1, 2) for f, a in tones]
    found = work.map("tones", point, parts)
    return {"v1": found[: len(tones)], "v2": found[len(tones) :]}


def rows(names: list[str], published: list[float], data: dict[str, Any]) -> list[Row]:
    """V2 beside the figure, V1 for itself."""
    made = [
        Row(f"{name}, V2, dB", p, q["sdr"])
        for name, p, q in zip(names, published, data["v2"], strict=True)
    ]
    return made + [
        Row(f"{name}, V1, dB", None, q["sdr"]) for name, q in zip(names, data["v1"], strict=True)
    ]


def worst(published: list[float], points: list[dict[str, Any]]) -> float:
    """The largest difference in dB, of points that are not saturated."""
    return max(
        abs(p - q["sdr"])
        for p, q in zip(published, points, strict=True)
        if q["rate"] < SATURATED and q["sdr"] is not None
    )


def verdict(published: list[float], data: dict[str, Any], text: str) -> Verdict:
    off = worst(published, data["v2"])
    return Verdict(
        CODE_ONLY if off <= TOLERANCE else NOT_REPRODUCED,
        f"The published curve is that of a neuron that the paper does not describe (V2, fitted); "
        f"it is met within {off:.2f} dB wherever the neuron is not saturated. {text}",
    )


def curves(figure: Any, x: list[float], label: str, published: list[float], data: Any) -> None:
    """As Fig. 2: SDR on the left in green, firing rate on the right in red."""
    left = figure.subplots()
    right = left.twinx()
    for name, style in (("v2", "-"), ("v1", "--")):
        sdr = [np.nan if q["sdr"] is None else q["sdr"] for q in data[name]]
        left.semilogx(x, sdr, f"g{style}", label=f"SDR, {name.upper()}")
        right.semilogx(
            x, [q["rate"] / 1e3 for q in data[name]], f"r{style}", label=f"rate, {name.upper()}"
        )
    left.semilogx(x, published, "ko", mfc="none", label="SDR, published")
    left.set_xlabel(label)
    left.set_ylabel("SDR (dB)", color="g")
    right.set_ylabel("firing rate (kHz)", color="r")
    left.grid(True, alpha=0.3)
    figure.legend(loc="outside upper center", ncols=5, fontsize=8)
