# SPDX-License-Identifier: Apache-2.0
"""Keywords in a stream, as they are spoken: from a device to a terminal, or to lines of JSON."""

from __future__ import annotations

import contextlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from edge_lp.audio.blocks import real_time, with_tail
from edge_lp.audio.files import file_blocks
from edge_lp.audio.microphone import MicrophoneBlocks
from edge_lp.audio.pipe import pipe_blocks
from edge_lp.audio.record import Recorder
from edge_lp.board.session import Board, parse_device
from edge_lp.errors import EdgeLpError
from edge_lp.hear.detect import Detection, board_detections, detections
from edge_lp.hear.screen import Screen
from edge_lp.model.find import read_model
from edge_lp.model.spec import DetectorConfig
from edge_lp.model.tune import tuned
from edge_lp.runtime import FRAME_SECONDS, SAMPLE_RATE, Model
from edge_lp.text import notice


@contextlib.contextmanager
def open_device(
    device: str, speed: str = "max", record: str | None = None
) -> Iterator[Iterable[np.ndarray]]:
    """The blocks of mic, mic:NAME, mic:INDEX, - (stdin) or a file. speed "real" paces a file or a
    pipe like a microphone; record: also write what is heard to this wav file."""
    with contextlib.ExitStack() as stack:
        blocks: Iterable[np.ndarray]
        if device == "mic" or device.startswith("mic:"):
            microphone = stack.enter_context(MicrophoneBlocks(device[4:] or None))
            notice(f"listening to {microphone.device.name!r}; Ctrl-C stops")
            blocks = microphone
        else:
            blocks = pipe_blocks(sys.stdin.buffer) if device == "-" else file_blocks(device)
            if speed == "real":
                blocks = real_time(blocks)
        if record:
            blocks = stack.enter_context(Recorder(record)).through(blocks)
        yield blocks


class Listener:
    """What listen does with a stream: counts its samples, prints its detections, says at the end
    what there was."""

    def __init__(self, as_json: bool) -> None:
        self.screen = None if as_json else Screen()
        self.samples, self.heard = 0, Counter[str]()

    def __enter__(self) -> Listener:
        if self.screen:
            self.screen.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.screen:
            self.screen.stop()

    def watch(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for pcm in blocks:
            self.samples += len(pcm)
            if self.screen:
                self.screen.meter(self.samples / SAMPLE_RATE, pcm)
            yield pcm

    def show(self, d: Detection) -> None:
        self.heard[d.keyword] += 1
        if self.screen:
            self.screen.show(d)
        else:
            print(json.dumps(asdict(d)), flush=True)

    def summary(self) -> str:
        words = ", ".join(f"{word} {n}" for word, n in self.heard.most_common()) or "none"
        return f"{self.samples / SAMPLE_RATE:.1f} s heard, {self.heard.total()} detections: {words}"


def listen(
    device: str,
    model: str | None = None,
    source: str | None = None,
    speed: str = "max",
    record: str | None = None,
    as_json: bool = False,
    **tuning: Any,
) -> None:
    """Prints what is detected in a device's blocks, by the model on this machine (default
    commands12) or, for serial:PORT[@BAUD], by a board that is sent the blocks of `source` (default
    mic). tuning: changes of the detector (model.tune.tuned). EdgeLpError: an option that does not
    go with the device, and all that its parts raise."""
    if device.startswith("serial:"):
        if model is not None:
            raise EdgeLpError(
                "--model does not go with a serial device: the board runs the model in its flash"
            )
        with Board(*parse_device(device)) as board:
            keywords = board.labels[: board.info.n_keywords]
            config = tuned(board.info.detector, keywords, **tuning)
            board.configure(detector=config)
            notice(
                f"{board.info.name} {board.info.version} at {board.port}, model "
                f"{board.info.model_id:08x}: {', '.join(keywords)}"
            )
            _run(
                lambda blocks: board_detections(board, blocks),
                source or "mic",
                speed,
                record,
                config,
                as_json,
            )
        return
    if source is not None:
        raise EdgeLpError(
            "--source goes with a serial device only; use --device for the audio itself"
        )
    opened = Model(read_model(model or "commands12"))
    config = tuned(opened.detector, opened.keywords, **tuning)
    _run(lambda blocks: detections(opened, config, blocks), device, speed, record, config, as_json)


def _run(
    find: Callable[[Iterable[np.ndarray]], Iterable[Detection]],
    device: str,
    speed: str,
    record: str | None,
    config: DetectorConfig,
    as_json: bool,
) -> None:
    """Until the stream ends, somebody stops it, or nobody reads the output any more; in each case
    the recording is closed and the summary comes last. Behind a stream that ends come zeros, as
    many as the detector looks back and waits, so that its last word is decided too."""
    listener = Listener(as_json)
    try:
        with open_device(device, speed, record) as blocks, listener:
            for d in find(
                with_tail(
                    listener.watch(blocks), (config.windows[-1] + config.hold) * FRAME_SECONDS
                )
            ):
                listener.show(d)
    finally:
        if listener.samples:
            notice(listener.summary())
