# SPDX-License-Identifier: Apache-2.0
"""Replays golden cases (.npz: a network, its input spikes, and what independent emulators computed)
through the C core.

The arrays of a case are listed in SPEC.md, "Golden cases". Spikes are compared at every step and
compartment; u and v at every step by the CRC-32 of the whole row, and value by value where the case
records them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_lp import core
from edge_lp.errors import EdgeLpError
from edge_lp.files import read_arrays

MAX_VALUES = 1 << 26  # steps * compartments: nine bytes each while a case runs


class CaseError(EdgeLpError):
    """A file that is not a golden case."""


@dataclass(frozen=True)
class Difference:
    """The first one. compartment is None where only the row's checksum is known."""

    step: int
    compartment: int | None
    quantity: str
    expected: int
    got: int

    def __str__(self) -> str:
        if self.compartment is None:
            return (
                f"step {self.step}, {self.quantity}, row checksum: "
                f"expected {self.expected:08x}, got {self.got:08x}"
            )
        return (
            f"step {self.step}, compartment {self.compartment}, {self.quantity}: "
            f"expected {self.expected}, got {self.got}"
        )


class Case:
    """A case's arrays, read and checked: every index, length and range, so that damage gives one
    clear line."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            self._z = read_arrays(path)
        except EdgeLpError as e:
            raise CaseError(f"{e}; expected a golden case") from None
        self.steps, self.n, self.n_in = (
            self._number("T", 1),
            self._number("N", 1, 65536),
            self._number("n_in", 0, 65536),
        )
        if self.steps * self.n > MAX_VALUES:
            raise CaseError(
                f"{path}: {self.steps} steps of {self.n} compartments, at most {MAX_VALUES} "
                "values are supported"
            )
        limit = 2**23 - 1
        self.vmin, self.vmax = self._number("vmin", -limit, 0), self._number("vmax", 0, limit)
        each = (self.n,)
        self.du, self.dv = (
            self._array("delta_u", each, 0, 4096),
            self._array("delta_v", each, 0, 4096),
        )
        self.vth = self._array("vth_mant", each, 0, 131071) << 6
        self.bias = self._array("bias_mant", each, -4096, 4095) << self._array(
            "bias_exp", each, 0, 7
        )
        self.refract = self._array("refract", each, 1, 64)
        self.src = self._array("syn_src", None, 0, self.n_in + self.n - 1)
        self.dst = self._array("syn_dst", self.src.shape, 0, self.n - 1)
        self.w = self._array("syn_w", self.src.shape, -(2**21), 2**21 - 64)
        if (self.w & 63).any():
            raise CaseError(f"{path}: syn_w has a weight that is not a multiple of 64")
        self.delay = self._array("syn_delay", self.src.shape, 0, core.MAX_DELAY)
        self.in_t = self._array("in_t", None, 0, self.steps - 1)
        self.in_axon = self._array("in_idx", self.in_t.shape, 0, self.n_in - 1)
        k = self._number("loihi1_out", 0, self._number("n_out", 1) - 1)
        self.probe = self._array("probe_idx", None, 0, self.n - 1)
        self.spk_t = self._array(f"out{k}_spk_t", None, 0, self.steps - 1)
        self.spk_i = self._array(f"out{k}_spk_i", self.spk_t.shape, 0, self.n - 1)
        recorded, big = (self.steps, len(self.probe)), 2**62
        self.dtype = self._get(f"out{k}_u").dtype.newbyteorder("<")
        self.rows = {q: self._array(f"out{k}_{q}", recorded, -big, big) for q in ("u", "v")}
        self.crc = {
            q: self._array(f"out{k}_{q[0]}_crc", (self.steps,), 0, 2**32 - 1)
            for q in ("u", "v", "spikes")
        }

    def _get(self, name: str) -> np.ndarray:
        if name not in self._z:
            raise CaseError(f"{self.path}: no array {name!r}, it is not a golden case")
        a = self._z[name]
        if a.dtype.kind not in "iu":
            raise CaseError(f"{self.path}: {name} has type {a.dtype}, expected integers")
        return a

    def field(self, name: str) -> np.ndarray:
        """Any other integer array of the case, unchecked, as int64."""
        return self._get(name).astype(np.int64)

    def _number(self, name: str, lo: int, hi: int = 2**31 - 1) -> int:
        return int(self._array(name, (), lo, hi))

    def _array(self, name: str, shape: tuple | None, lo: int, hi: int) -> np.ndarray:
        a = self._get(name)
        if (a.ndim != 1) if shape is None else (a.shape != shape):
            raise CaseError(
                f"{self.path}: {name} has shape {a.shape}, expected {shape or 'one dimension'}"
            )
        if a.size and (a.min() < lo or a.max() > hi):
            raise CaseError(
                f"{self.path}: {name} reaches from {a.min()} to {a.max()}, expected {lo} to {hi}"
            )
        return a.astype(np.int64)

    def core(self) -> core.Core:
        """The case's network: one group, sparse synapses for each source kind and delay."""
        group = core.Group(
            self.n, self.du, self.dv, self.vth, self.bias, self.refract, self.vmin, self.vmax
        )
        synapses = []
        for from_input in (True, False):
            for d in np.unique(self.delay):
                k = np.flatnonzero(((self.src < self.n_in) == from_input) & (self.delay == d))
                if not len(k):
                    continue
                src = self.src[k] - (0 if from_input else self.n_in)
                k, src = k[order := np.argsort(src, kind="stable")], src[order]
                rows = np.searchsorted(src, np.arange((self.n_in if from_input else self.n) + 1))
                synapses.append(
                    core.Synapses(
                        None if from_input else 0,
                        0,
                        int(d),
                        sparse=(rows, self.dst[k], self.w[k] >> 6),
                    )
                )
        return core.Core([group], synapses, self.n_in)

    def run(self) -> dict[str, np.ndarray]:
        """u, v, spikes: (steps, n)."""
        order = np.argsort(self.in_t, kind="stable")
        starts = np.searchsorted(self.in_t[order], np.arange(self.steps + 1))
        what = ("u", "v", "spikes")
        return dict(
            zip(
                what,
                self.core().run(self.steps, starts, self.in_axon[order], [(0, w) for w in what]),
            )
        )

    def compare(self, got: dict[str, np.ndarray]) -> Difference | None:
        """The first difference by step; at the same step spikes before u before v, values before
        checksums."""
        spikes = np.zeros((self.steps, self.n), np.uint8)
        spikes[self.spk_t, self.spk_i] = 1
        found = [self._first(spikes, got["spikes"], np.arange(self.n), "spikes")]
        found += [
            self._first(self.rows[q], got[q][:, self.probe], self.probe, q) for q in ("u", "v")
        ]
        for q, row_type in (("spikes", np.dtype(np.uint8)), ("u", self.dtype), ("v", self.dtype)):
            crc = np.array([zlib.crc32(row.tobytes()) for row in got[q].astype(row_type)])
            if (bad := np.flatnonzero(crc != self.crc[q])).size:
                t = int(bad[0])
                found.append(Difference(t, None, q, int(self.crc[q][t]), int(crc[t])))
        return min((d for d in found if d), key=lambda d: d.step, default=None)

    def _first(
        self, expected: np.ndarray, got: np.ndarray, compartments: np.ndarray, quantity: str
    ) -> Difference | None:
        bad = expected != got
        if not bad.any():
            return None
        t, i = np.argwhere(bad)[0]
        return Difference(
            int(t), int(compartments[i]), quantity, int(expected[t, i]), int(got[t, i])
        )


def replay(path: str | Path) -> Difference | None:
    """None: the C core gives the case's every spike, current and voltage. CaseError: no golden
    case."""
    case = Case(path)
    return case.compare(case.run())
