# SPDX-License-Identifier: Apache-2.0
"""The net of a configuration: layers, weights in and out, codes."""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from edge_lp.errors import EdgeLpError
from edge_lp.runtime import FEATURES

from edge_lp_train.export import CONFIG
from edge_lp_train.files import log, read_arrays
from edge_lp_train.layers import LowPassRNN, ReadOut, frame_alpha
from edge_lp_train.presets import SILENCE, UNKNOWN, TrainConfig
from edge_lp_train.quantize import CodeQuantizer
from edge_lp_train.scan import low_pass_layer


def build(
    config: TrainConfig,
    scales: dict[str, int] | None = None,
    sub_steps: int | None = None,
    spiking: bool = False,
) -> keras.Model:
    """(batch, time, 40) features -> (batch, time, labels) logits. With scales: 3-bit weights.
    spiking: as the core runs it, features held over a frame's core steps, logits read in its last
    one."""

    def quantizer(name: str) -> CodeQuantizer | None:
        return CodeQuantizer(scales[name]) if scales else None

    x = features = keras.Input((None, FEATURES), name="features")
    if spiking:
        x, sub_steps = keras.layers.UpSampling1D(config.steps)(x), config.steps
    for i, units in enumerate(config.hidden):
        recurrent = i >= config.feed_forward
        more = {"recurrent_quantizer": quantizer(f"u{i}")} if recurrent else {}
        x = low_pass_layer(recurrent, spiking)(
            units,
            alpha=frame_alpha(config.delta, config.steps),
            sub_steps=sub_steps or config.sub_steps,
            return_sequences=True,
            kernel_quantizer=quantizer(f"w{i}"),
            kernel_initializer=keras.initializers.GlorotUniform(config.seed + i),
            recurrent_initializer=keras.initializers.Orthogonal(seed=config.seed + i),
            name=f"lp{i}",
            **more,
        )(x)
    if spiking:
        x = x[:, config.steps - 1 :: config.steps]
    last = quantizer(f"w{len(config.hidden)}")
    read_out = ReadOut(len(config.labels), kernel_quantizer=last, seed=config.seed, name="readout")
    return keras.Model(features, read_out(x))


def _layer(model: keras.Model, name: str, kind: type) -> keras.layers.Layer:
    """A layer that an .lpb can hold. EdgeLpError: there is none of that name, or another kind."""
    found = next((x for x in model.layers if x.name == name), None)
    if not isinstance(found, kind):
        what = f"is {type(found).__name__}" if found else "is missing"
        raise EdgeLpError(
            f"layer {name} {what}, expected a {kind.__name__}: a model holds low-pass layers "
            "without gates, lp0, lp1 ..., and readout; convert.to_low_pass makes them of others"
        )
    return found


def weights_of(model: keras.Model, config: TrainConfig) -> dict[str, np.ndarray]:
    """w0, u0, b0, ... of the hidden layers (no u of one that is feed-forward), wN, bN of the
    output, alpha and sub_steps."""
    out: dict[str, np.ndarray] = {}
    alpha = frame_alpha(config.delta, config.steps)
    for i in range(len(config.hidden)):
        cell = _layer(model, f"lp{i}", LowPassRNN).cell
        kept = np.asarray(cell.retention())
        if not np.allclose(kept, alpha, atol=1e-3):
            raise EdgeLpError(
                f"layer lp{i} has alpha {kept.min():.3f} to {kept.max():.3f}; a model has one for "
                f"all units, {alpha:.3f} at delta {config.delta} and {config.steps} steps: train "
                "with that one, or with other delta and steps"
            )
        out |= {f"w{i}": np.array(cell.kernel), f"b{i}": np.array(cell.bias)}
        if cell.recurrent:
            out[f"u{i}"] = np.array(cell.recurrent_kernel)
    n, last = len(config.hidden), _layer(model, "readout", ReadOut)
    return out | {
        f"w{n}": np.array(last.kernel),
        f"b{n}": np.array(last.bias),
        "labels": np.array(config.labels),
        "alpha": np.array(alpha),
        "sub_steps": np.array(config.sub_steps),
    }


def start_from(model: keras.Model, config: TrainConfig, path: Path) -> None:
    """Float weights of another run; of its output layer those of the labels that both have. A net
    of fewer units in some layers is widened: the function is its own until training changes it."""
    n = len(config.hidden)
    parts = ["wub" if i >= config.feed_forward else "wb" for i in range(n)] + ["wb"]
    needed = [f"{k}{i}" for i, each in enumerate(parts) for k in each]
    f = read_arrays(path, needed, f"{path} holds no float weights of {n} layers to start from")
    if f"w{n + 1}" in f:
        raise EdgeLpError(f"{path} is of more than {n} layers; start from a net of as many")
    pairs = []
    for i in range(n):
        cell = model.get_layer(f"lp{i}").cell
        pairs += [(cell.kernel, f[f"w{i}"]), (cell.bias, f[f"b{i}"])]
        pairs += [(cell.recurrent_kernel, f[f"u{i}"])] if cell.recurrent else []
    last, theirs = model.get_layer("readout"), _labels_of(path, f)
    if not set(theirs) & set(config.labels):
        log.print(f"{path} names none of these labels: the output layer begins anew")
    pairs += [(last.kernel, _of_labels(np.asarray(last.kernel), f[f"w{n}"], config, theirs))]
    pairs += [(last.bias, _of_labels(np.asarray(last.bias), f[f"b{n}"], config, theirs))]
    for part, value in pairs:
        if value.ndim != len(part.shape) or any(np.greater(value.shape, part.shape)):
            raise EdgeLpError(
                f"{path}: a matrix of {value.shape}, expected {tuple(part.shape)}; start from a "
                "net of the same --hidden, or of fewer units in as many layers"
            )
        part.assign(_widened(np.asarray(part), value))
    units = tuple(f[f"b{i}"].size for i in range(n))
    if units != config.hidden:
        more = ", ".join(str(b - a) for a, b in zip(units, config.hidden))
        log.print(f"{path} widened: {more} more units of seed {config.seed}, heard by none as yet")


def scales_of(path: Path) -> dict[str, int]:
    """The scales of weights that were trained in 3 bits; of float weights none."""
    return {k[2:]: int(v) for k, v in read_arrays(path, []).items() if k.startswith("s_")}


def keep_alpha(model: keras.Model, path: Path) -> None:
    """Gives the hidden layers the alpha that the weights in `path` were trained with."""
    alpha = float(read_arrays(path, ["alpha"])["alpha"])
    for layer in model.layers:
        if isinstance(layer, LowPassRNN):
            layer.cell.alpha_weight.assign(np.full(layer.cell.units, alpha))


def _widened(fresh: np.ndarray, given: np.ndarray) -> np.ndarray:
    """The given weights (units in, units out) or (units,) among those of a wider layer. A new unit
    hears the others by its fresh weights, and the units that were there do not hear it: their
    states and the logits stay what they were (Chen et al. 2016, Net2Net, keep the function by
    copies of units, which 3-bit codes would not keep equal)."""
    out = fresh.astype(np.float32)
    out[..., : given.shape[-1]] = 0.0
    out[tuple(map(slice, given.shape))] = given
    return out


def _of_labels(
    fresh: np.ndarray, given: np.ndarray, config: TrainConfig, theirs: list[str]
) -> np.ndarray:
    """The output layer's weights with the columns of the labels that the other net has, too."""
    if len(theirs) != given.shape[-1] or given.ndim != fresh.ndim:
        return fresh
    if given.ndim == 2 and len(given) > len(fresh):
        return given  # of a wider net, which start_from refuses
    out = fresh[: len(given)].copy() if fresh.ndim == 2 else fresh.copy()
    for i, w in enumerate(config.labels):
        if w in theirs:
            out[..., i] = given[..., theirs.index(w)]
    return out


def _labels_of(path: Path, f: dict[str, np.ndarray]) -> list[str]:
    """The labels of a run's weights: older ones do not name them, but its configuration does."""
    if "labels" in f:
        return [str(w) for w in f["labels"]]
    try:
        return [*json.loads((path.parent / CONFIG).read_text())["words"], UNKNOWN, SILENCE]
    except (OSError, ValueError, KeyError, TypeError):
        return []
