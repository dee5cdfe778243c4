# SPDX-License-Identifier: Apache-2.0
"""Blocks of samples in, detections out: by the runtime on this machine, or by a board."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from edge_lp.board.session import Board
from edge_lp.measure.stream import Detection
from edge_lp.model.spec import DetectorConfig
from edge_lp.runtime import FRAME_SECONDS, Event, Model, Spotter


def detections(
    model: Model, config: DetectorConfig, blocks: Iterable[np.ndarray]
) -> Iterator[Detection]:
    """The C runtime on the host, block after block."""
    spotter = Spotter(model, config=config)
    for pcm in blocks:
        for e in spotter.push(pcm):
            yield _detection(e, model.labels)


def board_detections(board: Board, blocks: Iterable[np.ndarray]) -> Iterator[Detection]:
    """The runtime on a board, over its line."""
    for e in board.stream(blocks):
        yield _detection(e, board.labels)


def _detection(e: Event, labels: list[str]) -> Detection:
    return Detection(round(e.middle * FRAME_SECONDS, 2), labels[e.label], round(e.score, 4))
