# SPDX-License-Identifier: Apache-2.0
"""The low-pass layer as the core runs it, in float: sigma-delta neurons, whose spikes carry the
activation (SPEC.md, "Network"; Boeshertz et al. 2024). Of a core step, with a = 1 - 1 / tau:

    z_t = W x_t + U y_t + b
    v_t = clip(a v_{t-1} + (1 - a) z_t, 0, I_in)
    s_t = v_t > y_t
    y_{t+1} = a y_t + (1 - a) I_in s_t            what the spikes up to t carry: the output

A spike has no gradient; that of y_{t+1} is taken to be that of the layer without spikes, a y_t +
(1 - a) clip(z_t, 0, I_in) (straight through, Bengio et al. 2013, arXiv:1308.3432). It differs from
the core by rounding alone, so a net that is trained in it has met the noise of its own spikes."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from edge_lp_train.layers import LowPassRNN, LowPassRNNCell


@keras.saving.register_keras_serializable(package="edge_lp")
class SpikingCell(LowPassRNNCell):
    """One core step of a spiking layer: takes LowPassRNNCell's arguments, of which alpha is of a
    whole frame and sub_steps the core steps of a frame. State: y and v (batch, units); output: y
    before the step."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.state_size = [self.units, self.units]

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        (y, v), (w, u) = states, self.matrices()
        a = ops.power(self.retention(), 1.0 / self.sub_steps)
        z = ops.matmul(inputs, w) + self.bias
        z = z if u is None else z + ops.matmul(y, u)
        v = ops.stop_gradient(ops.clip(a * v + (1.0 - a) * z, 0.0, self.clip))
        rate = a * y + (1.0 - a) * ops.clip(z, 0.0, self.clip)
        spiking = a * y + (1.0 - a) * self.clip * ops.cast(v > y, y.dtype)
        return y, [rate + ops.stop_gradient(spiking - rate), v]

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        return super().get_initial_state(batch_size) * 2


@keras.saving.register_keras_serializable(package="edge_lp")
class SpikingRNN(LowPassRNN):
    """LowPassRNN in core steps: (batch, steps, features) -> (batch, steps, units)."""

    _cell = SpikingCell


@keras.saving.register_keras_serializable(package="edge_lp")
class SpikingDense(SpikingRNN):
    """The feed-forward one."""

    _recurrent = False
