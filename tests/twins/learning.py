# SPDX-License-Identifier: Apache-2.0
"""The learning engine a second time: plain Python, one synapse after another, written from the
guide's "Learning" and not from the C. Rules come as data, (target, dependency, gated, m, e,
[(variable, constant, sign)]), so that the reader of rules is not shared either.

`chance` may be replaced, to follow a simulator that draws otherwise; `grid` is the step of weights.
"""

from __future__ import annotations

import math
from typing import Any

WIDTH = {"x0": 1, "y0": 1, "r0": 1, "r1": 8, "w": 9, "t": 9}
TRACES = ("x1", "x2", "y1", "y2", "y3")
STREAM = {**{t: k for k, t in enumerate(TRACES)}, "r1": 5, "w": 16, "t": 17}
IMPULSE = 8  # + a trace's


def bound(x: int, lo: int, hi: int) -> int:
    return min(max(x, lo), hi)


def scramble(x: int) -> int:
    """lowbias32."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ x >> shift) * factor % 2**32
    return x ^ x >> 16


def counted(seed: int, number: int, step: int, stream: int, index: int) -> int:
    """16 bits for one use of one step and one index."""
    h = scramble((seed + 0x9E3779B9) % 2**32)
    h = (scramble(h ^ number) + (step >> 32)) % 2**32
    h = scramble(scramble(h) ^ step % 2**32)
    h = scramble((h + stream) % 2**32)
    return scramble((index + h) * (scramble(h) | 1) % 2**32) >> 16


class Learning:
    """A connection's synapses, {(source, target): [weight, tag]}, and its traces, as of the end of
    the last epoch."""

    def __init__(
        self,
        shape: tuple[int, int],
        synapses: dict[tuple[int, int], list[int]],
        products: list[tuple[str, str, bool, int, int, list[tuple[str, int, bool]]]],
        parameters: dict[str, Any],
        decimate: int,
        limits: tuple[int, int],
        grid: int,
        number: int = 0,
    ):
        self.n_src, self.n_dst = shape
        self.synapses, self.products, self.parameters = synapses, products, parameters
        self.decimate, self.limits, self.grid, self.number = decimate, limits, grid, number
        self.epoch = parameters.get("t_epoch", 1)
        self.nearest = parameters.get("rounding") == "nearest"
        self.traces = {t: [0] * self._units(t) for t in TRACES}
        self.at = {"x": [0] * self.n_src, "y": [0] * self.n_dst}  # the last spike's time
        self.r1, self.rewards, self.r0 = 0, {0: 0}, 0
        self.t = 0

    def _units(self, trace: str) -> int:
        return self.n_src if trace[0] == "x" else self.n_dst

    def chance(self, what: str, impulse: bool, step: int, index: int) -> int:
        """0..65535; 65536 never rounds up. step: from 1."""
        if self.nearest:
            return 65536 if what in STREAM and what not in "wt" and not impulse else 32768
        stream = IMPULSE + STREAM[what] if impulse else STREAM[what]
        return counted(self.parameters.get("seed", 0), self.number, step, stream, index)

    # ------------------------------------------------------------------------------------ traces --

    def _decayed(self, what: str, size: int, step: int, index: int) -> int:
        tau = self.parameters.get(f"{what}_tau", 0)
        exact = math.exp(-1 / tau) * size if tau else 0.0
        down = math.floor(exact)
        return down + (self.chance(what, False, step, index) / 65536 < exact - down)

    def _kicked(self, trace: str, v: int, step: int, index: int) -> int:
        impulse = self.parameters.get(f"{trace}_impulse", 0)
        whole = math.floor(impulse)
        up = self.chance(trace, True, step, index) >> 8 < round((impulse - whole) * 256)
        return min(v + whole + up, 127)

    def _past(self, trace: str) -> list[list[int]]:
        """The trace at each time of the epoch that ends now."""
        rows = [self.traces[trace]]
        for time in range(1, self.epoch + 1):
            step = self.t - self.epoch + time
            row = [self._decayed(trace, v, step, i) for i, v in enumerate(rows[-1])]
            for i, spike in enumerate(self.at[trace[0]]):
                if spike == time:
                    row[i] = self._kicked(trace, row[i], step, i)
            rows.append(row)
        return rows

    # -------------------------------------------------------------------------------------- step --

    def step(self, pre: Any, post: Any, reward: int = 0) -> None:
        """pre (n_src), post (n_dst): who spikes."""
        self.t += 1
        time = (self.t - 1) % self.epoch + 1
        for side, spikes in (("x", pre), ("y", post)):
            for i in (i for i, s in enumerate(spikes) if s):
                for trace in (t for t in TRACES if t[0] == side and self.at[side][i]):
                    self.traces[trace][i] = self._kicked(trace, self.traces[trace][i], self.t, i)
                self.at[side][i] = time
        size = self._decayed("r1", abs(self.r1), self.t, 0)
        self.r1 = bound((size if self.r1 >= 0 else -size) + reward, -128, 127)
        self.rewards[time] = self.r1
        self.r0 |= reward != 0
        if time == self.epoch:
            self._learn()

    def _learn(self) -> None:
        past = {t: self._past(t) for t in TRACES}
        gate = self.t // self.epoch % 2**self.decimate == 0
        for (i, j), (w, t) in list(self.synapses.items()):
            new = []
            for target, old in (("w", w), ("t", t)):
                total = old * 128
                for product in self.products:
                    if product[0] == target and (gate or not product[2]):
                        part = self._value(product, past, i, j, {"w": w, "t": t})
                        total = bound(total + part, -(2**15), 2**15 - 1)
                new.append(self._settled(target, total, i * self.n_dst + j))
            self.synapses[i, j] = new
        self.traces = {t: rows[-1] for t, rows in past.items()}
        self.at = {"x": [0] * self.n_src, "y": [0] * self.n_dst}
        self.r0 = 0

    def _value(self, product: Any, past: Any, i: int, j: int, mine: dict[str, int]) -> int:
        _, when, _, m, e, factors = product
        spikes = {"x0": self.at["x"][i], "y0": self.at["y"][j], "u": self.epoch}
        time = spikes[when]
        if not time:
            return 0
        value, bits = m, 4
        for name, constant, sign in factors:
            if name in TRACES:
                v, width = past[name][time][i if name[0] == "x" else j], 7
            else:
                width = WIDTH[name]
                v = (
                    mine[name]
                    if name in mine
                    else self.rewards[time]
                    if name == "r1"
                    else self.r0
                    if name == "r0"
                    else int(spikes[name] > 0)
                )
            v += constant
            v = (v > 0) - (v < 0) if sign else bound(v, -(2**width), 2**width - 1)
            value, bits = value * v, bits + width
        value = value // 2 ** max(0, bits - 15) * 2 ** (e + 7)
        return bound(value, -(2**15), 2**15 - 1)

    def _settled(self, target: str, total: int, index: int) -> int:
        lo, hi, grid = (*self.limits, self.grid) if target == "w" else (-256, 255, 1)
        if lo == 0:
            total = max(total, 0)
        if hi == 0:
            total = min(total, 0)
        down, rest = divmod(total, 128 * grid)
        up = self.chance(target, False, self.t, index) / 65536 < rest / (128 * grid)
        return bound((down + up) * grid, lo, hi)
