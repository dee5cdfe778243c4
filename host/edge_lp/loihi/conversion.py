# SPDX-License-Identifier: Apache-2.0
"""A network that was converted from real numbers: what stands for what, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_lp.loihi.description import MANTISSAS, Group
from edge_lp.loihi.network import Network

EXPONENTS = {"mixed": (-1, 7), "excitatory": (0, 7), "inhibitory": (0, 7)}  # that lose no bits


@dataclass(frozen=True, eq=False)
class Format:
    """Weights 8 bits wide of one sign mode and exponent."""

    sign_mode: str
    exponent: int
    mantissas: np.ndarray

    @classmethod
    def of(cls, exact: np.ndarray) -> Format:
        """The finest for these weights, in accumulator units."""
        mode = "mixed"
        if (exact >= 0).all() or (exact <= 0).all():
            mode = "excitatory" if (exact >= 0).all() else "inhibitory"
        grid = 2 if mode == "mixed" else 1
        low, high = MANTISSAS[mode]
        high -= grid - 1
        # the largest of each sign, over what still rounds to the last mantissa
        up = exact.max(initial=0) / (high + grid / 2)
        down = exact.min(initial=0) / (low - grid / 2)
        least, most = EXPONENTS[mode]
        need = max(up, down)
        exponent = least if need <= 0 else int(np.ceil(np.log2(need)))
        exponent = min(max(exponent, least), most)
        mantissas = grid * np.round(exact / (grid * 2.0**exponent))
        return cls(mode, exponent, np.clip(mantissas, low, high).astype(np.int64))

    @property
    def weights(self) -> np.ndarray:
        return self.mantissas * 2.0**self.exponent


@dataclass(frozen=True, eq=False)
class Coded:
    """Weights as one connection, or as two: the second one has what rounding left."""

    exact: np.ndarray  # in accumulator units
    formats: tuple[Format, ...]

    @classmethod
    def of(cls, exact: np.ndarray, fine: bool) -> Coded:
        first = Format.of(exact)
        second = Format.of(exact - first.weights)
        return cls(exact, (first, second) if fine and second.mantissas.any() else (first,))

    @property
    def weights(self) -> np.ndarray:
        return sum((f.weights for f in self.formats), np.zeros(len(self.exact)))

    @property
    def error(self) -> float:
        """Root mean square, as a share of the weights' own."""
        squares = (self.exact**2).sum()
        off = ((self.weights - self.exact) ** 2).sum()
        return float(np.sqrt(off / squares)) if squares else 0.0

    @property
    def lost(self) -> int:
        """Weights that became 0."""
        return int(((self.weights == 0) & (self.exact != 0)).sum())

    @property
    def saturated(self) -> int:
        """Weights that the last mantissa does not reach."""
        grid = 2.0 ** (self.formats[0].exponent + 1)
        return int((np.abs(self.weights - self.exact) > grid).sum())


@dataclass
class Layer:
    """Of a population: what its numbers lost. scale: integer units of u and v per real unit; errors
    are the largest relative ones. v_range: what v is scaled for, of its range: the worst input's,
    or 1.5 times the samples'; beyond 1 it may saturate. reached: shares of the accumulators', u's
    and v's ranges that the samples given reached; beyond: of their drives, which the host writes,
    those that the bias registers cannot hold."""

    name: str
    n: int
    scale: float
    decay_error: float = 0.0
    threshold_error: float = 0.0
    bias_error: float = 0.0
    v_range: float = 0.0
    connections: dict[str, Coded] = field(default_factory=dict)
    reached: tuple[float, float, float] | None = None
    beyond: float = 0.0


@dataclass
class Report:
    """str() is a table. overflow: None, or the first one of the samples given, in words."""

    layers: list[Layer]
    samples: int = 0
    overflow: str | None = None

    def told(self, peaks: dict[str, Any], scale: dict[str, float], samples: int) -> None:
        self.samples = samples
        for layer in self.layers:
            p, s = peaks[layer.name], scale[layer.name]
            layer.reached = (p.arriving * s / 2**21, p.u * s / 2**23, p.v * s / 2**23)

    def __str__(self) -> str:
        lines = []
        for x in self.layers:
            lines.append(
                f"{x.name}: {x.n} units, scale {x.scale:.4g}; off by: decays "
                f"{x.decay_error:.2%}, thresholds {x.threshold_error:.2%}, biases "
                f"{x.bias_error:.2%}"
            )
            for source, f in x.connections.items():
                how = " and ".join(f"{x.sign_mode}, exponent {x.exponent}" for x in f.formats)
                lines.append(
                    f"  from {source}: {len(f.exact)} weights, {how}; off by {f.error:.2%} (rms), "
                    f"{f.lost} became 0, {f.saturated} saturated"
                )
            if x.v_range > 1:
                lines.append(
                    f"  v may saturate at its floor: it has room for {1 / x.v_range:.1%} of the "
                    "worst case"
                )
            if x.reached:
                q, u, v = x.reached
                lines.append(f"  reached: {q:.0%} of the accumulator, {u:.0%} of u, {v:.0%} of v")
            if x.beyond:
                lines.append(f"  {x.beyond:.2%} of the drives are beyond the bias registers")
        if self.samples:
            lines.append(f"overflow in {self.samples} samples: {self.overflow or 'none'}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Converted:
    """A converted network. axons: an input's name -> its input axons, units in C order. groups: a
    neuron's name -> its group; outputs: an output's name -> the group that is it. latency: steps
    by which a group's or output's time lags behind the inputs': what the graph does in its step t
    is in row t + latency. scale: integer units per real one; zero: the real v that is 0 here."""

    network: Network
    axons: dict[str, slice]
    groups: dict[str, Group]
    outputs: dict[str, Group]
    latency: dict[str, int]
    scale: dict[str, float]
    zero: dict[str, np.ndarray]
    report: Report

    def real(self, group: Group, v: np.ndarray) -> np.ndarray:
        """A group's recorded v (..., n) in the graph's units."""
        return v / self.scale[group.name] + self.zero[group.name]
