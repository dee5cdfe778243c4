# SPDX-License-Identifier: Apache-2.0
"""A trained net -> the integers of an .lpb model (SPEC.md, "Network"; Boeshertz et al. 2024).

With tau = 4096 / delta a power of two, I_in = 6 = 3 * 2 and features in units of 3 * 2**-13, every
factor of the mapping is a power of two, or 3 for the logits: the codes run as trained, only biases
are rounded.
"""

from __future__ import annotations

import numpy as np
from edge_lp.errors import EdgeLpError
from edge_lp.model.spec import DetectorConfig, Layer, Matrix, ModelSpec
from edge_lp.runtime import HOP, SAMPLE_RATE

from edge_lp_train.presets import TrainConfig
from edge_lp_train.quantize import codes

CONFIG, FLOAT, QUANTISED, MODEL, REPORT = (
    "config.json",
    "weights_float.npz",
    "weights_quantised.npz",
    "model.lpb",
    "report.json",
)


def _log2(value: int, what: str) -> int:
    if value < 1 or value & (value - 1):
        raise EdgeLpError(
            f"{what} is {value}, expected a power of two: the mapping to the core is exact only "
            "then"
        )
    return value.bit_length() - 1


def _log2_tau(config: TrainConfig) -> int:
    return _log2(
        4096 // config.delta if 4096 % config.delta == 0 else 0,
        f"4096 / delta (delta = {config.delta})",
    )


def finest_scale(config: TrainConfig) -> int:
    """The finest scale whose codes are whole weights on the core at the papers' I_snn = 2^21, at
    most 4; 3 (eighths) at the default tau = 64."""
    return max(3, min(4, 21 - 6 - 2 * _log2_tau(config)))


def _bias(values: np.ndarray, unit: float) -> tuple[np.ndarray, int]:
    """Float biases in units of 1 / unit as 13-bit mantissas and one exponent 0..7, as a Loihi
    compartment stores them. EdgeLpError: one that the register cannot hold, or no number."""
    for shift in range(8):
        mantissas = np.round(values.astype(np.float64) * unit / 2.0**shift)
        if np.abs(mantissas).max() <= 4095:
            return mantissas.astype(np.int16), shift
    worst, most = values[np.abs(values).argmax()], (4095 << 7) / unit
    raise EdgeLpError(
        f"a bias of the trained net is {worst:g}, the chip's bias register holds up to {most:g}: "
        "train again, with a lower rate or another seed"
    )


def _output_shift(config: TrainConfig, w: np.ndarray, scale: int) -> int:
    """The most at which the outputs' currents stay in the core's 24 bits and its lanes cannot carry
    (lp_core.c); the codes are whole from `scale` on. A logit that every state at its ceiling of 6,
    and a spike of 6 / tau above, would add up to must not wrap to the other sign."""
    tau, fan_in = _log2_tau(config), config.hidden[-1]
    lanes = scale + (65535 // (7 * fan_in)).bit_length() - 1
    largest = 2.0**-scale * np.abs(codes(w, scale)).sum(axis=0).max() * 6 * (1 + 2.0**-tau)
    # logit = u * 3 / 2^(out + tau - 3) / 256 with |u| < 2^23
    room = 2.0**23 * 3 / 2.0 ** (tau - 3) / 256 / max(largest, 1.0)
    return max(scale, min(lanes, int(np.floor(np.log2(room)))))


def to_spec(
    config: TrainConfig, weights: dict[str, np.ndarray], provenance: dict[str, str]
) -> ModelSpec:
    """weights: float w0,u0,b0, ... of the hidden layers and wN,bN of the output, with scales s_w0,
    s_u0, ... (log2 of codes per unit); a feed-forward layer has no u."""
    tau, n = _log2_tau(config), len(config.hidden)
    scale = {k[2:]: int(v) for k, v in weights.items() if k.startswith("s_")}
    top = max(s for k, s in scale.items() if k not in ("w0", f"w{n}"))
    # log2 of I_snn: 21 as in the paper, more where a finer matrix would need a fraction of a weight
    snn = max(21, 6 + 2 * tau + top)
    if snn > 22:
        raise EdgeLpError(
            f"a scale of 2^-{top} with tau = {2**tau} needs I_snn = 2^{snn}, more than the core's "
            "24-bit states carry; use a larger delta"
        )
    linear = snn - 6 - tau
    out = min(linear, _output_shift(config, weights[f"w{n}"], scale[f"w{n}"]))
    unit = 2.0**snn / 6 / 2**tau
    layers = []
    for i in range(n + 1):
        w = Matrix(codes(weights[f"w{i}"], scale[f"w{i}"]), scale[f"w{i}"])
        u = f"u{i}" in scale and Matrix(codes(weights[f"u{i}"], scale[f"u{i}"]), scale[f"u{i}"])
        mantissas, shift = _bias(weights[f"b{i}"], unit if i < n else 256.0)
        layers.append(Layer(w=w, u=u or None, bias=mantissas, bias_shift=shift))
    return ModelSpec(
        labels=list(config.labels),
        n_keywords=len(config.words),
        delta=config.delta,
        steps=config.steps,
        feedback=2**linear,
        ceiling=2**snn - 1,
        drive_shift=snn - 14 - scale["w0"] - tau,
        synapse_shift=snn - 6 - 2 * tau,
        output_shift=out,
        logit_mul=3,
        logit_shift=out + tau - 3,
        detector=DetectorConfig(
            config.windows,
            (config.threshold,),
            config.refractory,
            config.latency,
            config.hold,
            len(config.wake),
            round(config.wake_seconds * SAMPLE_RATE / HOP) if config.wake else 0,
            config.stride,
        ),
        layers=layers,
        provenance=provenance,
    )
