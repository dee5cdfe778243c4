# SPDX-License-Identifier: Apache-2.0
"""Keywords in a stream, as they are spoken: from a device to a terminal, or to lines of JSON."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_lp.audio.blocks import Blocks, amplified, framed, real_time, with_tail
from edge_lp.audio.files import file_blocks
from edge_lp.audio.oddities import Oddities
from edge_lp.audio.pipe import pipe_blocks
from edge_lp.audio.record import Recorder
from edge_lp.board.session import Board, parse_device
from edge_lp.errors import AudioError, EdgeLpError
from edge_lp.hear.detect import BoardEar, BoardMicrophone, HostEar
from edge_lp.hear.page import Page
from edge_lp.hear.screen import JsonLines, Lines, output
from edge_lp.measure.clips import recordings
from edge_lp.model.find import read_model
from edge_lp.model.spec import DetectorConfig
from edge_lp.model.tune import arguments, tuned
from edge_lp.runtime import FRAME_SECONDS, SAMPLE_RATE, Model
from edge_lp.text import Notice, notice, only_our_lines

if TYPE_CHECKING:
    from edge_lp.hear.view import View

GAP = 1.0  # seconds between the recordings of a folder


@dataclass(frozen=True)
class Source:
    """Blocks, what they come from, how many samples have been lost so far, and how many seconds a
    sample takes to get here."""

    blocks: Iterable[np.ndarray]
    name: str
    lost: Callable[[], int] = lambda: 0
    buffer: float = 0.0


def folder_blocks(folder: str, note: Notice, channel: int | None) -> Blocks:
    """All recordings below a folder, in order, as one stream: GAP seconds of zeros behind each, so
    that its last word is decided, and a notice in front of it that says when it begins. One that
    cannot be read is a notice. AudioError: there is none that can."""
    at = 0
    for path in recordings([folder])[0]:
        note(f"{at / SAMPLE_RATE:.2f} s: {path}")
        try:
            for pcm in with_tail(file_blocks(path, note, channel=channel), GAP):
                yield pcm
                at += len(pcm)
        except AudioError as e:
            note(f"note: {e}")
    if not at:
        raise AudioError(f"{folder}: none of its recordings can be read")


@contextlib.contextmanager
def open_device(
    device: str,
    speed: str = "max",
    record: str | None = None,
    channel: int | None = None,
    gain: float = 0.0,
    reconnect: bool = False,
    note: Notice = notice,
) -> Iterator[Source]:
    """mic, mic:NAME, mic:INDEX, - (stdin), a file or a folder. speed "real" paces what is no
    microphone like one; record: also write what is heard to this wav file; channel: this one alone,
    from 1; gain: in dB; reconnect: wait for a microphone that is gone."""
    microphone = device == "mic" or device.startswith("mic:")
    if reconnect and not microphone:
        raise EdgeLpError(f"--reconnect goes with a microphone; {device} is none")
    with contextlib.ExitStack() as stack:
        blocks: Iterable[np.ndarray]
        lost, buffer, name = (lambda: 0), 0.0, "stdin" if device == "-" else device
        if microphone:
            from edge_lp.audio.microphone import MicrophoneBlocks

            stack.enter_context(only_our_lines())
            mic = stack.enter_context(
                MicrophoneBlocks(device[4:] or None, note, reconnect, channel or 1)
            )
            note(f"listening to {mic.device.name!r}; Ctrl-C stops")
            blocks, lost, name = mic, (lambda: mic.lost), mic.device.name
            buffer = mic.latency
        else:
            if device == "-" and channel is not None:
                raise EdgeLpError("--channel does not go with stdin: raw samples are mono")
            blocks = (
                pipe_blocks(sys.stdin.buffer, note)
                if device == "-"
                else folder_blocks(device, note, channel)
                if Path(device).is_dir()
                else file_blocks(device, note, channel=channel)
            )
            if speed == "real":
                blocks = real_time(blocks)
        if gain:
            blocks = map(Oddities("--gain", SAMPLE_RATE, note).pcm, amplified(blocks, gain))
        if record:
            blocks = stack.enter_context(Recorder(record, note)).through(blocks)
        yield Source(blocks, name, lost, buffer)


def listen(
    device: str,
    model: str | None = None,
    source: str | None = None,
    as_json: bool = False,
    as_lines: bool = False,
    speed: str | None = None,
    record: str | None = None,
    channel: int | None = None,
    gain: float = 0.0,
    reconnect: bool = False,
    web: str | None = None,
    command: str | None = None,
    timeout: float = 10.0,
    folder: str = ".",
    **tuning: Any,
) -> None:
    """Shows what is detected in a device's blocks, by the model on this machine (default
    commands12) or, for serial:PORT[@BAUD], by a board that is sent the blocks of `source` (default
    mic; "board": its own microphone): on a terminal in the live view, unless as_lines; as_json: a
    line of JSON each; web, [HOST:]PORT: in lines, and in the web page that is served there, at real
    speed. command: run on each detection (hear.command), for timeout seconds at most; folder: where
    the view's keys write; tuning: changes of the detector (model.tune.tuned); the others are
    open_device's. EdgeLpError: an option that does not go with the device, and all that its parts
    raise."""
    as_lines = as_lines or web is not None
    sound = source or "mic" if device.startswith("serial:") else device

    def shows(ear: HostEar | BoardEar, name: str) -> View | Lines | JsonLines | Page:
        shown = output(ear, name, as_json, as_lines, folder)
        recording = sound not in ("-", "board") and not sound.startswith("mic")
        return Page(shown, ear, name, web, wait=recording) if web else shown

    own = device.startswith("serial:") and sound == "board"
    if own and (record or gain or reconnect or speed or channel is not None):
        raise EdgeLpError(
            "--source board: the board's microphone stays as it is, and its samples there; "
            "--speed, --record, --channel, --gain and --reconnect do not go with it"
        )
    opening: Callable[..., contextlib.AbstractContextManager[Source]] = partial(
        open_device,
        sound,
        speed=speed or ("real" if web else "max"),
        record=record,
        channel=channel,
        gain=gain,
        reconnect=reconnect,
    )
    if device.startswith("serial:"):
        if model is not None:
            raise EdgeLpError(
                "--model does not go with a serial device: the board runs the model in its flash"
            )
        with Board(*parse_device(device)) as board:
            keywords = board.labels[: board.info.n_keywords]
            config = tuned(board.info.detector, keywords, **tuning)
            name = f"{board.info.name} {board.info.version} at {board.port}"
            notice(f"{name}, model {board.info.model_id:08x}: {', '.join(keywords)}")
            picture = bool(web) or not (as_json or as_lines)
            ear = (BoardMicrophone if own else BoardEar)(board, config, picture)
            if isinstance(ear, BoardMicrophone):
                opening = partial(_board_microphone, ear)
            shown = shows(ear, name)
            with _changes(ear, "MODEL", board.info.detector):
                _run(ear, opening, shown, command, timeout)
        return
    if source is not None:
        raise EdgeLpError(
            "--source goes with a serial device only; use --device for the audio itself"
        )
    opened = Model(read_model(model or "commands12"))
    here = HostEar(opened, tuned(opened.detector, opened.keywords, **tuning))
    name = model or "commands12"
    shown = shows(here, name)
    with _changes(here, name, opened.detector):
        _run(here, opening, shown, command, timeout)


@contextlib.contextmanager
def _board_microphone(ear: BoardMicrophone, note: Notice) -> Iterator[Source]:
    note("the board listens by itself; Ctrl-C stops the reports")
    yield Source(ear.blocks(), "the board's microphone", lambda: ear.lost)


@contextlib.contextmanager
def _changes(ear: HostEar | BoardEar, model: str, original: DetectorConfig) -> Iterator[None]:
    """At the end, how to keep the detector for good, if a key has changed it."""
    given = ear.config
    try:
        yield
    finally:
        if ear.config != given:
            options = shlex.join(arguments(original, ear.config, ear.keywords))
            notice(f"to keep it: edge-lp tune {shlex.quote(model)} {options} -o mine.lpb")


def _run(
    ear: HostEar | BoardEar,
    opening: Callable[..., contextlib.AbstractContextManager[Source]],
    shown: View | Lines | JsonLines | Page,
    command: str | None,
    timeout: float,
) -> None:
    """Until the stream ends, somebody stops it, or nobody reads the output any more; in each case
    the recording is closed and the summary comes last. Behind a stream that ends come zeros, as
    many as the detector looks back and waits, so that its last word is decided too."""
    samples, heard = 0, Counter[str]()

    def counted(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        nonlocal samples
        for pcm in blocks:
            samples += len(pcm)
            shown.keep(pcm)
            yield pcm

    tail = ear.config.tail * FRAME_SECONDS
    try:
        with contextlib.ExitStack() as stack:
            run = lambda d: None
            if command:
                from edge_lp.hear.command import Command

                run = stack.enter_context(Command(command, timeout, shown.note, shown.quiet)).run
            source = stack.enter_context(opening(note=shown.note))
            shown.source, shown.buffer = source.name, source.buffer
            stack.enter_context(shown)
            blocks = with_tail(counted(source.blocks), tail)
            for pcm in framed(blocks) if isinstance(shown, Page) else blocks:
                start = time.perf_counter()
                found = ear.push(pcm)
                for d in found.detections:
                    heard[d.keyword] += 1
                    run(d)
                shown.take(pcm, found, time.perf_counter() - start, source.lost())
                if shown.over:
                    break
    finally:
        if samples:
            words = ", ".join(f"{word} {n}" for word, n in heard.most_common()) or "none"
            notice(f"{samples / SAMPLE_RATE:.1f} s heard, {heard.total()} detections: {words}")
