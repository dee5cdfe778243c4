# SPDX-License-Identifier: Apache-2.0
"""A trained chain of ordinary Keras layers -> one of low-pass layers, which the core can run: batch
normalisation is folded away, Dense and SimpleRNN become low-pass layers. P1's net for speech
commands is such a chain: Dense and batch normalisation twice, lpRNN twice, Dense (Nair & Indiveri,
"High-performance RNNs with spiking neurons").

    keras.Sequential --fold_batch_norm--> the same function --to_low_pass--> lp0, lp1 ... readout

From there on docs/layers.md, "A net of your own as a model"."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from edge_lp.errors import EdgeLpError

from edge_lp_train.layers import LowPassDense, LowPassRNN, ReadOut
from edge_lp_train.lowpass import LowPass

TRAINING_ONLY = (
    keras.layers.InputLayer,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
)  # the identity where a net runs
FOLDED_INTO = (
    keras.layers.Dense,
    keras.layers.SimpleRNN,
    keras.layers.LSTM,
    LowPassRNN,
    LowPass,
    ReadOut,
)


def chain(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a model, each of which takes the output of the one before it; those that act in
    training only are left out. EdgeLpError: it is no chain."""
    for before, after in zip(model.layers, model.layers[1:]):
        if after.input is not before.output:
            raise EdgeLpError(
                f"layer {after.name} does not follow {before.name} alone; expected a chain of "
                "layers, as keras.Sequential makes it"
            )
    return [layer for layer in model.layers if not isinstance(layer, TRAINING_ONLY)]


def _copy(layer: Any) -> Any:
    """The layer once more, with weights of its own."""
    again = type(layer).from_config(layer.get_config())
    again.build((None, *layer.input.shape[1:]))
    again.set_weights(layer.get_weights())
    return again


def _matrix(layer: Any) -> Any:
    """What has the layer's kernel and bias: itself, its cell, or the cell in that."""
    while hasattr(layer, "cell"):
        layer = layer.cell
    return layer


def _affine(norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """scale, shift (features,) of a batch normalisation that has been trained."""
    if norm.axis not in (-1, len(norm.input.shape) - 1):
        raise EdgeLpError(f"layer {norm.name} normalises axis {norm.axis}, expected the last one")
    mean, variance = np.array(norm.moving_mean, float), np.array(norm.moving_variance, float)
    scale = 1 / np.sqrt(variance + norm.epsilon)
    scale = scale * np.array(norm.gamma, float) if norm.scale else scale
    return scale, (np.array(norm.beta, float) if norm.center else 0) - mean * scale


def _fold(layer: Any, scale: np.ndarray, shift: np.ndarray, norm: str) -> None:
    """W' = diag(scale) W, b' = b + shift W: the layer then takes what the normalisation took."""
    if not isinstance(layer, FOLDED_INTO):
        names = ", ".join(k.__name__ for k in FOLDED_INTO)
        raise EdgeLpError(
            f"layer {norm} stands before {layer.name} ({type(layer).__name__}), which it cannot be "
            f"folded into; expected one of {names} behind it"
        )
    holder = _matrix(layer)
    if getattr(holder, "kernel_quantizer", None) is not None:
        raise EdgeLpError(f"layer {layer.name} has a quantiser; fold before weights are codes")
    kernel = np.array(holder.kernel, float)
    if getattr(holder, "bias", None) is None:
        raise EdgeLpError(f"layer {layer.name} has no bias for {norm} to be folded into; add one")
    holder.bias.assign(np.array(holder.bias, float) + shift @ kernel)
    holder.kernel.assign(scale[:, None] * kernel)


def fold_batch_norm(model: keras.Model) -> keras.Sequential:
    """The chain without BatchNormalization, each of them folded into the layer behind it
    (algorithm of P1's code: W' = W diag(g / sqrt(var + eps)), b' = b + W (beta - g mu / sqrt(var +
    eps))). The same outputs as the model's in inference, to rounding; layers that act in training
    only are gone. EdgeLpError in one line: what cannot be folded."""
    out: list[Any] = [keras.Input(model.input_shape[1:])]
    pending: tuple[np.ndarray, np.ndarray, str] | None = None
    for layer in chain(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            scale, shift = _affine(layer)
            if pending:
                scale, shift = pending[0] * scale, pending[1] * scale + shift
            pending = scale, shift, layer.name
            continue
        out.append(_copy(layer))
        if pending:
            _fold(out[-1], *pending)
            pending = None
    if pending:
        raise EdgeLpError(f"layer {pending[2]} has no layer behind it to be folded into")
    return keras.Sequential(out)


def _is(activation: Any, *names: str) -> bool:
    return keras.activations.serialize(activation) in names


def _filtered_dense(layer: Any, alpha: float, clip: float) -> LowPassDense:
    out = LowPassDense(layer.units, alpha=alpha, clip=clip, return_sequences=True)
    out.build((None, *layer.input.shape[1:]))
    out.cell.kernel.assign(layer.kernel)
    if layer.use_bias:
        out.cell.bias.assign(layer.bias)
    return out


def from_simple_rnn(layer: Any, alpha: float, clip: float = 6.0) -> LowPassRNN:
    """A SimpleRNN with ReLU as a low-pass layer that retains alpha, one number:

        U' = (U - alpha I) / (1 - alpha),   W' = W / (1 - alpha),   b' = b / (1 - alpha)

    As alpha y + (1 - alpha) z' = z, the outputs are the same while z' lies in 0..clip: no unit
    rises above `clip`, rises by more than (1 - alpha) clip in a step, or falls to less than alpha
    of its last value, which a filter cannot follow. With alpha 0 only the first of these is left.
    EdgeLpError: a SimpleRNN that is none of these."""
    cell = layer.cell
    if not _is(cell.activation, "relu", "relu6"):
        name = keras.activations.serialize(cell.activation)
        raise EdgeLpError(
            f"layer {layer.name} is a SimpleRNN with {name}, expected relu: spikes carry no "
            "negative activation"
        )
    if layer.go_backwards or layer.stateful:
        raise EdgeLpError(f"layer {layer.name} goes backwards or is stateful; expected neither")
    units, keep = cell.units, 1 - alpha
    out = LowPassRNN(units, alpha=alpha, clip=clip, return_sequences=layer.return_sequences)
    out.build((None, *layer.input.shape[1:]))
    out.cell.kernel.assign(np.array(cell.kernel, float) / keep)
    recurrent = np.array(cell.recurrent_kernel, float) - alpha * np.eye(units)
    out.cell.recurrent_kernel.assign(recurrent / keep)
    if cell.use_bias:
        out.cell.bias.assign(np.array(cell.bias, float) / keep)
    return out


def from_low_pass(layer: LowPass, clip: float = 6.0) -> LowPassRNN:
    """LowPass around a SimpleRNNCell with ReLU as a low-pass layer of the same weights and alpha:
    it is eq. 6 as it stands, but for the bound, so the outputs are the same while no unit's z is
    above `clip`. EdgeLpError: another cell, or one that recurs without the filter."""
    cell = layer.cell.cell
    simple = isinstance(cell, keras.layers.SimpleRNNCell)
    if not (simple and layer.cell.feedback and _is(cell.activation, "relu", "relu6")):
        raise EdgeLpError(
            f"layer {layer.name} ({type(layer).__name__} around {type(cell).__name__}) cannot run "
            "on the core, which has low-pass units without gates; expected LowPass around a "
            "SimpleRNNCell with relu, with feedback"
        )
    if layer.go_backwards or layer.stateful:
        raise EdgeLpError(f"layer {layer.name} goes backwards or is stateful; expected neither")
    alpha = np.array(layer.cell.retention(), float).tolist()
    out = LowPassRNN(cell.units, alpha=alpha, clip=clip, return_sequences=layer.return_sequences)
    out.build((None, *layer.input.shape[1:]))
    out.cell.kernel.assign(cell.kernel)
    out.cell.recurrent_kernel.assign(cell.recurrent_kernel)
    if cell.use_bias:
        out.cell.bias.assign(cell.bias)
    return out


def _read_out(layer: Any) -> ReadOut:
    if isinstance(layer, ReadOut):
        return _copy(layer)
    if not (isinstance(layer, keras.layers.Dense) and _is(layer.activation, "linear", "softmax")):
        raise EdgeLpError(
            f"the last layer, {layer.name}, is no Dense layer with linear or softmax activation; "
            "expected one, it becomes the logits"
        )
    out = ReadOut(layer.units)
    out.build((None, *layer.input.shape[1:]))
    out.kernel.assign(layer.kernel)
    if layer.use_bias:
        out.bias.assign(layer.bias)
    return out


def _hidden(layer: Any, alpha: float, clip: float) -> Any:
    """A low-pass layer for one of a chain."""
    if isinstance(layer, keras.layers.Dense) and _is(layer.activation, "relu", "relu6"):
        return _filtered_dense(layer, alpha, clip)
    if isinstance(layer, keras.layers.SimpleRNN):
        return from_simple_rnn(layer, alpha, clip)
    if isinstance(layer, LowPass):
        return from_low_pass(layer, clip)
    if type(layer) in (LowPassRNN, LowPassDense):
        return _copy(layer)
    raise EdgeLpError(
        f"layer {layer.name} ({type(layer).__name__}) cannot run on the core, which has low-pass "
        "units without gates; expected Dense or SimpleRNN with relu, LowPassDense, LowPassRNN "
        "or LowPass"
    )


def to_low_pass(model: keras.Model, alpha: float, clip: float = 6.0) -> keras.Model:
    """The chain in low-pass layers lp0, lp1, ... and a ReadOut, which net.weights_of takes:
    (batch, time, features) -> (batch, time, labels), logits of each frame.

    Batch normalisation is folded; Dense with ReLU becomes a LowPassDense of the same weights, which
    reaches what the Dense layer has at once as a filter does, alpha a frame; SimpleRNN as
    from_simple_rnn says, LowPass as from_low_pass; the softmax behind the last layer is left out.
    alpha: what the core will retain, layers.frame_alpha. EdgeLpError in one line: what the core
    cannot run."""
    layers = chain(fold_batch_norm(model))
    if isinstance(layers[-1], keras.layers.Activation) and _is(layers[-1].activation, "softmax"):
        layers.pop()
    made = [_hidden(layer, alpha, clip) for layer in layers[:-1]] + [_read_out(layers[-1])]
    x = features = keras.Input((None, model.input_shape[-1]), name="features")
    for i, layer in enumerate(made):
        name = "readout" if i == len(made) - 1 else f"lp{i}"
        config = {**layer.get_config(), "name": name}
        if name != "readout":
            config["return_sequences"] = True
        again = type(layer).from_config(config)
        x = again(x)
        again.set_weights(layer.get_weights())
    return keras.Model(features, x)
