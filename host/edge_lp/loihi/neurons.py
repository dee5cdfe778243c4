# SPDX-License-Identifier: Apache-2.0
"""Networks in real numbers, one Euler step at a time: what comes from other tools before it is
scaled to the chip's integers (fixed.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_lp.loihi.operators import Operator


@dataclass(frozen=True, eq=False)
class Neurons:
    """A population. In each step, x its input of that step:

        u <- (1 - loss_u) u + gain x
        v <- (1 - loss_v) v + u + drift
        spike where v > threshold; v <- reset there

    All (n,) float64; threshold None: never spikes. start: v before the first step.
    """

    name: str
    loss_u: np.ndarray
    loss_v: np.ndarray
    gain: np.ndarray
    drift: np.ndarray
    reset: np.ndarray
    start: np.ndarray
    threshold: np.ndarray | None = None

    @property
    def n(self) -> int:
        return len(self.loss_u)


@dataclass(frozen=True, eq=False)
class Graph:
    """inputs: name and size of what spikes from outside, in the order of the axons. edges: (source,
    target, map), at most one a pair of names; outputs: an output's name -> the population's."""

    inputs: dict[str, int]
    neurons: dict[str, Neurons]
    edges: list[tuple[str, str, Operator]]
    outputs: dict[str, str]

    def depths(self) -> dict[str, int]:
        """Steps after an input spike at which it can first reach each population, by the longest
        way; those that lie on a common cycle count as one."""
        to: dict[str, set[str]] = {name: set() for name in [*self.inputs, *self.neurons]}
        for a, b, _ in self.edges:
            to[a].add(b)
        reached = {name: _reached(to, name) for name in to}

        def forward(a: str, b: str) -> bool:
            return b in to[a] and a not in reached[b]

        depths = {name: int(name in self.neurons) for name in to}
        for _ in to:  # the longest way has fewer edges than there are nodes
            for a in to:
                for b in to[a]:
                    if forward(a, b):
                        depths[b] = max(depths[b], depths[a] + 1)
                    elif a != b:  # a cycle moves as one
                        depths[a] = depths[b] = max(depths[a], depths[b])
        return depths


def _reached(to: dict[str, set[str]], name: str) -> set[str]:
    seen: set[str] = set()
    todo = [name]
    while todo:
        for n in to[todo.pop()] - seen:
            seen.add(n)
            todo.append(n)
    return seen
