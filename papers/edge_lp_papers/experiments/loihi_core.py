# SPDX-License-Identifier: Apache-2.0
"""What P2 measures on the chip, on the core of this project: a trained net's layers beside the ANN
with the same 3-bit weights, at other decays, and read out in each way that the chip allows.

A decay delta makes tau = 4096 / delta steps. With P2's feedback weight of 8 tau the synapses are
W 8 = the trained codes in eighths at every tau, so only tau, biases and the drive move. A frame is
held for as many steps as keep alpha at the trained value: 14 at tau 64; where that is no whole
number, 3 and 4 in turn, say.

The output is a layer of neurons like the others here, as in P2, and so has four read-outs: its
current (signed), its voltage, its feedback and its spikes, which are rectified. The shipped kind of
model reads the current of silent compartments, which is the first of these."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from edge_lp.measure.clips import read_clip
from edge_lp.measure.explain import nmse
from edge_lp.model.format import pack, unpack
from edge_lp.model.reference import ReferenceNet
from edge_lp.model.spec import I_IN, Layer, Matrix, ModelSpec
from edge_lp.runtime import Frontend, Model, Net

from edge_lp_papers.spiker.rnn import Score

READ_OUTS = ("current", "voltage", "feedback", "spikes")
SHOWN = 2  # units of each layer in the picture


class Point:
    """A net at a decay: model; scale: what features are multiplied by, as the drive's unit is a
    power of two and tau need not be one; steps: of a frame, as a real number; unit: activation of
    a core unit."""

    def __init__(self, spec: ModelSpec, delta: int) -> None:
        tau, trained = 4096 / delta, 4096 / spec.delta
        feedback = round(8 * tau)
        whole = math.floor(math.log2(tau))
        self.scale = tau / 2**whole
        self.steps = spec.steps * math.log1p(-1 / trained) / math.log1p(-1 / tau)
        ceiling = round(64 * feedback * tau)
        self.unit = I_IN / ceiling
        labels = spec.layers[-1]
        if (spec.ceiling + 1, spec.synapse_shift) != (512 * trained**2, 3):
            raise ValueError(f"a net in other units than P2's: I_snn {spec.ceiling + 1}")
        layers = [_biased(h, tau / trained) for h in spec.layers[:-1]]
        layers += [_biased(labels, 512 * tau / I_IN / 256)]  # its biases are in Q8 logits
        none = Matrix(np.zeros((labels.n, labels.n), np.int8), 3)
        layers += [Layer(none, None, np.zeros(labels.n, np.int16), 0)]
        self.model = Model(
            pack(
                replace(
                    spec,
                    delta=delta,
                    steps=1,
                    feedback=feedback,
                    ceiling=ceiling - 1,
                    drive_shift=whole - 5 - spec.layers[0].w.scale,
                    synapse_shift=3,
                    output_shift=3,
                    layers=layers,
                    labels=[str(i) for i in range(labels.n)],
                    provenance={},
                )
            )
        )

    def held(self, frames: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """Each frame, as the core takes it, and its steps."""
        ends = np.round(self.steps * np.arange(len(frames) + 1)).astype(int)
        scaled = np.clip(np.rint(frames * self.scale), -32768, 32767).astype(np.int16)
        return zip(scaled, np.diff(ends).tolist(), strict=True)


def _biased(layer: Layer, factor: float) -> Layer:
    """A layer whose biases are so many times as large, as 13-bit mantissas with an exponent."""
    values = layer.bias.astype(float) * 2.0**layer.bias_shift * factor
    shift = next(k for k in range(8) if np.abs(values).max() / 2.0**k <= 4095)
    return replace(layer, bias=np.rint(values / 2.0**shift).astype(np.int16), bias_shift=shift)


States = list[np.ndarray]


def run(point: Point, frames: np.ndarray) -> tuple[States, States, dict[str, np.ndarray]]:
    """(frames, 40) -> of each hidden layer what its spikes stand for at each frame's end, (frames,
    n), and how often each neuron has spiked, (n,); read-outs, each (frames, labels)."""
    net, c = Net(point.model), point.model.c
    hidden = c.n_layers - 2
    tau = 4096 / int(c.delta)
    states: list[States] = [[] for _ in range(hidden)]
    spikes = [np.zeros(c.layers[i].n, int) for i in range(hidden)]
    read: dict[str, States] = {name: [] for name in READ_OUTS}
    for frame, steps in point.held(frames):
        fired = np.zeros(c.n_labels, int)
        for _ in range(steps):
            net.push(frame)
            somas = [net.state(2 * i + 1) for i in range(hidden + 1)]
            for count, soma in zip([*spikes, fired], somas, strict=True):
                count += soma["spikes"]
        for kept, soma in zip(states, somas, strict=False):
            kept.append(-point.unit * soma["u"])
        dendrite = net.state(2 * hidden)
        read["current"].append(point.unit * tau * dendrite["u"])
        read["voltage"].append(point.unit * dendrite["v"])
        read["feedback"].append(-point.unit * somas[-1]["u"])
        read["spikes"].append(fired)
    return [np.array(s) for s in states], spikes, {k: np.array(v) for k, v in read.items()}


def some_clips(model: str, paths: list[str], delta: int, curves: bool) -> list[dict[str, Any]]:
    """Of each clip: NMSE of each layer, of its mean unit and of all units together; spikes a
    neuron; decisions of the ANN and of the read-outs, over all frames and over the second half.
    curves: states of the first clip, ANN and core."""
    spec = unpack(Path(model).read_bytes())
    point, ann = Point(spec, delta), ReferenceNet.from_spec(spec)
    out = spec.layers[-1]
    bias = out.bias * 2.0**out.bias_shift / 256
    found = []
    for k, path in enumerate(paths):
        frames = Frontend().push(read_clip(Path(path)))
        reference = [s[0] for s in ann.states(frames[None])]
        logits = reference[-1] @ ann.output[0] + ann.output[1]
        states, spikes, read = run(point, frames)
        read["current"] = read["current"] + bias  # the others have it on the dendrite's voltage
        found.append(
            {
                "nmse": [nmse(r, y) for r, y in zip(reference, states, strict=True)],
                "together": [_together(r, y) for r, y in zip(reference, states, strict=True)],
                "spikes": [float(s.mean()) for s in spikes],
                "ann": _decisions(logits),
                "read": {name: _decisions(values) for name, values in read.items()},
                "curves": _curves(reference, states) if curves and k == 0 else None,
            }
        )
    return found


def _decisions(values: np.ndarray) -> list[int]:
    """Over all frames, and over the second half of them, as P2's code."""
    return [int(values.mean(0).argmax()), int(values[len(values) // 2 :].mean(0).argmax())]


def _together(reference: np.ndarray, y: np.ndarray) -> float:
    """1 - the squared error of all units by the variance of all: a unit counts by what it says."""
    score = Score(1)
    score.add(reference, y)
    return float(1 - np.sum(score.off) / np.sum(score.square - score.ref**2 / score.n))


def _curves(reference: list[np.ndarray], states: list[np.ndarray]) -> list[Any]:
    """[ANN, core] of the most varied units: (layers, SHOWN, frames)."""
    most = [np.argsort(-r.var(0))[:SHOWN] for r in reference]
    return [
        [np.round(s[:, units].T, 3).tolist() for s, units in zip(found, most, strict=True)]
        for found in (reference, states)
    ]
