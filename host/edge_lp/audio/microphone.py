# SPDX-License-Identifier: Apache-2.0
"""Microphones through PortAudio, as blocks."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lp.audio.blocks import LIVE_BLOCK, Blocks
from edge_lp.audio.oddities import Oddities
from edge_lp.audio.pace import paced
from edge_lp.audio.resample import Convert, to_int16
from edge_lp.errors import AudioError, MissingDependency
from edge_lp.runtime import SAMPLE_RATE
from edge_lp.text import Notice, notice

# what a microphone may run ahead of a busy listener before samples are lost
QUEUE_SECONDS = 10
TICK = 0.5  # seconds between two looks at a microphone that delivers nothing
SILENCE_SECONDS = 5.0  # exact zeros for so long: a muted or wrong input


def portaudio() -> Any:
    """The package sounddevice. MissingDependency: it, or the library under it, is not here."""
    try:
        import sounddevice
    except ModuleNotFoundError:
        raise MissingDependency(
            "microphones need the Python package sounddevice: pip install 'edge-lp[audio]'"
        ) from None
    except OSError:
        raise MissingDependency(
            "microphones need the PortAudio library: apt-get install libportaudio2"
        ) from None
    return sounddevice


@dataclass(frozen=True)
class Microphone:
    """index and name as PortAudio has them; rate: its default in Hz."""

    index: int
    name: str
    channels: int
    rate: int
    default: bool


def microphones() -> list[Microphone]:
    """Every input device. MissingDependency: no sounddevice or no PortAudio."""
    sd = portaudio()
    default = sd.default.device[0]
    return [
        Microphone(
            i, d["name"], d["max_input_channels"], int(d["default_samplerate"]), i == default
        )
        for i, d in enumerate(sd.query_devices())
        if d["max_input_channels"] > 0
    ]


def find_microphone(wanted: str | None) -> Microphone:
    """None: the default one; digits: an index; else a part of the name, any case. AudioError: none
    or several."""
    found = microphones()
    if not found:
        raise AudioError(
            "no microphone found: plug one in, start an audio server, or use --device FILE or "
            "--device - (see 'edge-lp devices')"
        )
    if not wanted:
        return next((m for m in found if m.default), found[0])
    hits = (
        [m for m in found if str(m.index) == wanted]
        if wanted.isdigit()
        else [m for m in found if wanted.lower() in m.name.lower()]
    )
    exact = [m for m in hits if m.name.lower() == wanted.lower()]
    hits = exact or hits
    if len(hits) != 1:
        names = ", ".join(f"{m.index} {m.name!r}" for m in hits or found)
        raise AudioError(
            f"{'no' if not hits else 'more than one'} microphone matches {wanted!r}; there "
            f"{'are' if not hits else 'match'}: {names}"
        )
    return hits[0]


class MicrophoneBlocks:
    """A microphone as blocks, until the user stops. A context manager.

    The callback looks at the clock and its status, copies and queues, nothing else; the queue is
    bounded, and `refused` counts the samples for which it had no room, `overruns` the times
    PortAudio reported lost input. Zeros stand in for what was refused or never came (audio.pace),
    `lost` counts both: the blocks keep the time. A
    device that cannot run at 16 kHz is captured at its own rate and resampled. reconnect: one that
    is gone is waited for; else it is an AudioError. channel: the one that is heard, from 1."""

    def __init__(
        self,
        wanted: str | None = None,
        note: Notice = notice,
        reconnect: bool = False,
        channel: int = 1,
    ) -> None:
        self.device, self.note, self.reconnect = find_microphone(wanted), note, reconnect
        self.name = f"microphone {self.device.name!r}"
        if not 1 <= channel <= self.device.channels:
            raise AudioError(
                f"{self.name} has no channel {channel}; expected 1 to {self.device.channels}"
            )
        self.channel = channel
        self.refused = self.overruns = self._missing = 0
        self._told: set[str] = set()
        self._queue: queue.Queue[tuple[float, int, np.ndarray]] = queue.Queue(
            QUEUE_SECONDS * SAMPLE_RATE // LIVE_BLOCK
        )
        self._open()

    def _open(self) -> None:
        sd = portaudio()
        self.rate = self._choose_rate(sd)
        self._convert = None if self.rate == SAMPLE_RATE else Convert(self.rate, 1)
        self._refused = 0  # samples since the last block that was queued
        try:
            self._stream = sd.InputStream(
                samplerate=self.rate,
                device=self.device.index,
                channels=self.channel,
                dtype="int16",
                blocksize=LIVE_BLOCK * self.rate // SAMPLE_RATE,
                callback=self._callback,
            )
        except sd.PortAudioError as e:
            raise self._broken(e) from None

    def _broken(self, e: Exception) -> AudioError:
        text = e.args[0] if e.args else e
        return AudioError(f"{self.name} cannot be used: {text}; choose another ('edge-lp devices')")

    def _choose_rate(self, sd: Any) -> int:
        try:
            sd.check_input_settings(
                device=self.device.index,
                channels=self.channel,
                dtype="int16",
                samplerate=SAMPLE_RATE,
            )
            return SAMPLE_RATE
        except sd.PortAudioError:
            return self.device.rate

    def _tell(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self.note(f"note: {self.name} {what}")

    def _callback(self, indata: np.ndarray, frames: int, when: Any, status: Any) -> None:
        if status.input_overflow:
            self.overruns += 1
        try:
            self._queue.put_nowait(
                (time.monotonic(), self._refused, indata[:, self.channel - 1].copy())
            )
            self._refused = 0
        except queue.Full:
            self.refused += frames
            self._refused += frames

    def _start(self) -> None:
        try:
            self._stream.start()
        except Exception as e:  # PortAudioError; its class is only known where the package is
            raise self._broken(e) from None
        if self.rate != SAMPLE_RATE:  # not before: of a device that is gone, nothing is true
            self._tell(f"cannot run at {SAMPLE_RATE} Hz; captured at {self.rate} Hz and resampled")

    def __enter__(self) -> MicrophoneBlocks:
        self._start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.close()
        if self.refused:
            self.note(f"note: {self.refused} samples were lost: this machine is too slow, or busy")
        if self.overruns:
            self.note(f"note: the audio system reported {self.overruns} overruns")

    @property
    def latency(self) -> float:
        """Seconds that a sample takes to get here, as PortAudio tells."""
        return float(self._stream.latency)

    @property
    def lost(self) -> int:
        """Samples at 16 kHz, for which zeros stand in."""
        return self.refused * SAMPLE_RATE // self.rate + self._missing

    def __iter__(self) -> Blocks:
        return paced(self._arrivals(), self.name, self.note, self._miss)

    def _miss(self, samples: int) -> None:
        self._missing += samples

    def _arrivals(self) -> Iterator[tuple[float, np.ndarray | None]]:
        """When, and the block at 16 kHz that came then, zeros before it for what the queue refused;
        None every TICK while nothing comes."""
        zeros, odd = 0, Oddities(self.name, self.rate, self.note)
        while True:
            try:
                when, refused, pcm = self._queue.get(timeout=TICK)
            except queue.Empty:
                if not self._stream.active:
                    self._revive()
                yield time.monotonic(), None
                continue
            odd.pcm(pcm)
            zeros = 0 if pcm.any() else zeros + len(pcm)
            if zeros >= SILENCE_SECONDS * self.rate:
                self._tell(
                    f"has delivered only zeros for {SILENCE_SECONDS:.0f} s: is it muted, or the "
                    "wrong one?"
                )
            if refused:
                self._tell("is heard with gaps: this machine is too slow, or busy")
                pcm = np.concatenate([np.zeros(refused, np.int16), pcm])
            if self._convert is not None:
                pcm = to_int16(self._convert(pcm[:, None].astype(np.float32) / 32768.0))
            yield when, pcm

    def _revive(self) -> None:
        """One try to have a device back that is gone."""
        if not self.reconnect:
            raise AudioError(f"{self.name} stopped delivering: was it unplugged?")
        self._tell("is gone; waiting for it")
        self._stream.close()
        sd = portaudio()
        # PortAudio makes its list of devices once
        sd._terminate()
        sd._initialize()
        try:
            self.device = find_microphone(self.device.name)
            self._open()
            self._start()
        except AudioError:
            return
        self.note(f"note: {self.name} is back")
        self._told.discard("is gone; waiting for it")
