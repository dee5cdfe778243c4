# SPDX-License-Identifier: Apache-2.0
"""What the net did with a recording, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edge_lp.model.format import pack, unpack
from edge_lp.model.spec import I_IN
from edge_lp.runtime import Detector, Event, Frontend, Model, Net


@dataclass(frozen=True)
class Trace:
    """What the net did, frame by frame. features: (frames, 40) int16 Q10; spikes: (frames, neurons)
    counts in the frame's steps, neurons layer by layer; decoded: (frames, neurons) float32, the
    activation that a neuron's spikes stand for at the frame's end; logits: (frames, labels) int32
    Q8; posteriors: (frames, labels) 0..1; layers: neurons of each hidden layer; steps: in a frame;
    thresholds: one a keyword, or one for all."""

    labels: list[str]
    n_keywords: int
    layers: list[int]
    steps: int
    thresholds: tuple[float, ...]
    features: np.ndarray
    spikes: np.ndarray
    decoded: np.ndarray
    logits: np.ndarray
    posteriors: np.ndarray
    events: list[Event]


def trace(data: bytes, pcm: np.ndarray) -> Trace:
    """Runs a model over a recording and keeps everything. The same integers as listen: a net of one
    step per frame that is fed each frame K times does exactly the K steps of the model's own frame,
    and lets the spikes of each step be read."""
    model, spec = Model(data), unpack(data)
    features = Frontend().push(pcm)
    # its words are not needed, and a foreign file may have some that are not written here
    names = [str(i) for i in range(len(spec.labels))]
    net = Net(Model(pack(replace(spec, steps=1, labels=names, provenance={}))))
    layers = [layer.n for layer in spec.layers[:-1]]
    spikes = np.zeros((len(features), sum(layers)), np.uint16)
    decoded = np.zeros(spikes.shape, np.float32)
    logits = np.zeros((len(features), len(model.labels)), np.int32)
    for t, frame in enumerate(features):
        for _ in range(spec.steps):
            logits[t] = net.push(frame)[0]
            somas = [net.state(2 * i + 1) for i in range(len(layers))]
            spikes[t] += np.concatenate([s["spikes"] for s in somas])
        # a soma's own inhibition is its spikes, low-passed as the next layer will: what it says
        decoded[t] = np.concatenate([s["u"] for s in somas]) * (-I_IN / (spec.ceiling + 1))
    events, posteriors = Detector(len(model.labels), model.n_keywords, model.detector).push(logits)
    return Trace(
        model.labels,
        model.n_keywords,
        layers,
        spec.steps,
        spec.detector.thresholds,
        features,
        spikes,
        decoded,
        logits,
        posteriors / 32767,
        events,
    )
