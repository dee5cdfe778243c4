# SPDX-License-Identifier: Apache-2.0
"""A layer of P1's units in NumPy, line by line as the equations have it: what `layer` is measured
by."""

from __future__ import annotations

import numpy as np

from edge_lp_papers.spiker.neuron import ANN, V1, V2, Neuron, retention


class Layer:
    """As layer.Layer."""

    def __init__(self, neuron: Neuron, recurrent: np.ndarray, output: np.ndarray | None = None):
        self.p, self.recurrent = neuron, recurrent
        self.output = np.zeros((0, len(recurrent))) if output is None else output
        self.i = np.zeros(len(recurrent))
        self.s, self.e = self.i.copy(), self.i.copy()
        self.spike = self.i > 0

    def run(self, drive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        step = {ANN: self._ann, V1: self._v1, V2: self._v2}[self.p.kind]
        s, spikes = np.empty(drive.shape), np.empty(drive.shape, np.uint8)
        for t, x in enumerate(drive):
            step(x + self.recurrent @ self.s)
            s[t], spikes[t] = self.s, self.spike
        return s, spikes, s @ self.output.T

    def _ann(self, x: np.ndarray) -> None:
        """Eq. 6."""
        self.s = _filtered(self.s, np.clip(x, 0, self.p.i_in), self.p.tau_w, self.p.step)

    def _v1(self, x: np.ndarray) -> None:
        """Eq. 1-3."""
        p = self.p
        self.e[self.spike] = 0
        self.i = _filtered(self.i, x, p.tau_in, p.step)
        self.s = _filtered(self.s, p.i_in * self.spike, p.tau_w, p.step)
        self.e = _filtered(self.e, p.gain * np.maximum(self.i - self.s, 0), p.tau_mem, p.step)
        self.spike = self.e > p.delta

    def _v2(self, x: np.ndarray) -> None:
        p = self.p
        self.i = _filtered(self.i, x, p.tau_in, p.step)
        self.s = np.where(self.spike, self.s + p.i_in, self.s * retention(p.tau_w, p.step))
        self.e = _filtered(self.e, p.gain * (self.i - self.s), p.tau_mem, p.step)
        self.spike = self.e > p.delta


def _filtered(x, given, tau, step):
    keep = retention(tau, step)
    return keep * x + (1 - keep) * given
