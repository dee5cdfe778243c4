# SPDX-License-Identifier: Apache-2.0
"""From a trained net of P2 to rows, a verdict and a picture; loihi-commands and loihi-digits share
it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from edge_lp.core import Counts
from edge_lp.loihi.energy import estimate
from edge_lp.measure.accuracy import decide
from edge_lp.measure.clips import find_clips
from edge_lp.measure.corrupt import CLEAN, Material
from edge_lp.measure.intervals import wilson
from edge_lp.model.cores import layout
from edge_lp.model.format import unpack
from edge_lp.model.spec import I_IN

from edge_lp_papers.experiment import NOT_REPRODUCED, REPRODUCED, Row, Verdict
from edge_lp_papers.experiments import overlay
from edge_lp_papers.experiments.loihi_core import READ_OUTS, some_clips
from edge_lp_papers.work import Work

LAYERS = ("lpFF", "lpRNN 1", "lpRNN 2")
KINDS = {"float": "float", "ann": "3 bits", "snn": "spiking"}
WHEN = ("all frames", "second half")
NEAR = 0.01  # of the clips: what the spiking net may lose against the float one
PART = 6  # clips that are run together
RELEASED = "24.3 % (its digits net)"  # weights that are not 0 in the net that P2 has released


def measured(work: Work, run: Path, testing: Path, clips: int, decays: list[int]) -> dict[str, Any]:
    """Everything that is shown, of the trained net in `run` on WORD/* of `testing`; clips: of each
    label, for all but the accuracy."""
    model = str(run / "model.lpb")
    (accuracy,) = work.map(
        "test clips", accuracies, [{"model": model, "testing": str(testing)}], alone=True
    )
    spec = unpack((run / "model.lpb").read_bytes())
    of_label: dict[int, list[str]] = {}
    for path, label in find_clips(testing, spec.labels, lambda line: None):
        of_label.setdefault(label, []).append(str(path))
    some = [(p, label) for label, paths in sorted(of_label.items()) for p in paths[:clips]]
    parts = [
        {
            "model": model,
            "paths": [p for p, _ in some[at : at + PART]],
            "delta": delta,
            "curves": at == 0 and delta == spec.delta,
        }
        for delta in decays
        for at in range(0, len(some), PART)
    ]
    found = work.map("clips, step by step", some_clips, parts)
    points = []
    for delta in decays:
        mine = [
            c for part, r in zip(parts, found, strict=True) if part["delta"] == delta for c in r
        ]
        points.append(_point(delta, mine, [label for _, label in some]))
    curves = [c["curves"] for r in found for c in r if c["curves"]]
    made = layout(spec)
    return accuracy | {
        "delta": spec.delta,
        "points": points,
        "codes": {name: _histogram(codes) for name, codes in _matrices(spec)},
        "exact": _exact(run, spec),
        "cores": len(made["cores"]),
        "bottleneck": made["bottleneck"],
        "curves": curves[0] if curves else None,
    }


def accuracies(model: str, testing: str) -> dict[str, Any]:
    """Test clips that each of KINDS decides right, and what the core did."""
    found = decide(model, testing, list(KINDS), [CLEAN], Material(), note=lambda line: None)
    results = {kind: found[kind][0] for kind in KINDS}
    spiking = results["snn"]
    assert spiking.counts is not None
    return {
        "n": spiking.n,
        "right": {k: int((r.truth == r.predicted).sum()) for k, r in results.items()},
        "as_ann": int((spiking.predicted == results["ann"].predicted).sum()),
        "as_float": int((spiking.predicted == results["float"].predicted).sum()),
        "counts": asdict(spiking.counts),
    }


def _point(delta: int, clips: list[dict[str, Any]], truth: list[int]) -> dict[str, Any]:
    """Means over the clips at a decay; of a read-out, over all frames and over the second half,
    the share decided as the ANN does and the share decided right."""
    ann = np.array([c["ann"] for c in clips])
    read = {}
    for name in READ_OUTS:
        own = np.array([c["read"][name] for c in clips])
        right = (own == np.array(truth)[:, None]).mean(0)
        read[name] = {"as_ann": (own == ann).mean(0).tolist(), "right": right.tolist()}
    return {
        "delta": delta,
        "clips": len(clips),
        "nmse": np.nanmean([c["nmse"] for c in clips], 0).tolist(),
        "together": np.mean([c["together"] for c in clips], 0).tolist(),
        "spikes": np.mean([c["spikes"] for c in clips], 0).tolist(),
        "read": read,
    }


def _matrices(spec: Any) -> list[tuple[str, np.ndarray]]:
    hidden = [
        (f"{name}, {kind}", m.codes)
        for name, layer in zip(LAYERS, spec.layers, strict=False)
        for kind, m in (("W", layer.w), ("U", layer.u))
        if m is not None
    ]
    return [*hidden, ("output, W", spec.layers[-1].w.codes)]


def _histogram(codes: np.ndarray) -> list[int]:
    return np.bincount(codes.ravel().astype(int) + 4, minlength=8).tolist()


def _exact(run: Path, spec: Any) -> dict[str, Any]:
    """Weights of the core that are I_snn / (64 tau^2) of a trained weight to the last bit, and the
    largest rounding of a bias in units of activation."""
    trained = np.load(run / "weights_quantised.npz")
    tau, snn = 4096 / spec.delta, spec.ceiling + 1
    same = total = 0
    bias = 0.0
    for i, layer in enumerate(spec.layers):
        last = i == len(spec.layers) - 1
        for kind, m in (("w", layer.w), ("u", layer.u)):
            if m is None:
                continue
            scale = float(trained[f"s_{kind}{i}"])
            w = np.clip(np.round(trained[f"{kind}{i}"] * 2.0**scale), -4, 3) / 2.0**scale
            on_core = m.codes * 2.0 ** (spec.synapse_shift - m.scale)
            same += int((on_core == w * snn / (64 * tau**2)).sum())
            total += m.codes.size
        value = layer.bias * 2.0**layer.bias_shift * (1 / 256 if last else tau * I_IN / snn)
        bias = max(bias, float(np.abs(value - trained[f"b{i}"]).max()))
    return {"same": same, "weights": total, "bias": bias}


def _percent(hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{100 * hits / n:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _line(values: Any) -> str:
    return "  ".join(f"{v:.2f}" for v in values)


def compare(data: dict[str, Any]) -> list[Row]:
    n, counts = data["n"], Counts(**data["counts"])
    codes = np.array(list(data["codes"].values()))
    rows = [
        Row(f"accuracy, {name}", None, _percent(data["right"][k], n)) for k, name in KINDS.items()
    ]
    rows += [
        Row("decision as that of the 3-bit ANN", None, _percent(data["as_ann"], n)),
        Row(
            "weights that are not 0",
            RELEASED,
            f"{100 * (1 - codes[:, 4].sum() / codes.sum()):.1f} %",
        ),
    ]
    rows += [
        Row(f"... {name}", None, f"{100 * (1 - row[4] / sum(row)):.1f} %")
        for name, row in data["codes"].items()
    ]
    exact = data["exact"]
    rows += [
        Row(
            "weights on the core that are the trained ones",
            "all",
            f"{exact['same']} of {exact['weights']}",
        ),
        Row("largest rounding of a bias, in activation", None, exact["bias"]),
    ]
    for p in data["points"]:
        name = f"delta {p['delta']}, tau {4096 / p['delta']:.3g}"
        rows += [
            Row(f"{name}: NMSE of lpFF, lpRNN 1, 2, all units", None, _line(p["together"])),
            Row(f"{name}: NMSE of the mean unit", None, _line(p["nmse"])),
            Row(f"{name}: spikes a neuron in 1 s", None, _line(p["spikes"])),
        ]
        rows += [
            Row(f"{name}: {read} as ANN, {WHEN[0]} / {WHEN[1]}", None,
                " / ".join(f"{100 * v:.0f} %" for v in p["read"][read]["as_ann"]))
            for read in READ_OUTS
        ]  # fmt: skip
    return rows + [
        Row("spikes in 1 s", None, counts.spikes / n),
        Row("synaptic operations in 1 s", None, counts.synops / n),
        Row("Loihi-1 cores", None, data["cores"]),
        Row("energy of 1 s, uJ (estimate)", None, 1e6 * estimate(counts).total / n),
    ]


def judge(data: dict[str, Any]) -> Verdict:
    return Verdict(*_judged(data))


def _judged(data: dict[str, Any]) -> tuple[str, str]:
    n, right = data["n"], data["right"]
    lost = (right["float"] - right["snn"]) / n
    own = next(p for p in data["points"] if p["delta"] == data["delta"])
    good = lost <= NEAR and min(own["together"]) >= 0.9
    said = ", ".join(f"{name} {_percent(right[k], n)}" for k, name in KINDS.items())
    others = [p for p in data["points"] if p is not own]
    sweep = "; ".join(f"at delta {p['delta']} {_line(p['together'])}" for p in others)
    read = own["read"]
    current = own["read"]["current"]["as_ann"][0]
    worst = min(READ_OUTS[1:], key=lambda name: read[name]["as_ann"][0])
    energy = 1e6 * estimate(Counts(**data["counts"])).total / n
    return (
        REPRODUCED if good else NOT_REPRODUCED,
        f"On {n} test clips of other speakers: {said}; the spiking net: {-100 * lost:+.1f} points "
        f"from the float one, and decides as the ANN of its own weights on "
        f"{_percent(data['as_ann'], n)}. The three layers' NMSE at delta {data['delta']} is "
        f"{_line(own['together'])}{'; ' if sweep else ''}{sweep}. Read from the current, the "
        f"decision is the ANN's on {100 * current:.0f} % of {own['clips']} clips, from the {worst} "
        f"on {100 * read[worst]['as_ann'][0]:.0f} %. The net takes {data['cores']} cores, and some "
        f"{energy:.0f} uJ of dynamic energy for a second of sound.",
    )


def draw(figure: Any, data: dict[str, Any]) -> None:
    """Left the states of the first clip, ANN and core; right what is in the table."""
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.1))
    own = next(p for p in data["points"] if p["delta"] == data["delta"])
    if data["curves"]:
        ann, core = data["curves"]
        t = 0.01 * np.arange(len(ann[0][0]))
        titles = [f"{name}: NMSE {v:.2f}" for name, v in zip(LAYERS, own["together"], strict=True)]
        overlay.draw(left, t, ann, [core], [titles], "s of speech")
    axes = right.subplots(3, 2)
    _accuracy(axes[0, 0], data)
    _codes(axes[0, 1], data)
    _bars(axes[1, 0], LAYERS, own["spikes"], "spikes a neuron in 1 s")
    _reads(axes[1, 1], own)
    _decays(axes[2, 0], data, "together", "NMSE")
    _decays(axes[2, 1], data, "spikes", "spikes a neuron in 1 s")


def _bars(axes: Any, names: Any, values: Any, title: str) -> None:
    axes.bar(names, values, color="C0")
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=8)


def _accuracy(axes: Any, data: dict[str, Any]) -> None:
    n = data["n"]
    shares = [100 * data["right"][k] / n for k in KINDS]
    bounds = [wilson(data["right"][k], n) for k in KINDS]
    off = [[s - 100 * a for s, (a, _) in zip(shares, bounds, strict=True)],
           [100 * b - s for s, (_, b) in zip(shares, bounds, strict=True)]]  # fmt: skip
    _bars(axes, list(KINDS.values()), shares, f"right of {n} test clips, %")
    axes.errorbar(range(len(shares)), shares, yerr=off, fmt="none", ecolor="k", capsize=4)
    axes.set_ylim(max(0, min(shares) - 10), 100)


def _codes(axes: Any, data: dict[str, Any]) -> None:
    for k, (name, row) in enumerate(data["codes"].items()):
        share = 100 * np.array(row) / sum(row)
        axes.plot(np.arange(-4, 4), share, f"C{k}.-", lw=1, label=name)
    axes.set_title("weights, % (eighths)", fontsize=9)
    axes.legend(fontsize=7)
    axes.tick_params(labelsize=8)


def _reads(axes: Any, own: dict[str, Any]) -> None:
    place = np.arange(len(READ_OUTS))
    for k, when in enumerate(WHEN):
        shares = [100 * own["read"][name]["as_ann"][k] for name in READ_OUTS]
        axes.bar(place + 0.4 * k - 0.2, shares, 0.4, label=when)
    axes.set_xticks(place, READ_OUTS)
    axes.set_ylim(0, 119)
    axes.set_title("decided as the ANN, %", fontsize=9)
    axes.legend(fontsize=7, ncols=2, loc="upper center")
    axes.tick_params(labelsize=8)


def _decays(axes: Any, data: dict[str, Any], what: str, title: str) -> None:
    decays = [p["delta"] for p in data["points"]]
    for k, name in enumerate(LAYERS):
        axes.plot(decays, [p[what][k] for p in data["points"]], f"C{k}.-", label=name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(decays, [str(d) for d in decays])
    axes.set_xlabel("delta, of 4096 a step", fontsize=8)
    axes.set_title(title, fontsize=9)
    axes.legend(fontsize=7)
    axes.tick_params(labelsize=8)
