# SPDX-License-Identifier: Apache-2.0
"""The Loihi-1 core a second time: NumPy, 64-bit integers, one line an equation, written from
SPEC.md "Core" and not from the C.

Slow and plain, to be compared with. Weights are computed from the mantissas here too. Every number
that leaves its register is noted in `overflows`, then treated as the chip treats it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from twins.learning import counted

U_BITS, Q_BITS, V_LIMIT = 24, 16, 2**23 - 1


@dataclass(frozen=True)
class Overflow:
    """The first quantity of a compartment's step that did not fit: q (accumulator), u, or v (u +
    bias + join, or v itself)."""

    step: int
    group: int
    index: int
    what: str
    value: int


def wrap(x: np.ndarray, bits: int) -> np.ndarray:
    """Two's complement of so many bits."""
    half = 2 ** (bits - 1)
    return (x + half) % (2 * half) - half


def decay(x: np.ndarray, delta: Any) -> np.ndarray:
    """x (4096 - delta) / 4096, rounded toward zero."""
    return np.sign(x) * (abs(x) * (4096 - np.asarray(delta)) // 4096)


def weights(c: Any) -> np.ndarray:
    """(src.n, dst.n) int64, accumulator units: the mantissa's low bits dropped, times 2^exponent
    rounded down, clipped."""
    grid = 2 ** (8 - c.bits + (c.sign_mode == "mixed"))
    m = np.sign(c.mantissas) * (abs(c.mantissas) // grid * grid)
    w = m * 2**c.exponent if c.exponent >= 0 else m // 2**-c.exponent
    return np.clip(w, -32767, 32767)


class Core:
    """The state of a network. bias[g] (n,) may be changed between steps."""

    def __init__(self, network: Any, trial: int = 0):
        self.trial = trial
        self.groups, self.inputs = network.groups, network.inputs
        self.connections = [
            (c, d, weights(c) * (c.delays == d))
            for c in network.connections
            for d in np.unique(c.delays).tolist()
        ]
        whole = lambda of: {g: np.zeros(g.n, np.int64) + of(g) for g in self.groups}
        self.u, self.v = whole(lambda g: g.initial_u), whole(lambda g: g.initial_v)
        self.clamped = whole(lambda g: 0)
        self.spikes = {g: np.zeros(g.n, bool) for g in self.groups}
        self.bias = {
            g: np.zeros(g.n, np.int64) + np.asarray(g.bias) * 2 ** np.asarray(g.bias_exponent)
            for g in self.groups
        }
        # a row for each of the next 64 steps, exact sums
        self.arriving = {g: np.zeros((64, g.n), np.int64) for g in self.groups}
        self.t = self.fired = 0
        self.overflows: list[Overflow] = []

    def step(self, inputs: np.ndarray) -> None:
        """inputs: (axons,) bool, those that spike in this step."""
        for g in self.groups:
            self._update(g)
        for c, delay, w in self.connections:
            from_ = inputs if c.src is self.inputs else self.spikes[c.src]  # type: ignore[index]
            self.arriving[c.dst][(self.t + 1 + delay) % 64] += from_.astype(np.int64) @ w
        self.t += 1

    def _update(self, g: Any) -> None:
        row = self.arriving[g][self.t % 64]
        total, row[:] = row.copy(), 0
        q = wrap(total, Q_BITS) * 64
        noise = self._noise(g)
        on_u = g.noise is not None and g.noise.on == "u"
        u = decay(self.u[g], g.decay_u) + q + noise * on_u
        self.u[g] = wrap(u, U_BITS)
        drive = (
            self.u[g]
            + noise * (not on_u)
            + self.bias[g]
            + (0 if g.join is None else self.v[g.join])
        )
        v = decay(self.v[g], g.decay_v) + wrap(drive, U_BITS)
        self._note(
            g,
            ("q", total, wrap(total, Q_BITS)),
            ("u", u, self.u[g]),
            ("v", drive, wrap(drive, U_BITS)),
            ("v", v, np.clip(v, -V_LIMIT, V_LIMIT)),
        )
        v = np.where(self.clamped[g] > 0, 0, np.clip(v, g.v_min, g.v_max))
        spikes = (v > np.asarray(g.threshold) * 64) & (not g.silent)
        self.spikes[g] = spikes
        self.v[g] = np.where(spikes, 0, v)
        self.clamped[g] = np.maximum(np.where(spikes, g.refractory, self.clamped[g]) - 1, 0)
        self.fired += int(spikes.sum())

    def _noise(self, g: Any) -> np.ndarray:
        """(x + 64 offset) 2^(exponent - 7), rounded down, x 8 bits of chance less 128."""
        if g.noise is None:
            return np.zeros(g.n, np.int64)
        z, group, step = g.noise, self.groups.index(g), self.t + 1
        bits = [counted(z.seed, group, step, 24 + self.trial, i) // 256 for i in range(g.n)]
        return (np.array(bits) - 128 + 64 * z.offset) * 2**z.exponent // 2**7

    def _note(self, g: Any, *stages: tuple[str, np.ndarray, np.ndarray]) -> None:
        for i in np.flatnonzero(np.any([exact != kept for _, exact, kept in stages], axis=0)):
            what, value = next(
                (what, int(exact[i])) for what, exact, kept in stages if exact[i] != kept[i]
            )
            self.overflows.append(Overflow(self.t, self.groups.index(g), int(i), what, value))

    def run(self, steps: int, inputs: np.ndarray | None = None) -> dict[str, dict[Any, np.ndarray]]:
        """{"u" | "v" | "spikes": {group: (steps, n)}}; inputs (steps, axons)."""
        rows: dict[str, dict[Any, list]] = {
            k: {g: [] for g in self.groups} for k in ("u", "v", "spikes")
        }
        for k in range(steps):
            self.step(
                np.zeros(self.inputs.n, bool) if inputs is None else np.asarray(inputs)[k] != 0
            )
            for g in self.groups:
                rows["u"][g].append(self.u[g])
                rows["v"][g].append(self.v[g])
                rows["spikes"][g].append(self.spikes[g])
        return {
            k: {g: np.array(r).reshape(steps, g.n) for g, r in of.items()} for k, of in rows.items()
        }
