# SPDX-License-Identifier: Apache-2.0
"""Where audio comes from: a recording, a pipe, a microphone. Each source is an iterator of blocks
of int16 samples at 16 kHz, mono.

Whatever the source, the same samples give the same blocks' content, so the same detections: a
block's length carries no meaning.
"""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from edge_lp.errors import AudioError, MissingDependency
from edge_lp.runtime import HOP, SAMPLE_RATE

BLOCK = 10 * HOP  # samples: 100 ms
# what a microphone may run ahead of a busy listener before samples are lost
QUEUE_SECONDS = 10
SILENCE_SECONDS = 5.0  # exact zeros for so long: a muted or wrong input
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au")

Blocks = Iterator[np.ndarray]
Notice = Callable[[str], None]


def notice(line: str) -> None:
    """One line on stderr: something the user should know that stops nothing."""
    print(line, file=sys.stderr, flush=True)


def to_int16(x: np.ndarray) -> np.ndarray:
    """Float samples in -1..1 -> int16, rounded to nearest, clipped."""
    return np.clip(np.rint(x * 32768.0), -32768, 32767).astype(np.int16)


class _Convert:
    """Float frames (n, channels) at any rate -> mono float at 16 kHz, in a stream."""

    def __init__(self, rate: int, channels: int) -> None:
        self.mix = channels > 1
        self.resampler: Any = None
        if rate != SAMPLE_RATE:
            import soxr

            self.resampler = soxr.ResampleStream(
                rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ"
            )

    def __call__(self, frames: np.ndarray, last: bool = False) -> np.ndarray:
        mono = frames.mean(axis=1) if self.mix else frames[:, 0]
        if self.resampler is None:
            return mono
        return self.resampler.resample_chunk(np.ascontiguousarray(mono, np.float32), last=last)


def file_blocks(path: str | Path, note: Notice = notice) -> Blocks:
    """A recording that libsndfile reads (wav, flac, ogg, mp3, ...). Stereo is mixed down and other
    rates are resampled, each with a notice.

    AudioError: no such file, not audio, or no samples in it."""
    import soundfile

    if not Path(path).exists() or Path(path).is_dir():
        raise AudioError(
            f"{path}: {'a folder, not a recording' if Path(path).is_dir() else 'no such file'}"
        )
    try:
        with soundfile.SoundFile(str(path)) as f:
            if f.frames == 0:
                raise AudioError(f"{path}: the recording is empty (0 samples)")
            if f.channels > 1:
                note(f"note: {path}: {f.channels} channels, mixed down to one")
            if f.samplerate != SAMPLE_RATE:
                note(f"note: {path}: {f.samplerate} Hz, resampled to {SAMPLE_RATE} Hz")
            # bits as they are; libsndfile scales all but these two to int16
            elif f.channels == 1 and f.subtype not in ("FLOAT", "DOUBLE"):
                while len(pcm := f.read(BLOCK, dtype="int16")):
                    yield pcm
                return
            convert, size = (
                _Convert(f.samplerate, f.channels),
                max(1, BLOCK * f.samplerate // SAMPLE_RATE),
            )
            while len(frames := f.read(size, dtype="float32", always_2d=True)):
                yield to_int16(convert(frames))
            yield to_int16(convert(np.zeros((0, f.channels), np.float32), last=True))
    except soundfile.LibsndfileError as e:
        reason = str(e.error_string).strip().rstrip(".")
        raise AudioError(
            f"{path}: not a recording that can be read ({reason}); expected wav, flac, ogg or mp3"
        ) from None


def read_file(path: str | Path, note: Notice = notice) -> np.ndarray:
    """A whole recording as int16 at 16 kHz, mono. Errors as file_blocks."""
    return np.concatenate(list(file_blocks(path, note)))


def pipe_blocks(stream: BinaryIO) -> Blocks:
    """Raw PCM, int16 little-endian, mono, 16 kHz. Yields what has arrived, without waiting for a
    full block. AudioError: nothing came."""
    odd, seen = b"", False
    read = getattr(stream, "read1", stream.read)
    while data := read(2 * BLOCK):
        seen, data = True, odd + data
        odd = data[len(data) & ~1 :]
        yield np.frombuffer(data[: len(data) & ~1], "<i2").astype(np.int16)
    if not seen:
        raise AudioError(
            "stdin: no samples came; expected raw PCM, int16 little-endian, mono, 16 kHz"
        )
    if odd:
        notice("note: stdin: the last byte is half a sample and was left out")


def real_time(blocks: Iterable[np.ndarray]) -> Blocks:
    """Holds each block back until the moment a microphone would have delivered it."""
    start, at = time.monotonic(), 0
    for pcm in blocks:
        at += len(pcm)
        time.sleep(max(0.0, start + at / SAMPLE_RATE - time.monotonic()))
        yield pcm


def with_tail(blocks: Iterable[np.ndarray], seconds: float) -> Blocks:
    """The blocks, then zeros."""
    yield from blocks
    yield np.zeros(round(seconds * SAMPLE_RATE), np.int16)


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


def table(rows: Iterable[tuple[str, str, str]]) -> Any:
    """(what --device takes, name, details) for a reader."""
    from rich.table import Table

    t = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("--device", "name", ""):
        t.add_column(column)
    for row in rows:
        t.add_row(*row)
    return t


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
        self._convert = None if rate == SAMPLE_RATE else _Convert(rate, 1)
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


class Recorder:
    """Writes the blocks that pass to a wav file: what was heard, sample by sample. A context
    manager; the file gets its name when it closes, if anything was heard."""

    def __init__(self, path: str | Path) -> None:
        import soundfile

        self.path = Path(path)
        self._part = self.path.with_name(self.path.name + ".part")
        self._heard = 0
        try:
            self._file = soundfile.SoundFile(
                str(self._part), "w", SAMPLE_RATE, 1, "PCM_16", format="WAV"
            )
        except soundfile.LibsndfileError:
            raise AudioError(
                f"{path}: cannot be written; choose a folder that exists and is writable"
            ) from None

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()
        if self._heard:
            self._part.replace(self.path)
        else:
            self._part.unlink()

    def through(self, blocks: Iterable[np.ndarray]) -> Blocks:
        for pcm in blocks:
            self._file.write(pcm)
            self._heard += len(pcm)
            yield pcm
