# SPDX-License-Identifier: Apache-2.0
"""The low-pass layer with its recurrence in C (train/scan.c) in place of one TensorFlow operation
for each product: the same numbers to float rounding, forward and backward, in a fraction of the
time. The trainer's nets are made of it where there is the C module; models of one's own are made of
layers.LowPassRNN, which needs nothing but Keras."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from edge_lp_train.layers import LowPassDense, LowPassRNN
from edge_lp_train.spiking import SpikingDense, SpikingRNN

try:
    import edge_lp_train._scan as _scan
except ImportError:  # a compiler without vectors, or an installation without a compiler
    _scan = None

THREADS = int(os.environ.get("TF_NUM_INTRAOP_THREADS") or os.cpu_count() or 1)
_pool = ThreadPoolExecutor(THREADS)


def low_pass_layer(recurrent: bool, spiking: bool = False) -> type[LowPassRNN]:
    """The fastest low-pass layer there is."""
    fast = _scan is not None and keras.backend.backend() == "tensorflow"
    if spiking:
        kinds = (ScanSpikingRNN, ScanSpikingDense) if fast else (SpikingRNN, SpikingDense)
    else:
        kinds = (ScanRNN, ScanDense) if fast else (LowPassRNN, LowPassDense)
    return kinds[0] if recurrent else kinds[1]


def _pointer(a: np.ndarray) -> Any:
    kind = {"f": "float *", "u": "uint8_t *"}[a.dtype.kind]
    return _scan.ffi.cast(kind, a.ctypes.data)


def _empty(shape: tuple[int, ...], kind: Any) -> np.ndarray:
    """An array where TensorFlow takes it over; one that does not lie on 64 bytes it would copy."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    memory = np.empty(size + 64, np.uint8)
    first = -memory.ctypes.data % 64
    return memory[first : first + size].view(kind).reshape(shape)


def _rows(call: Callable[[int, int], int], batch: int) -> None:
    """call(first, last) on the rows of a batch, a share for each thread. cffi lets go of the
    interpreter's lock."""
    edges = np.linspace(0, batch, min(THREADS, max(1, batch // 8)) + 1).astype(int).tolist()
    if any(_pool.map(call, edges, edges[1:])):
        raise MemoryError("no memory for the recurrence")


class _Scan:
    """A call of the C code. a (units,): retention of a sub-step; limit: I_in; shape: of the drive,
    (batch, frames, units). Other arrays: scan.h."""

    def __init__(
        self, a: np.ndarray, limit: float, sub_steps: int, spiking: bool, shape: tuple[int, ...]
    ) -> None:
        batch, frames, units = self.shape = shape
        self.steps = (batch, frames * sub_steps, units)
        self.a = np.ascontiguousarray(a)  # the C struct points to it
        self.c = _scan.ffi.new(
            "lp_scan *", (frames, sub_steps, batch, units, _pointer(self.a), limit, spiking)
        )

    def forward(self, drive: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, ...]:
        drive, u = np.ascontiguousarray(drive), np.ascontiguousarray(u)
        before, inside = _empty(self.steps, np.float32), _empty(self.steps, np.uint8)
        out = _empty(self.shape, np.float32)
        fixed = tuple(map(_pointer, (u, drive, before, inside, out)))
        _rows(lambda i, k: _scan.lib.lp_scan_forward(self.c, i, k, *fixed), self.shape[0])
        return out, before, inside

    def backward(
        self, dy: np.ndarray, u: np.ndarray, inside: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        dy, transposed = np.ascontiguousarray(dy), np.ascontiguousarray(u.T)
        dz, d_drive = _empty(self.steps, np.float32), _empty(self.shape, np.float32)
        fixed = tuple(map(_pointer, (transposed, dy, inside, dz, d_drive)))
        _rows(lambda i, k: _scan.lib.lp_scan_backward(self.c, i, k, *fixed), self.shape[0])
        return d_drive, dz


def recurrence(
    drive: Any, u: Any, a: Any, limit: float, sub_steps: int, spiking: bool = False
) -> Any:
    """drive (batch, frames, units), u (units, units), a (units,) -> y (batch, frames, units) of
    each frame's last sub-step; spiking (sub_steps is 1): y before each step. There is no gradient
    for a."""
    import tensorflow as tf

    fixed, real = (float(limit), sub_steps, spiking), tf.float32

    def forward(d: np.ndarray, u: np.ndarray, a: np.ndarray) -> Any:
        return _Scan(a, *fixed, d.shape).forward(d, u)

    def backward(dy: np.ndarray, a: np.ndarray, *kept: np.ndarray) -> Any:
        if spiking:  # y before a step is y behind the one before
            dy = np.concatenate([dy[:, 1:], np.zeros_like(dy[:, :1])], axis=1)
        return _Scan(a, *fixed, dy.shape).backward(dy, *kept)

    @tf.custom_gradient
    def run(drive: Any, u: Any, a: Any) -> Any:
        after, before, inside = tf.numpy_function(forward, [drive, u, a], [real, real, tf.uint8])
        y = before if spiking else after
        y.set_shape(drive.shape)

        def grad(dy: Any) -> Any:
            d_drive, dz = tf.numpy_function(backward, [dy, a, u, inside], [real, real])
            d_drive.set_shape(drive.shape)
            flat = [tf.reshape(v, (-1, u.shape[0])) for v in (before, dz)]
            return d_drive, tf.matmul(*flat, transpose_a=True), None

        return y, grad

    return run(drive, u, a)


class _InC(LowPassRNN):
    """A layer for whole sequences from a state of zero, in float32, with alpha not learnt."""

    _spiking = False

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        if not self.return_sequences or self.cell.learn_alpha or self.stateful:
            raise ValueError("the C recurrence takes return_sequences, no state and no learn_alpha")

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        import tensorflow as tf

        if initial_state is not None or mask is not None:
            return super().call(sequences, initial_state, mask, training)
        cell = self.cell
        w, u = cell.matrices()
        w = tf.convert_to_tensor(w)
        u = tf.zeros((cell.units, cell.units)) if u is None else tf.convert_to_tensor(u)
        drive = tf.matmul(sequences, w) + cell.bias
        a = tf.pow(tf.convert_to_tensor(cell.retention()), 1.0 / cell.sub_steps)
        sub_steps = 1 if self._spiking else cell.sub_steps
        return recurrence(drive, u, a, cell.clip, sub_steps, self._spiking)


class ScanRNN(_InC):
    """LowPassRNN in C."""


class ScanDense(ScanRNN):
    """LowPassDense in the same code: a recurrence of zeros costs little beside what is around."""

    _recurrent = False


class ScanSpikingRNN(_InC, SpikingRNN):
    """SpikingRNN in C."""

    _spiking = True


class ScanSpikingDense(ScanSpikingRNN):
    """SpikingDense in C."""

    _recurrent = False
