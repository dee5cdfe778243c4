# SPDX-License-Identifier: Apache-2.0
"""A layer of P1's units in NumPy, line by line as the equations have it: what `layer` is measured
by."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from edge_lp_papers.spiker.neuron import ANN, V1, V2, Neuron, parameters


class Layer:
    """As layer.Layer."""

    def __init__(self, neuron: Neuron, recurrent: np.ndarray, output: np.ndarray | None = None):
        self.p, self.recurrent = neuron, recurrent
        self.output = np.zeros((0, len(recurrent))) if output is None else output
        self.i = np.zeros(len(recurrent))
        self.s, self.e = self.i.copy(), self.i.copy()
        self.spike = self.i > 0

    def run(
        self, drive: np.ndarray, noisy: Neuron | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        step = {ANN: self._ann, V1: self._v1, V2: self._v2}[self.p.kind]
        given = parameters(noisy or self.p, drive.shape)
        s, spikes = np.empty(drive.shape), np.empty(drive.shape, np.uint8)
        for t, x in enumerate(drive):
            now = SimpleNamespace(**{k: a[t] if a.ndim == 2 else a for k, a in given.items()})
            step(x + self.recurrent @ self.s, now)
            s[t], spikes[t] = self.s, self.spike
        return s, spikes, s @ self.output.T

    def _ann(self, x: np.ndarray, p: SimpleNamespace) -> None:
        """Eq. 6."""
        self.s = _filtered(self.s, np.clip(x, 0, p.i_in), p.keep_s)

    def _v1(self, x: np.ndarray, p: SimpleNamespace) -> None:
        """Eq. 1-3."""
        self.e[self.spike] = 0
        self.i = _filtered(self.i, x, p.keep_in)
        self.s = _filtered(self.s, p.i_in * self.spike, p.keep_s)
        self.e = _filtered(self.e, p.gain * np.maximum(self.i - self.s, 0), p.keep_e)
        self.spike = self.e > p.threshold

    def _v2(self, x: np.ndarray, p: SimpleNamespace) -> None:
        self.i = _filtered(self.i, x, p.keep_in)
        self.s = np.where(self.spike, self.s + p.i_in, self.s * p.keep_s)
        self.e = _filtered(self.e, p.gain * (self.i - self.s), p.keep_e)
        self.spike = self.e > p.threshold


def _filtered(x: np.ndarray, given: np.ndarray, keep: np.ndarray) -> np.ndarray:
    return keep * x + (1 - keep) * given
