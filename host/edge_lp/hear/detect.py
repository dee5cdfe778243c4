# SPDX-License-Identifier: Apache-2.0
"""Blocks of samples in, detections out: by the runtime on this machine, or by a board."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from edge_lp.board.session import Board
from edge_lp.errors import EdgeLpError
from edge_lp.measure.stream import Detection
from edge_lp.model.spec import DetectorConfig
from edge_lp.runtime import FRAME_SECONDS, MAX_WINDOW, Event, Model, Spotter


def detector(
    c: DetectorConfig, threshold: float | None, window: float | None, refractory: float | None
) -> DetectorConfig:
    """A model's detector with the user's changes; window and refractory in seconds. A longer window
    decides later: half of what it is longer by is added to the latency. EdgeLpError: out of range.
    """
    if threshold is not None:
        if not 0 <= threshold <= 1:
            raise EdgeLpError(f"--threshold is {threshold:g}, expected a posterior between 0 and 1")
        c = replace(c, threshold=threshold)
    if window is not None:
        frames = _frames("--window", window, 1, MAX_WINDOW)
        c = replace(c, window=frames, latency=max(0, c.latency + (frames - c.window) // 2))
    if refractory is not None:
        c = replace(c, refractory=_frames("--refractory", refractory, 0, 65535))
    return c


def _frames(option: str, seconds: float, least: int, most: int) -> int:
    if not least * FRAME_SECONDS <= seconds <= most * FRAME_SECONDS:
        raise EdgeLpError(
            f"{option} is {seconds:g} s, expected {least * FRAME_SECONDS:g} to "
            f"{most * FRAME_SECONDS:g}"
        )
    return round(seconds / FRAME_SECONDS)


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
