# SPDX-License-Identifier: Apache-2.0
"""What is in a model: labels, layers, bytes, memory, operating point, provenance."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np

from edge_lp.audio.signals import babble
from edge_lp.core import COUNT, Counts
from edge_lp.loihi.energy import estimate
from edge_lp.loihi.limits import BIAS_EXPONENT, BIAS_MANTISSA
from edge_lp.model.format import unpack
from edge_lp.model.spec import FEATURES, THRESHOLD_ONE, Layer, Matrix, ModelSpec
from edge_lp.runtime import FRAME_SECONDS, Frontend, Model, Net
from edge_lp.text import plain


def _matrix(m: Matrix, stored: tuple[str, int]) -> dict[str, Any]:
    coding, size = stored
    return {
        "coding": coding,
        "bytes": size,
        "synapses": int(m.codes.size),
        "nonzero": int(np.count_nonzero(m.codes)),
        "scale": m.scale,
    }


def _layer(model: Model, i: int, layer: Layer, n_in: int, last: bool) -> dict[str, Any]:
    return {
        "name": "output" if last else f"hidden {i + 1}",
        "inputs": n_in,
        "units": layer.n,
        "bias_bytes": 2 * layer.n,
        "input_weights": _matrix(layer.w, model.coding(i, "w")),
        "recurrent_weights": None if layer.u is None else _matrix(layer.u, model.coding(i, "u")),
    }


def chip_bias(values: np.ndarray) -> dict[str, int]:
    """How many of these values a Loihi-1 bias register (13-bit mantissa, 3-bit exponent) holds
    exactly, needs to round, or cannot reach."""
    low, high = BIAS_MANTISSA
    top = BIAS_EXPONENT[1]
    beyond = (values > high << top) | (values < low << top)
    exact = np.zeros(len(values), bool)
    for e in range(top + 1):
        exact |= (values % (1 << e) == 0) & (values >> e <= high) & (values >> e >= low)
    return {
        "values": len(values),
        "exact": int(exact.sum()),
        "rounded": int((~exact & ~beyond).sum()),
        "beyond": int(beyond.sum()),
    }


def _drive_peak(spec: ModelSpec) -> int:
    """A bound on the first layer's |drive| for features within +-8 in log2 of power (Q10: 8192), in
    core units."""
    reach = np.abs(spec.layers[0].w.codes.astype(np.int64)).sum(axis=0).max() * 8192
    return int(reach * 2.0**spec.drive_shift)


def activity(model: Model, seconds: int = 2) -> dict[str, Any]:
    """What the core does in a second of babble, and an estimate of what that costs on Loihi 1. Of
    20 s commands12 makes 4 % more synaptic operations a second than of two; five would take a
    thirtieth of inspect's time more."""
    net = Net(model, COUNT)
    net.push(Frontend().push(babble(seconds)))
    counts = Counts(*(round(x / seconds) for x in astuple(net.counts())))
    return {
        "spikes_per_s": counts.spikes,
        "synaptic_ops_per_s": counts.synops,
        "loihi_uj_per_s": round(1e6 * estimate(counts).total, 2),
    }


def describe(data: bytes) -> dict[str, Any]:
    """Everything `edge-lp inspect` shows, as plain values. Sizes in bytes, times in seconds.
    ModelError: not a model."""
    model, spec = Model(data), unpack(data)
    tau, hidden = 4096 / spec.delta, spec.layers[:-1]
    layers, n_in = [], FEATURES
    for i, layer in enumerate(spec.layers):
        layers.append(_layer(model, i, layer, n_in, i == len(hidden)))
        n_in = layer.n
    matrices = [m for x in layers for m in (x["input_weights"], x["recurrent_weights"]) if m]
    detector, keywords = spec.detector, spec.labels[: spec.n_keywords]
    q15 = detector.integers(spec.n_keywords).thresholds
    thresholds = {word: round(t / THRESHOLD_ONE, 4) for word, t in zip(keywords, q15)}
    weights, biases = sum(m["bytes"] for m in matrices), sum(x["bias_bytes"] for x in layers)
    text = sum(len(f"{k}: {v}\n".encode()) for k, v in spec.provenance.items())
    biases_on_chip = chip_bias(
        np.concatenate([x.bias.astype(np.int64) << x.bias_shift for x in hidden])
    )
    return {
        "format": f"{data[4]}.{data[5]}",
        "crc32": f"{int.from_bytes(data[-4:], 'little'):08x}",
        "labels": spec.labels,
        "keywords": keywords,
        "layers": layers,
        "bytes": {
            "weights": weights,
            "biases": biases,
            "provenance": text,
            "header and labels": len(data) - weights - biases - text,
            "total": len(data),
        },
        "ram": model.ram(),
        "kernel": Net(model).kernel,
        "synapses": sum(m["synapses"] for m in matrices),
        "nonzero": sum(m["nonzero"] for m in matrices),
        "operating_point": {
            "delta": spec.delta,
            "tau_steps": tau,
            "steps_per_frame": spec.steps,
            "steps_per_s": round(spec.steps / FRAME_SECONDS),
            "alpha_per_frame": round((1 - spec.delta / 4096) ** spec.steps, 4),
            "feedback": spec.feedback,
            "ceiling": spec.ceiling,
        },
        "detector": {
            "windows_s": [w * FRAME_SECONDS for w in detector.windows],
            "stride_s": detector.stride * FRAME_SECONDS,
            "thresholds": thresholds,
            "hold_s": detector.hold * FRAME_SECONDS,
            "refractory_s": detector.refractory * FRAME_SECONDS,
            "latency_s": detector.latency * FRAME_SECONDS,
            "wake_words": spec.labels[: detector.wake_words],
            "wake_s": detector.wake * FRAME_SECONDS,
        },
        "chip": {
            "bias": biases_on_chip,
            "drive_peak": _drive_peak(spec),
            "drive_limit": BIAS_MANTISSA[1] << BIAS_EXPONENT[1],
        },
        "activity": activity(model),
        "provenance": spec.provenance,
    }


def _thresholds(each: dict[str, float]) -> str:
    if len(set(each.values())) == 1:
        return str(next(iter(each.values())))
    return ", ".join(f"{word} {t}" for word, t in each.items())


def _pairs(title: str, rows: dict[str, Any]) -> Any:
    from rich.table import Table

    t = Table(box=None, padding=(0, 2, 0, 0))
    t.add_column(title, no_wrap=True)
    t.add_column("")
    for key, value in rows.items():
        t.add_row(
            plain(key).replace("_", " "),
            f"{value:,}" if isinstance(value, int) else plain(value),
        )
    return t


def tables(d: dict[str, Any]) -> list[Any]:
    """The same for a reader, as rich tables."""
    from rich.table import Table

    t = Table(box=None, padding=(0, 2, 0, 0))
    for column in (
        "layers",
        "inputs",
        "units",
        "weights",
        "synapses",
        "non-zero",
        "bytes",
        "scale",
    ):
        t.add_column(column, justify="right" if column not in ("layers", "weights") else "left")
    for x in d["layers"]:
        for kind in ("input_weights", "recurrent_weights"):
            if m := x[kind]:
                first = kind == "input_weights"
                t.add_row(
                    x["name"] if first else "",
                    str(x["inputs"] if first else x["units"]),
                    str(x["units"]),
                    f"{'from below' if first else 'recurrent'}, {m['coding']}",
                    f"{m['synapses']:,}",
                    f"{m['nonzero']:,}",
                    f"{m['bytes']:,}",
                    f"2^-{m['scale']}",
                )
    bias, chip = d["chip"]["bias"], d["chip"]
    on_chip = {
        "hidden biases": f"13-bit mantissa, 3-bit exponent: {bias['exact']} of {bias['values']} "
        f"fit, {bias['rounded']} would be rounded, "
        f"{bias['beyond']} are beyond",
        "first layer's drive": "a bias the host writes; |features| <= 8 make up to "
        f"{chip['drive_peak']:,} of {chip['drive_limit']:,}: "
        + ("beyond" if chip["drive_peak"] > chip["drive_limit"] else "fits, rounded to 13 bits"),
    }
    p, det, act = d["operating_point"], d["detector"], d["activity"]
    return [
        _pairs(
            "model",
            {
                "format": d["format"],
                "crc-32": d["crc32"],
                "keywords": ", ".join(d["keywords"]),
                "other labels": ", ".join(d["labels"][len(d["keywords"]) :]) or "none",
            },
        ),
        t,
        _pairs("size in bytes", d["bytes"]),
        _pairs("memory on a board in bytes", d["ram"]),
        _pairs(
            "network",
            {
                "synapses": d["synapses"],
                "non-zero": f"{d['nonzero']:,} ({100 * d['nonzero'] / d['synapses']:.1f} %)",
                "decay δ": f"{p['delta']} (τ = {p['tau_steps']:g} steps)",
                "steps per frame K": f"{p['steps_per_frame']} ({p['steps_per_s']:,} steps/s)",
                "α per frame": p["alpha_per_frame"],
                "feedback weight": p["feedback"],
                "ceiling I_snn": p["ceiling"] + 1,
                "runs on": "the sigma-delta kernel"
                if d["kernel"]
                else "the core: it could leave a range of the sigma-delta kernel (several times "
                "slower; make CORE=1 for a board)",
            },
        ),
        _pairs(
            "detector",
            {
                "windows": ", ".join(f"{w:g} s" for w in det["windows_s"]),
                "decides every": f"{det['stride_s']:g} s",
                "thresholds": _thresholds(det["thresholds"]),
                "hold": f"{det['hold_s']:g} s",
                "refractory": f"{det['refractory_s']:g} s",
                "latency": f"{det['latency_s']:g} s",
                "wake words": ", ".join(det["wake_words"]) or "none: all keywords always count",
                **({"commands behind them": f"{det['wake_s']:g} s"} if det["wake_words"] else {}),
            },
        ),
        _pairs(
            "in a second of babble",
            {
                "spikes": act["spikes_per_s"],
                "synaptic operations": act["synaptic_ops_per_s"],
                "energy on Loihi 1": f"{act['loihi_uj_per_s']:g} µJ (an estimate from the figures "
                "of Davies et al. 2018)",
            },
        ),
        _pairs("on a Loihi-1 chip", on_chip),
        _pairs("provenance", d["provenance"]),
    ]
