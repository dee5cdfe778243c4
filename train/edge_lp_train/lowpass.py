# SPDX-License-Identifier: Apache-2.0
"""The output of another recurrent cell, low-passed (Nair & Indiveri, "High-performance RNNs with
spiking neurons"): LowPass around any Keras cell, and the lpLSTM of eq. 24.

    h_t, ... = cell(x_t, y_{t-1}, ...),   y_t = a y_{t-1} + (1 - a) h_t,   y_0 = 0

What is not the cell's output, such as an LSTM's c, is not filtered. LowPass around
a SimpleRNNCell with ReLU is what the core runs (convert.to_low_pass makes a model of it); with
gates these layers are for training and for comparison: the spiking core has none."""

from __future__ import annotations

from typing import Any, Sequence

import keras
from keras import ops

from edge_lp_train.retention import ALPHA_ARGS, Filtered, FilteredRNN, positive


@keras.saving.register_keras_serializable(package="edge_lp")
class LowPassCell(Filtered):
    """One step of a cell whose output is low-passed.

    Args:
        cell: a Keras RNN cell (keras.layers.LSTMCell, GRUCell, SimpleRNNCell, StackedRNNCells or
            one of your own). alpha, alpha_range, learn_alpha, seed: as of LowPassRNNCell.
        feedback: True: what recurs is the filtered output, as in eq. 24; the cell's first state
            has to be its output, as it is in Keras's own cells. False: the cell recurs as it did,
            and y is one state more, the first one.
    """

    def __init__(
        self,
        cell: Any,
        alpha: float | Sequence[float] = 0.8,
        alpha_range: Sequence[float] | None = None,
        learn_alpha: bool = False,
        feedback: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not hasattr(cell, "state_size") or isinstance(cell, keras.layers.RNN):
            raise ValueError(
                f"cell must be an RNN cell, as keras.layers.LSTMCell(8), received {cell!r}"
            )
        sizes = cell.state_size
        sizes = list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]
        units = getattr(cell, "output_size", None)
        self.units = positive("the cell's output_size", sizes[0] if units is None else units)
        if feedback and sizes[0] != self.units:
            raise ValueError(
                "feedback needs a cell whose first state is its output; this one's states are of "
                f"sizes {sizes}, its output of {self.units}: take feedback=False"
            )
        self.cell, self.feedback = cell, feedback
        self.set_alpha(alpha, alpha_range, learn_alpha, seed)
        self.state_size = sizes if feedback else [self.units, *sizes]
        self.output_size = self.units

    def build(self, input_shape: Sequence[int | None]) -> None:
        if isinstance(self.cell, keras.layers.Layer) and not self.cell.built:
            self.cell.build(input_shape)
        self.add_alpha()

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        y, inner = states[0], list(states if self.feedback else states[1:])
        given = {"training": training} if getattr(self.cell, "_call_has_training_arg", 0) else {}
        h, after = self.cell(inputs, inner, **given)
        after = list(after) if isinstance(after, (list, tuple)) else [after]
        a = self.retention()
        y = a * y + (1.0 - a) * ops.cast(h, self.compute_dtype)
        rest = after[1:] if self.feedback else after
        return y, [y, *keras.tree.map_structure(self._as_state, rest)]

    def _as_state(self, value: Any) -> Any:
        return ops.cast(value, self.compute_dtype)

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        def zeros(size: Any) -> Any:
            if isinstance(size, (list, tuple)):
                return [zeros(s) for s in size]
            return ops.zeros((batch_size, size), dtype=self.compute_dtype)

        if not hasattr(self.cell, "get_initial_state"):
            return zeros(self.state_size)
        inner = self.cell.get_initial_state(batch_size=batch_size)
        inner = list(inner) if isinstance(inner, (list, tuple)) else [inner]
        inner = keras.tree.map_structure(self._as_state, inner)
        return inner if self.feedback else [zeros(self.units), *inner]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "feedback": self.feedback,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> LowPassCell:
        cell = keras.saving.deserialize_keras_object(config.pop("cell"), custom_objects)
        return cls(cell, **config)


@keras.saving.register_keras_serializable(package="edge_lp")
class LowPass(FilteredRNN):
    """A recurrent layer of a cell whose output is low-passed: (batch, time, features) -> (batch,
    time, units), or (batch, units) of the last step.

    Takes LowPassCell's arguments and those of keras.layers.RNN (return_sequences, return_state,
    go_backwards, stateful, ...); a step that a mask leaves out changes no state. The filter's state
    is float32 in half precision, the cell has its own dtype.

    >>> import numpy as np
    >>> cell = keras.layers.SimpleRNNCell(2, activation="relu", bias_initializer="ones")
    >>> y = LowPass(cell, alpha=0.5, feedback=False)(np.zeros((1, 1, 3)))
    >>> np.array(y).tolist()
    [[0.5, 0.5]]
    """

    def __init__(self, cell: Any, **kwargs: Any) -> None:
        names = (*ALPHA_ARGS, "feedback")
        given = {k: kwargs.pop(k) for k in names if k in kwargs}
        filtered = LowPassCell(
            cell,
            dtype=self.cell_policy(kwargs.get("dtype")),
            trainable=kwargs.get("trainable", True),
            **given,
        )
        super().__init__(filtered, **kwargs)

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        """Dropout masks of the cell inside are drawn before the loop, as those of a bare cell."""
        inner = self.cell.cell
        if drops := hasattr(inner, "get_dropout_mask"):
            states = self.get_initial_state(ops.shape(sequences)[0])
            inner.get_dropout_mask(sequences[:, 0])
            inner.get_recurrent_dropout_mask(states[0 if self.cell.feedback else 1])
        out = super().call(sequences, initial_state, mask, training)
        if drops:
            inner.reset_dropout_mask()
            inner.reset_recurrent_dropout_mask()
        return out

    def get_config(self) -> dict[str, Any]:
        cell = self.cell.get_config()
        wanted = (*ALPHA_ARGS, "feedback", "cell")
        return {**super().get_config(), **{k: cell[k] for k in wanted}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> LowPass:
        cell = keras.saving.deserialize_keras_object(config.pop("cell"), custom_objects)
        return cls(cell, **config)


_LSTM_ARGS = (
    "activation",
    "recurrent_activation",
    "use_bias",
    "unit_forget_bias",
    "kernel_initializer",
    "recurrent_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "recurrent_regularizer",
    "bias_regularizer",
    "kernel_constraint",
    "recurrent_constraint",
    "bias_constraint",
    "dropout",
    "recurrent_dropout",
)


@keras.saving.register_keras_serializable(package="edge_lp")
class LowPassLSTM(LowPass):
    """The lpLSTM (P1, eq. 24): an LSTM whose output h is low-passed; the filtered h is the output
    and what recurs, the cell state c is not filtered.

        i, f, o = recurrent_activation(W x_t + U y_{t-1} + b)
        c_t = f c_{t-1} + i activation(W_c x_t + U_c y_{t-1} + b_c)
        y_t = a y_{t-1} + (1 - a) o activation(c_t)

    activation and recurrent_activation default to the paper's ReLU and sigmoid; its code takes tanh
    and hard_sigmoid whatever it is told. Other arguments: those of keras.layers.LSTMCell, LowPass
    and keras.layers.RNN. States, in this order: y and c, (batch, units) each."""

    def __init__(
        self,
        units: int,
        activation: Any = "relu",
        recurrent_activation: Any = "sigmoid",
        return_sequences: bool = False,
        **kwargs: Any,
    ) -> None:
        if "cell" in kwargs or "feedback" in kwargs:
            raise ValueError("LowPassLSTM makes its own cell; for another one take LowPass")
        cell = keras.layers.LSTMCell(
            positive("units", units),
            activation=activation,
            recurrent_activation=recurrent_activation,
            dtype=self.cell_policy(kwargs.get("dtype")),
            trainable=kwargs.get("trainable", True),
            seed=kwargs.get("seed"),
            **{k: kwargs.pop(k) for k in _LSTM_ARGS if k in kwargs},
        )
        super().__init__(cell, return_sequences=return_sequences, **kwargs)

    def get_config(self) -> dict[str, Any]:
        config, lstm = super().get_config(), self.cell.cell.get_config()
        del config["cell"], config["feedback"]
        return {**config, "units": lstm["units"], **{k: lstm[k] for k in _LSTM_ARGS}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> LowPassLSTM:
        return cls(**config)
