# SPDX-License-Identifier: Apache-2.0
"""P1's test of the mapping: random recurrent networks as units of eq. 6 (the ANN) and as
sigma-delta neurons (the SNN), and how much of the one is found in the other.

Recurrent layers alternate with linear ones: input, layer, linear, layer, ..., output. There is no
delay from a layer to the next. Weights are U(-.5, .5), recurrent ones scaled to a spectral radius
of 1.4. All currents in A; states lie side by side as (steps, units)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edge_lp_papers.spiker.layer import Layer
from edge_lp_papers.spiker.neuron import ANN, Neuron

RADIUS = 1.4
SECONDS, STEP = 0.2, 1e-6
CHUNK = 2000  # steps at a time, so that no run holds all its states


def weights(
    rng: np.random.Generator, units: int, layers: int = 4, inputs: int = 2, outputs: int = 3
) -> list[np.ndarray]:
    """[input, recurrent, linear, recurrent, ..., output], each (to, from)."""

    def drawn(to: int, source: int) -> np.ndarray:
        return rng.random((to, source)) - 0.5

    made = [drawn(units, inputs)]
    for k in range(layers):
        recurrent = drawn(units, units)
        recurrent *= RADIUS / np.abs(np.linalg.eigvals(recurrent)).max()
        made += [recurrent, drawn(units if k < layers - 1 else outputs, units)]
    return made


def coins(rng: np.random.Generator) -> list[int]:
    """Flips for `signals`, as P1's code has them."""
    return [int(rng.integers(2)) for _ in range(3)]


def signals(kinds: Sequence[int], amplitude: float, every: int = 1) -> np.ndarray:
    """(steps, 2): blocks made of 4 and 15 Hz, of the kinds 0 or 1: two in the first input, one in
    the second. Sampled each `every` steps, and held."""
    t = np.linspace(0, SECONDS, round(SECONDS / (every * STEP)))
    coarse = amplitude * np.stack([_blocks(kinds[:2], t), _blocks(kinds[2:], t)], 1)
    return np.repeat(coarse, every, 0)


def _blocks(kinds: Sequence[int], t: np.ndarray) -> np.ndarray:
    t = t[: len(t) // len(kinds)]
    slow, fast = np.sin(2 * np.pi * 4 * t), np.sin(2 * np.pi * 15 * t)
    made = (fast + 2 * slow**2 + 1, 2 * fast + slow + 2)
    return np.concatenate([made[kind] for kind in kinds])


class Network:
    """Layers of one kind, with these weights; neurons: one for each recurrent layer."""

    def __init__(self, w: list[np.ndarray], neurons: list[Neuron]):
        self.first = w[0]
        self.layers = [Layer(n, w[2 * k + 1], w[2 * k + 2]) for k, n in enumerate(neurons)]

    def run(self, inputs: np.ndarray, every: int = 1) -> list[np.ndarray]:
        """(steps, inputs) -> the states of all layers, each every-th step of them, in the order of
        the weights."""
        drive = inputs @ self.first.T
        states = [drive[every - 1 :: every]]
        for layer in self.layers:
            s, _, drive = layer.run(drive)
            states += [s[every - 1 :: every], drive[every - 1 :: every]]
        return states


class Score:
    """NMSE = 1 - sum (ref - y)^2 / sum (ref - mean)^2 of each unit of a layer, summed up as the
    states come. weight: steps that a state stands for."""

    def __init__(self, weight: int):
        self.weight, self.n = weight, 0
        self.ref: Any = 0.0
        self.square: Any = 0.0
        self.off: Any = 0.0

    def add(self, ref: np.ndarray, y: np.ndarray) -> None:
        self.n += len(ref)
        self.ref = self.ref + ref.sum(0)
        self.square = self.square + (ref**2).sum(0)
        self.off = self.off + ((ref - y) ** 2).sum(0)

    def units(self, least: float, keep_poor: bool = False) -> np.ndarray:
        """As P1's code has it: with a sum below `least` (in A^2) a unit counts as 1 if it is near
        its reference, and not at all if it is not; keep_poor: then with its NMSE."""
        off = self.weight * self.off
        den = self.weight * (self.square - self.ref**2 / self.n)
        small = (den < least) | (off < least)
        with np.errstate(divide="ignore", invalid="ignore"):
            nmse = np.where(small & (off < den), 1.0, 1 - off / den)
        dropped = small & (off >= den) & ((den <= 0) | (not keep_poor))
        return nmse[~dropped]


Ways = list[Callable[[int], list[Neuron]]]


def side_by_side(
    w: list[np.ndarray], inputs: np.ndarray, ways: Ways, every: int
) -> Iterator[tuple[int, list[np.ndarray], list[list[np.ndarray]]]]:
    """(first step, the ANN's states, those of each SNN) of piece after piece, every `every`-th
    step of them; ways: functions from the number of layers to an SNN's neurons. The ANN, which is
    slow, is stepped as seldom, with what comes at that time."""
    layers = len(w) // 2
    ann = Network(w, [replace(Neuron(), kind=ANN, step=every * STEP)] * layers)
    snns = [Network(w, neurons(layers)) for neurons in ways]
    piece = max(every, CHUNK)
    for begin in range(0, len(inputs), piece):
        chunk = inputs[begin : begin + piece]
        yield begin, ann.run(chunk[every - 1 :: every]), [n.run(chunk, every) for n in snns]


def compared(
    w: list[np.ndarray],
    inputs: np.ndarray,
    ways: Ways,
    transient: int = 0,
    every: int = 10,
    weight: int = 1,
) -> list[list[Score]]:
    """Scores of all layers, for each of the ways, from step `transient` on."""
    scores = [[Score(weight) for _ in w] for _ in ways]
    for begin, reference, states in side_by_side(w, inputs, ways, every):
        if begin >= transient:
            for found, snn in zip(scores, states, strict=True):
                for score, ref, y in zip(found, reference, snn, strict=True):
                    score.add(ref, y)
    return scores
