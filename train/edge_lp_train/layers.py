# SPDX-License-Identifier: Apache-2.0
"""The low-pass RNN as Keras layers (Nair & Indiveri, "High-performance RNNs with spiking neurons",
eq. 6).

    z_t = W x_t + U y_{t-1} + b
    y_t = a y_{t-1} + (1 - a) clip(z_t, 0, I_in)

They are ordinary Keras 3 layers: serialisable, and usable in any model.
"""

from __future__ import annotations

import math
from typing import Any, Sequence

import keras
from keras import ops

from edge_lp_train.retention import ALPHA_ARGS, Filtered, FilteredRNN, positive


def _quantizer(name: str, value: Any) -> Any:
    """A callable, or None; from its configuration where a model is loaded."""
    if isinstance(value, dict):
        value = keras.saving.deserialize_keras_object(value)
    if value is not None and not callable(value):
        raise ValueError(f"{name} must be callable, as quantize.CodeQuantizer, received {value!r}")
    return value


@keras.saving.register_keras_serializable(package="edge_lp")
class LowPassRNNCell(Filtered):
    """One step of a low-pass recurrent layer.

    Args:
        units: number of neurons. alpha: retention factor of a whole step (frame), one number or one
            per unit, each in [0, 1). alpha_range: (low, high); draws alpha per unit uniformly from
            it (with `seed`) in place of `alpha`. learn_alpha: train alpha, per unit, through a
            sigmoid; it starts from the values above, which must then be above 0.
        clip: I_in, the upper limit of the activation clip(z, 0, I_in). sub_steps: updates per step,
            each with alpha ** (1 / sub_steps) and a fresh recurrent input; W x + b is held. The
            spiking core feeds back within a frame, so a net trained with two sub-steps runs on it
            without loss (DESIGN.md, "What is trained is what runs").
        recurrent: False gives the feed-forward layer (U = 0). kernel_quantizer,
            recurrent_quantizer: callables applied to W and U in every call, e.g.
            quantize.CodeQuantizer.

    State and output: (batch, units), 0 <= y <= I_in.
    """

    def __init__(
        self,
        units: int,
        alpha: float | Sequence[float] = 0.8,
        alpha_range: Sequence[float] | None = None,
        learn_alpha: bool = False,
        clip: float = 6.0,
        sub_steps: int = 1,
        recurrent: bool = True,
        kernel_quantizer: Any = None,
        recurrent_quantizer: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.sub_steps = positive("units", units), positive("sub_steps", sub_steps)
        if clip <= 0:
            raise ValueError(f"clip (I_in) must be positive, received {clip}")
        self.set_alpha(alpha, alpha_range, learn_alpha, seed)
        self.clip, self.recurrent = clip, recurrent
        self.kernel_quantizer = _quantizer("kernel_quantizer", kernel_quantizer)
        self.recurrent_quantizer = _quantizer("recurrent_quantizer", recurrent_quantizer)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.state_size: Any = self.units
        self.output_size = self.units

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], self.units), initializer=self.kernel_initializer
        )
        if self.recurrent:
            self.recurrent_kernel = self.add_weight(
                name="recurrent_kernel",
                shape=(self.units, self.units),
                initializer=self.recurrent_initializer,
            )
        self.bias = self.add_weight(
            name="bias", shape=(self.units,), initializer=self.bias_initializer
        )
        self.add_alpha()

    def matrices(self) -> tuple[Any, Any]:
        """W and U as they are applied, U None without recurrence."""
        w = self.kernel if self.kernel_quantizer is None else self.kernel_quantizer(self.kernel)
        if not self.recurrent:
            return w, None
        u = self.recurrent_kernel
        return w, u if self.recurrent_quantizer is None else self.recurrent_quantizer(u)

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        y, (w, u) = states[0], self.matrices()
        a = ops.power(self.retention(), 1.0 / self.sub_steps)
        drive = ops.matmul(inputs, w) + self.bias
        for _ in range(self.sub_steps):
            z = drive if u is None else drive + ops.matmul(y, u)
            y = a * y + (1.0 - a) * ops.clip(z, 0.0, self.clip)
        return y, [y]

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "clip": self.clip,
            "sub_steps": self.sub_steps,
            "recurrent": self.recurrent,
            "kernel_quantizer": keras.saving.serialize_keras_object(self.kernel_quantizer),
            "recurrent_quantizer": keras.saving.serialize_keras_object(self.recurrent_quantizer),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": keras.initializers.serialize(self.recurrent_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }


_CELL_ARGS = (
    *ALPHA_ARGS,
    "clip",
    "sub_steps",
    "kernel_quantizer",
    "recurrent_quantizer",
    "kernel_initializer",
    "recurrent_initializer",
    "bias_initializer",
)


@keras.saving.register_keras_serializable(package="edge_lp")
class LowPassRNN(FilteredRNN):
    """A recurrent low-pass layer: (batch, time, features) -> (batch, time, units), or (batch,
    units) of the last step.

    Takes LowPassRNNCell's arguments and those of keras.layers.RNN (return_sequences, go_backwards,
    stateful, dtype, ...). In half precision (mixed or not) state and weights stay float32, as a
    state that moves by (1 - alpha) of a difference comes to rest too early in 11 bits; what is
    returned has the layer's compute type.

    >>> import numpy as np
    >>> layer = LowPassRNN(4, alpha=0.5, return_sequences=True, bias_initializer="ones")
    >>> y = np.array(layer(np.zeros((1, 3, 2))))  # no input: y <- 0.5 y + 0.5 clip(1 + y U, 0, 6)
    >>> y.shape
    (1, 3, 4)
    >>> y[0, 0].tolist()
    [0.5, 0.5, 0.5, 0.5]
    """

    _recurrent = True
    _cell: type[LowPassRNNCell] = LowPassRNNCell

    def __init__(self, units: int, return_sequences: bool = False, **kwargs: Any) -> None:
        if "cell" in kwargs:
            raise ValueError(
                f"{type(self).__name__} makes its own cell; for another one take keras.layers.RNN"
            )
        cell_args = {k: kwargs.pop(k) for k in _CELL_ARGS if k in kwargs}
        cell = self._cell(
            units,
            recurrent=self._recurrent,
            dtype=self.cell_policy(kwargs.get("dtype")),
            trainable=kwargs.get("trainable", True),
            **cell_args,
        )
        super().__init__(cell, return_sequences=return_sequences, **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["cell"]
        cell = self.cell.get_config()
        return {**config, "units": cell["units"], **{k: cell[k] for k in _CELL_ARGS}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "LowPassRNN":
        return cls(**config)


@keras.saving.register_keras_serializable(package="edge_lp")
class LowPassDense(LowPassRNN):
    """The feed-forward low-pass layer (lpFF): LowPassRNN with U = 0."""

    _recurrent = False


@keras.saving.register_keras_serializable(package="edge_lp")
class ReadOut(keras.layers.Layer):
    """The linear output layer: logits = y W + b, with an optional quantiser on W."""

    def __init__(
        self, units: int, kernel_quantizer: Any = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.seed = units, seed
        self.kernel_quantizer = _quantizer("kernel_quantizer", kernel_quantizer)
        self.supports_masking = True

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units),
            initializer=keras.initializers.GlorotUniform(seed=self.seed),
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        w = self.kernel if self.kernel_quantizer is None else self.kernel_quantizer(self.kernel)
        return ops.matmul(inputs, w) + self.bias

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "seed": self.seed,
            "kernel_quantizer": keras.saving.serialize_keras_object(self.kernel_quantizer),
        }


@keras.saving.register_keras_serializable(package="edge_lp")
class WindowMean(keras.layers.Layer):
    """Mean over time with weights: (batch, time, n) and (batch, time) >= 0 -> (batch, n). The
    detector's sliding window, in training. Where all weights are 0, so is the mean."""

    def call(self, sequence: Any, weights: Any) -> Any:
        total = ops.sum(weights, axis=1, keepdims=True)
        w = ops.expand_dims(weights / ops.where(total > 0, total, ops.ones_like(total)), -1)
        return ops.sum(sequence * w, axis=1)


def frame_alpha(delta: int, steps: int) -> float:
    """alpha of a frame of `steps` core steps with decay `delta`: (1 - delta / 4096) ** steps
    (SPEC.md, "Network")."""
    return math.pow(1 - delta / 4096, steps)
