# SPDX-License-Identifier: Apache-2.0
"""A layer of P1's units, simulated in C (papers/spiker.c)."""

from __future__ import annotations

from typing import Any

import numpy as np

import edge_lp_papers._spiker as _spiker
from edge_lp_papers.spiker.neuron import Neuron, parameters

MOVING = {
    "keep_in": _spiker.lib.LP_SPIKER_KEEP_IN,
    "keep_s": _spiker.lib.LP_SPIKER_KEEP_S,
    "keep_e": _spiker.lib.LP_SPIKER_KEEP_E,
    "gain": _spiker.lib.LP_SPIKER_GAIN,
    "threshold": _spiker.lib.LP_SPIKER_THRESHOLD,
    "i_in": _spiker.lib.LP_SPIKER_I_IN,
}


class Layer:
    """recurrent (units, units) and output (outputs, units): matrices that multiply a column of s
    from the left. The state stays from one run to the next, so long inputs may come in pieces."""

    def __init__(self, neuron: Neuron, recurrent: np.ndarray, output: np.ndarray | None = None):
        units = len(recurrent)
        output = np.zeros((0, units)) if output is None else output
        self.neuron, self.units, self.outputs = neuron, units, len(output)
        self.arrays = {
            "weights": np.ascontiguousarray(np.concatenate([recurrent, output]).T, float),
            "i": np.zeros(units),
            "s": np.zeros(units),
            "e": np.zeros(units),
            "sum": np.zeros(units + len(output)),
            "spike": np.zeros(units, np.uint8),
            "list": np.zeros(units, np.uint32),
        }
        self.c = _spiker.ffi.new("lp_spiker *", {"kind": neuron.kind, "units": units})
        self.c.outputs = len(output)
        for name, a in self.arrays.items():
            setattr(self.c, name, _pointer(a))

    def run(
        self, drive: np.ndarray, noisy: Neuron | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """drive (steps, units), A: the input current but for the recurrence -> s (steps, units),
        A; spikes (steps, units), uint8; output (steps, outputs), A. noisy: the neurons in these
        steps, with parameters of (steps, units), in place of the layer's own."""
        drive = np.ascontiguousarray(drive, float)
        steps, units = drive.shape
        if units != self.units:
            raise ValueError(f"a drive of {units} units for a layer of {self.units}")
        given = parameters(noisy or self.neuron, drive.shape)
        self.c.moving = sum(MOVING[name] for name, a in given.items() if a.ndim == 2)
        for name, a in given.items():
            setattr(self.c, name, _pointer(a))
        s, out = np.empty((steps, units)), np.empty((steps, self.outputs))
        spikes = np.empty((steps, units), np.uint8)
        _spiker.lib.lp_spiker_run(
            self.c, steps, _pointer(drive), _pointer(s), _pointer(spikes), _pointer(out)
        )
        return s, spikes, out


def _pointer(a: np.ndarray) -> Any:
    kind = {"f8": "double *", "u1": "uint8_t *", "u4": "uint32_t *"}[a.dtype.str[1:]]
    return _spiker.ffi.cast(kind, a.ctypes.data)
