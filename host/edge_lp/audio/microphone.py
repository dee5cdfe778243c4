# SPDX-License-Identifier: Apache-2.0
"""Microphones through PortAudio, as blocks."""

from __future__ import annotations

import queue
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lp.audio.blocks import BLOCK, Blocks
from edge_lp.audio.resample import Convert, to_int16
from edge_lp.errors import AudioError, MissingDependency
from edge_lp.runtime import SAMPLE_RATE
from edge_lp.text import Notice, notice

# what a microphone may run ahead of a busy listener before samples are lost
QUEUE_SECONDS = 10
SILENCE_SECONDS = 5.0  # exact zeros for so long: a muted or wrong input


def _sounddevice() -> Any:
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

    def row(self) -> tuple[str, str, str]:
        return (
            f"mic:{self.index}",
            self.name,
            f"{self.rate} Hz{', default' if self.default else ''}",
        )


def microphones() -> list[Microphone]:
    """Every input device. MissingDependency: no sounddevice or no PortAudio."""
    sd = _sounddevice()
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

    The callback looks at its status, copies and queues, nothing else; the queue is bounded, and
    `lost` counts the samples it refused, `overruns` the times PortAudio reported lost input. A
    device that cannot run at 16 kHz is captured at its own rate and resampled."""

    def __init__(self, wanted: str | None = None, note: Notice = notice) -> None:
        self.device, self.note = find_microphone(wanted), note
        self.lost = self.overruns = 0
        sd = _sounddevice()
        rate = self._rate(sd)
        self._convert = None if rate == SAMPLE_RATE else Convert(rate, 1)
        self._queue: queue.Queue[np.ndarray] = queue.Queue(QUEUE_SECONDS * SAMPLE_RATE // BLOCK)
        try:
            self._stream = sd.InputStream(
                samplerate=rate,
                device=self.device.index,
                channels=1,
                dtype="int16",
                blocksize=BLOCK * rate // SAMPLE_RATE,
                callback=self._callback,
            )
        except sd.PortAudioError as e:
            raise self._broken(e) from None

    def _broken(self, e: Exception) -> AudioError:
        text = e.args[0] if e.args else e
        return AudioError(
            f"microphone {self.device.name!r} cannot be used: {text}; choose another ('edge-lp "
            "devices')"
        )

    def _rate(self, sd: Any) -> int:
        try:
            sd.check_input_settings(
                device=self.device.index, channels=1, dtype="int16", samplerate=SAMPLE_RATE
            )
            return SAMPLE_RATE
        except sd.PortAudioError:
            self.note(
                f"note: {self.device.name!r} cannot run at {SAMPLE_RATE} Hz; captured at "
                f"{self.device.rate} Hz and resampled"
            )
            return self.device.rate

    def _callback(self, indata: np.ndarray, frames: int, when: Any, status: Any) -> None:
        if status.input_overflow:
            self.overruns += 1
        try:
            self._queue.put_nowait(indata[:, 0].copy())
        except queue.Full:
            self.lost += frames

    def __enter__(self) -> MicrophoneBlocks:
        try:
            self._stream.start()
        except Exception as e:  # PortAudioError; its class is only known where the package is
            raise self._broken(e) from None
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.close()
        if self.lost:
            self.note(f"note: {self.lost} samples were lost: this machine is too slow, or busy")
        if self.overruns:
            self.note(f"note: the audio system reported {self.overruns} overruns")

    def __iter__(self) -> Blocks:
        zeros, warned = 0, False
        while True:
            try:
                pcm = self._queue.get(timeout=2.0)
            except queue.Empty:
                if not self._stream.active:
                    raise AudioError(
                        f"microphone {self.device.name!r} stopped delivering: was it unplugged?"
                    ) from None
                continue
            if self._convert is not None:
                pcm = to_int16(self._convert(pcm[:, None].astype(np.float32) / 32768.0))
            zeros = 0 if pcm.any() else zeros + len(pcm)
            if zeros >= SILENCE_SECONDS * SAMPLE_RATE and not warned:
                warned = True
                self.note(
                    f"note: {self.device.name!r} has delivered only zeros for "
                    f"{SILENCE_SECONDS:.0f} s: is it muted, or the wrong one?"
                )
            yield pcm
