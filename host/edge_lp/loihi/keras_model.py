# SPDX-License-Identifier: Apache-2.0
"""A Keras model of low-pass layers (Nair & Indiveri, "High-performance RNNs with spiking neurons",
eq. 6) as a Loihi network. Layers are known by their classes' names and read through their weights:
neither Keras nor the trainer is imported. low_pass.py has the mapping."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_lp.loihi.limits import LimitError
from edge_lp.loihi.low_pass import LowPassLayer, LowPassNetwork, ReadOutLayer, convert

NO_EFFECT = "InputLayer Dropout SpatialDropout1D GaussianNoise GaussianDropout".split()
LOW_PASS, READ_OUT = ("LowPassRNN",), ("ReadOut", "Dense")  # LowPassDense is a LowPassRNN


def from_keras(
    model: Any,
    delta: int = 128,
    steps: int | None = None,
    inputs: Any = None,
    cores: int | None = None,
) -> LowPassNetwork:
    """A Keras model that is a chain of LowPassRNN and LowPassDense layers, with or without a linear
    read-out (ReadOut, Dense) as its last one, as a Network of sigma-delta neurons, and a report.

    delta: decay of the filters that make and read spikes, 1..4096 of 4096 a step. steps: of the
    core for a step (frame) of the model; None: as many as keep the layers' alpha at that decay, 7
    for alpha = 0.8 at delta = 128 (the trainer's). inputs: what the model will be given, (frames,
    features) or (samples, frames, features): the report says what they reach, and their first
    overflow. cores: Network's. LimitError in one line names what the core cannot do."""
    layers = [layer for layer in _chain(model) if type(layer).__name__ not in NO_EFFECT]
    read = [_layer(layer, layer is layers[-1]) for layer in layers]
    hidden = [x for x in read if isinstance(x, LowPassLayer)]
    last = read[-1] if read and isinstance(read[-1], ReadOutLayer) else None
    if not hidden:
        raise LimitError("the model has no low-pass layer, expected LowPassRNN or LowPassDense")
    return convert(hidden, last, delta, steps, inputs, cores)


def _chain(model: Any) -> list[Any]:
    """Its layers, each of which takes the output of the one before it alone."""
    layers = list(getattr(model, "layers", ()))
    for before, after in zip(layers, layers[1:]):
        if after.input is not before.output:
            raise LimitError(
                f"layer {after.name} does not follow {before.name} alone, expected a chain of "
                "layers as keras.Sequential makes it"
            )
    return layers


def _is(layer: Any, names: tuple[str, ...]) -> bool:
    return any(c.__name__ in names for c in type(layer).__mro__)


def _layer(layer: Any, last: bool) -> LowPassLayer | ReadOutLayer:
    if _is(layer, LOW_PASS):
        return _low_pass(layer, last)
    linear = getattr(getattr(layer, "activation", None), "__name__", "linear") == "linear"
    if last and linear and _is(layer, READ_OUT):
        kernel = _weights(layer.kernel, getattr(layer, "kernel_quantizer", None))
        bias = np.zeros(kernel.shape[1]) if layer.bias is None else _array(layer.bias)
        return ReadOutLayer(layer.name, kernel, bias)
    raise LimitError(
        f"layer {layer.name} ({type(layer).__name__}) cannot run on the core: expected LowPassRNN "
        "or LowPassDense, and at the end a linear ReadOut or Dense; "
        "edge_lp_train.convert.to_low_pass makes such a chain of Dense, SimpleRNN and "
        "BatchNormalization"
    )


def _low_pass(layer: Any, last: bool) -> LowPassLayer:
    if layer.go_backwards or layer.stateful or not (layer.return_sequences or last):
        raise LimitError(
            f"layer {layer.name} goes backwards, is stateful, or returns its last step to another "
            "layer; expected none of these"
        )
    cell = layer.cell
    return LowPassLayer(
        layer.name,
        _weights(cell.kernel, cell.kernel_quantizer),
        _weights(cell.recurrent_kernel, cell.recurrent_quantizer) if cell.recurrent else None,
        _array(cell.bias),
        np.broadcast_to(_array(cell.retention()), (cell.units,)),
        float(cell.clip),
    )


def _weights(values: Any, quantizer: Any) -> np.ndarray:
    """As the layer applies them."""
    return _array(values if quantizer is None else quantizer(values))


def _array(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32).astype(float)
