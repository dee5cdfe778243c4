# SPDX-License-Identifier: Apache-2.0
"""A layer of P1's units in TensorFlow, as the authors' simulator was: on a GPU where there is one.

The loop over the steps is one compiled program (XLA). A step's work is a product with a matrix and
some sums, so a GPU is of use to layers of thousands of units or to many networks at once; on a CPU
the C of `layer` is faster."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from edge_lp_papers.spiker.neuron import ANN, V1, V2, Neuron, parameters


class Layer:
    """As layer.Layer. recurrent may also be (networks, units, units), and then all networks of
    these units run at the same time: drive is (steps, networks, units), and so are the states."""

    def __init__(self, neuron: Neuron, recurrent: np.ndarray, output: np.ndarray | None = None):
        recurrent = np.asarray(recurrent, float)
        shape = recurrent.shape[:-1]
        self.neuron, self.recurrent = neuron, np.swapaxes(recurrent, -1, -2)
        output = np.zeros((*shape[:-1], 0, shape[-1])) if output is None else np.asarray(output)
        self.output = np.swapaxes(output, -1, -2)
        zero = np.zeros(shape)
        self.state: list[Any] = [zero, zero, zero, zero]  # i, s, e, spike

    def run(
        self, drive: np.ndarray, noisy: Neuron | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As layer.Layer.run. ValueError: a drive of other units."""
        if np.shape(drive)[1:] != self.recurrent.shape[:-1]:
            raise ValueError(
                f"a drive of {np.shape(drive)[1:]} for a layer of {self.recurrent.shape[:-1]}"
            )
        given = parameters(noisy or self.neuron, (len(drive), self.recurrent.shape[-1]))
        moving = {k: a for k, a in given.items() if a.ndim == 2}
        fixed = {k: a for k, a in given.items() if a.ndim == 1}
        simulate = _simulation(self.neuron.kind)
        s, spikes, *state = simulate(drive, self.recurrent, fixed, moving, self.state)
        self.state, s = state, s.numpy()
        # (steps, ..., units) by (..., units, outputs)
        out = np.moveaxis(np.moveaxis(s, 0, -2) @ self.output, -2, 0)
        return s, spikes.numpy().astype(np.uint8), out


@cache
def _simulation(kind: int) -> Any:
    """The compiled loop: (drive, recurrent transposed, parameters, those with a row for each step,
    state) -> s, spikes (float), state."""
    import tensorflow as tf

    step = {ANN: _ann, V1: _v1, V2: _v2}[kind]

    @tf.function(jit_compile=True)
    def simulate(drive: Any, recurrent: Any, fixed: Any, moving: Any, state: Any) -> Any:
        steps = drive.shape[0]
        rows = [tf.TensorArray(drive.dtype, steps, element_shape=drive.shape[1:]) for _ in "s1"]

        def body(t: Any, s_rows: Any, spike_rows: Any, *state: Any) -> Any:
            i, s, e, spike = state
            back = tf.einsum("...j,...jk->...k", s, recurrent)
            p = fixed | {name: a[t] for name, a in moving.items()}
            state = step(drive[t] + back, i, s, e, spike, p)
            return t + 1, s_rows.write(t, state[1]), spike_rows.write(t, state[3]), *state

        _, s_rows, spike_rows, *state = tf.while_loop(
            lambda t, *_: t < steps, body, [0, *rows, *state], maximum_iterations=steps
        )
        return s_rows.stack(), spike_rows.stack(), *state

    def call(drive: Any, recurrent: Any, fixed: Any, moving: Any, state: Any) -> Any:
        real = [tf.constant(a, tf.float64) for a in (drive, recurrent)]
        named = [{k: tf.constant(a, tf.float64) for k, a in d.items()} for d in (fixed, moving)]
        return simulate(*real, *named, [tf.constant(a, tf.float64) for a in state])

    return call


def _filtered(x: Any, given: Any, keep: Any) -> Any:
    return keep * x + (1 - keep) * given


def _ann(x: Any, i: Any, s: Any, e: Any, spike: Any, p: dict[str, Any]) -> Any:
    """Eq. 6."""
    import tensorflow as tf

    return i, _filtered(s, tf.minimum(tf.maximum(x, 0.0), p["i_in"]), p["keep_s"]), e, spike


def _v1(x: Any, i: Any, s: Any, e: Any, spike: Any, p: dict[str, Any]) -> Any:
    """Eq. 1-3."""
    import tensorflow as tf

    i = _filtered(i, x, p["keep_in"])
    s = _filtered(s, p["i_in"] * spike, p["keep_s"])
    e = _filtered(e * (1 - spike), p["gain"] * tf.maximum(i - s, 0.0), p["keep_e"])
    return i, s, e, tf.cast(e > p["threshold"], e.dtype)


def _v2(x: Any, i: Any, s: Any, e: Any, spike: Any, p: dict[str, Any]) -> Any:
    import tensorflow as tf

    i = _filtered(i, x, p["keep_in"])
    s = tf.where(spike > 0, s + p["i_in"], s * p["keep_s"])
    e = _filtered(e, p["gain"] * (i - s), p["keep_e"])
    return i, s, e, tf.cast(e > p["threshold"], e.dtype)
