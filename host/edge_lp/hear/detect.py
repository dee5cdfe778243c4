# SPDX-License-Identifier: Apache-2.0
"""Blocks of samples in, detections out, and what led to them: by the runtime on this machine, or by
a board."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from edge_lp.board.session import FEATURE_OUT, POSTERIORS, Board, Listened
from edge_lp.measure.stream import Detection
from edge_lp.model.format import pack, unpack
from edge_lp.model.spec import DetectorConfig
from edge_lp.runtime import FEATURES, FRAME_SECONDS, HOP, Detector, Event, Frontend, Model, Net


@dataclass(frozen=True)
class Heard:
    """What the frames that a block completed were taken for. features: (frames, 40) int16 Q10;
    layers: of each hidden layer (neurons,) 0..1, the spikes low-passed as the next layer does, over
    the ceiling, and spikes: who spiked in the last step, at the block's end; posteriors: (frames,
    labels) 0..1; awake: frames left in which commands count behind a wake word. A board tells no
    layers, and of awake only whether; where its own microphone listens, peak is the largest
    |sample| of the last frame, as the samples stay there."""

    features: np.ndarray
    layers: list[np.ndarray]
    posteriors: np.ndarray
    detections: list[Detection]
    spikes: list[np.ndarray]
    awake: int
    peak: int | None = None


class HostEar:
    """The C runtime on this machine, its parts one by one: the spotter's events, with all that lies
    between."""

    def __init__(self, model: Model, config: DetectorConfig) -> None:
        self.labels, self.keywords, self.config = model.labels, model.keywords, config
        self._spec = spec = unpack(model.bytes)
        self._full = -1 / (spec.ceiling + 1)  # a soma's own inhibition is its spikes, low-passed
        self._somas = range(1, 2 * len(spec.layers) - 2, 2)
        self.neurons = [len(layer.bias) for layer in spec.layers[:-1]]
        self._frontend, self._net = Frontend(), Net(model)
        self._detector = Detector(len(model.labels), model.n_keywords, config)

    @property
    def data(self) -> bytes:
        """The .lpb that hears so."""
        return pack(replace(self._spec, detector=self.config))

    def configure(self, config: DetectorConfig) -> None:
        """Another detector from now on; with the same windows, what was heard stays."""
        self._detector.configure(config)
        self.config = config

    def push(self, pcm: np.ndarray) -> Heard:
        features = self._frontend.push(pcm)
        events, posteriors = self._detector.push(self._net.push(features))
        somas = [self._net.state(soma) for soma in self._somas]
        layers, spikes = [s["u"] * self._full for s in somas], [s["spikes"] for s in somas]
        found = [_detection(e, self.labels) for e in events]
        awake = self._detector.awake()
        return Heard(features, layers, posteriors / 32767, found, spikes, awake)


class BoardEar:
    """The runtime on a board, over its line. picture: it is asked for posteriors too."""

    outputs = POSTERIORS

    def __init__(self, board: Board, config: DetectorConfig, picture: bool) -> None:
        self.labels, self.config = board.labels, config
        self.keywords = board.labels[: board.info.n_keywords]
        self._outputs, self._awake = self.outputs if picture else 0, 0
        board.configure(self._outputs, config)
        self._board, self._frontend = board, Frontend()

    def configure(self, config: DetectorConfig) -> None:
        """As HostEar's."""
        self._board.configure(self._outputs, config)
        self.config = config

    def push(self, pcm: np.ndarray) -> Heard:
        features = self._frontend.push(pcm)  # the same numbers as the board's, off the line
        results = list(self._board.push(pcm))
        rows = [r.posteriors for r in results if r.posteriors is not None]
        posteriors = np.array(rows).reshape(-1, len(self.labels)) / 32767
        found = [_detection(r.event, self.labels) for r in results if r.event]
        if results:
            self._awake = self.config.wake if results[-1].awake else 0
        return Heard(features, [], posteriors, found, [], self._awake)


class BoardMicrophone(BoardEar):
    """A board that listens by itself. It is asked every few milliseconds; where this machine was
    late, the frames between two answers are shown as the last one, and no event is missing."""

    outputs = POSTERIORS | FEATURE_OUT
    PERIOD = 0.005

    def __init__(self, board: Board, config: DetectorConfig, picture: bool) -> None:
        super().__init__(board, config, picture)
        self.lost, self._frames, self._came = 0, 0, list[tuple[int, Listened]]()

    def blocks(self) -> Iterator[np.ndarray]:
        """Zeros, as long as what the board has heard: its samples stay there. Without an end."""
        while True:
            said = self._board.listen()
            self.lost = said.lost
            if said.result is None:
                time.sleep(self.PERIOD)
                continue
            new = said.result.frame + 1 - self._frames
            self._frames += new
            self._came.append((new, said))
            yield np.zeros(new * HOP, np.int16)

    def push(self, pcm: np.ndarray) -> Heard:
        """What the board said of the last block."""
        came, self._came = self._came, []
        features = np.zeros((0, FEATURES), np.int16)
        posteriors, found, peak = np.zeros((0, len(self.labels))), list[Detection](), 0
        for new, said in came:
            r, peak = said.result, said.peak
            assert r
            self._awake = self.config.wake if r.awake else 0
            if r.features is not None and r.posteriors is not None:
                features = np.repeat(r.features[None], new, axis=0)
                posteriors = np.repeat(r.posteriors[None] / 32767, new, axis=0)
            if r.event:
                found.append(_detection(r.event, self.labels))
        return Heard(features, [], posteriors, found, [], self._awake, peak)


def _detection(e: Event, labels: list[str]) -> Detection:
    return Detection(round(e.middle * FRAME_SECONDS, 2), labels[e.label], round(e.score, 4))
