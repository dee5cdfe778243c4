# SPDX-License-Identifier: Apache-2.0
"""Keywords in a stream, as they are spoken: blocks of samples in, detections out, on a terminal or
as lines of JSON."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np

from edge_lp import sources
from edge_lp.board import Board, parse_device
from edge_lp.errors import EdgeLpError
from edge_lp.image import read_model
from edge_lp.runtime import (
    FRAME_SECONDS,
    MAX_WINDOW,
    SAMPLE_RATE,
    DetectorConfig,
    Event,
    Model,
    Spotter,
)


@dataclass(frozen=True)
class Detection:
    """t: the word's middle, seconds from the start of the stream; score: posterior 0..1."""

    t: float
    keyword: str
    score: float


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


@contextlib.contextmanager
def open_device(
    device: str, speed: str = "max", record: str | None = None
) -> Iterator[Iterable[np.ndarray]]:
    """The blocks of mic, mic:NAME, mic:INDEX, - (stdin) or a file. speed "real" paces a file or a
    pipe like a microphone; record: also write what is heard to this wav file."""
    with contextlib.ExitStack() as stack:
        blocks: Iterable[np.ndarray]
        if device == "mic" or device.startswith("mic:"):
            microphone = stack.enter_context(sources.MicrophoneBlocks(device[4:] or None))
            sources.notice(f"listening to {microphone.device.name!r}; Ctrl-C stops")
            blocks = microphone
        else:
            blocks = (
                sources.pipe_blocks(sys.stdin.buffer)
                if device == "-"
                else sources.file_blocks(device)
            )
            if speed == "real":
                blocks = sources.real_time(blocks)
        if record:
            blocks = stack.enter_context(sources.Recorder(record)).through(blocks)
        yield blocks


class Screen:
    """Detections for a reader: one line each, and on a terminal a level meter below them."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self.console = Console(highlight=False)
        self.live = (
            Live(console=self.console, refresh_per_second=10, transient=True)
            if self.console.is_terminal
            else None
        )

    def __enter__(self) -> Screen:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.live:
            self.live.stop()

    def meter(self, t: float, pcm: np.ndarray) -> None:
        """The level of a block, -60 to 0 dB of full scale."""
        if self.live and len(pcm):
            db = 20 * math.log10(
                max(1.0, float(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)))) / 32768
            )
            filled = round(max(0.0, 1 + db / 60) * 30)
            self.live.update(
                f"[dim]{t:8.2f} s  {'▮' * filled}{'▯' * (30 - filled)} {db:4.0f} dB[/dim]"
            )

    def show(self, d: Detection) -> None:
        bar = "█" * round(20 * d.score)
        self.console.print(
            f"{d.t:8.2f} s  [bold]{d.keyword:<12}[/bold] [green]{bar:<20}[/green] {d.score:.2f}"
        )


class Listener:
    """What listen does with a stream: counts its samples, prints its detections, says at the end
    what there was."""

    def __init__(self, as_json: bool) -> None:
        self.screen = None if as_json else Screen()
        self.samples, self.heard = 0, Counter[str]()

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
    threshold: float | None = None,
    window: float | None = None,
    refractory: float | None = None,
    speed: str = "max",
    record: str | None = None,
    as_json: bool = False,
) -> None:
    """Prints what is detected in a device's blocks, by the model on this machine (default
    commands12) or, for serial:PORT[@BAUD], by a board that is sent the blocks of `source` (default
    mic). EdgeLpError: an option that does not go with the device, and all that its parts raise."""
    if device.startswith("serial:"):
        if model is not None:
            raise EdgeLpError(
                "--model does not go with a serial device: the board runs the model in its flash"
            )
        with Board(*parse_device(device)) as board:
            config = detector(board.info.detector, threshold, window, refractory)
            board.configure(detector=config)
            keywords = ", ".join(board.labels[: board.info.n_keywords])
            sources.notice(
                f"{board.info.name} {board.info.version} at {board.port}, model "
                f"{board.info.model_id:08x}: {keywords}"
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
    config = detector(opened.detector, threshold, window, refractory)
    _run(lambda blocks: detections(opened, config, blocks), device, speed, record, config, as_json)


def _run(
    find: Callable[[Iterable[np.ndarray]], Iterable[Detection]],
    device: str,
    speed: str,
    record: str | None,
    config: DetectorConfig,
    as_json: bool,
) -> None:
    """Until the stream ends, Ctrl-C, or nobody reads the output any more; each is a clean end.
    Behind a stream that ends come zeros, as many as the detector looks back and waits, so that its
    last word is decided too."""
    listener = Listener(as_json)
    with contextlib.ExitStack() as stack:
        try:
            blocks = stack.enter_context(open_device(device, speed, record))
            if listener.screen:
                stack.enter_context(listener.screen)
            for d in find(
                sources.with_tail(
                    listener.watch(blocks), (config.window + config.hold) * FRAME_SECONDS
                )
            ):
                listener.show(d)
        except KeyboardInterrupt:
            pass
        except (BrokenPipeError, SystemExit):  # SystemExit: what rich makes of it
            # what is still buffered has nowhere to go
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sources.notice(listener.summary())
