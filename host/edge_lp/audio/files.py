# SPDX-License-Identifier: Apache-2.0
"""Recordings that libsndfile reads, as blocks."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.audio.blocks import BLOCK, Blocks
from edge_lp.audio.mend import mend
from edge_lp.audio.oddities import Oddities
from edge_lp.audio.resample import Convert, to_int16
from edge_lp.errors import AudioError
from edge_lp.runtime import SAMPLE_RATE
from edge_lp.text import Notice, notice

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au")
RAW_SUFFIXES = (".raw", ".pcm", ".s16", ".s16le", ".sw")
WHOLE_BLOCK = SAMPLE_RATE  # samples of a file that nobody waits for
RATES = (4000, 768000)  # Hz: below, no speech is left; above, no recorder is


def file_blocks(
    path: str | Path, note: Notice = notice, strict: bool = False, channel: int | None = None,
    block: int = BLOCK,
) -> Blocks:  # fmt: skip
    """A recording that libsndfile reads (wav, flac, ogg, mp3, ...). Channels are mixed down, unless
    one is asked for, from 1; other rates are resampled; these, and what Oddities finds, each with
    one notice. block: samples that are read at once. One that is damaged ends there with a notice,
    or with an error if strict.

    AudioError: no such file, not audio, a rate outside RATES, or no samples in it."""
    import soundfile

    at = 0
    try:
        with _open(Path(path)) as f:
            for pcm in _blocks(f, path, note, channel, block):
                yield pcm
                at += len(pcm)
    except soundfile.LibsndfileError as e:
        reason = str(e.error_string).strip().rstrip(".") or "damaged or cut off"
        if at == 0:
            raise AudioError(_unreadable(Path(path), reason)) from None
        line = f"{path}: damaged after {at / SAMPLE_RATE:.1f} s ({reason})"
        if strict:
            raise AudioError(line) from None
        note(f"note: {line}; what is before it counts")
    if at == 0:
        raise AudioError(f"{path}: the recording is empty (0 samples)")


def read_file(path: str | Path, note: Notice = notice, seconds: float | None = None) -> np.ndarray:
    """A recording as int16 at 16 kHz, mono; no more of it than these seconds is read. Errors as
    file_blocks, and a damaged one."""
    blocks, n = [], 0
    most = None if seconds is None else round(seconds * SAMPLE_RATE)
    for pcm in file_blocks(path, note, strict=True, block=WHOLE_BLOCK):
        blocks.append(pcm)
        n += len(pcm)
        if most is not None and n >= most:
            break
    return np.concatenate(blocks)[:most]


def _blocks(f: Any, path: str | Path, note: Notice, channel: int | None, block: int) -> Blocks:
    """An open soundfile.SoundFile as blocks."""
    if not RATES[0] <= f.samplerate <= RATES[1]:
        raise AudioError(
            f"{path}: its header says {f.samplerate} Hz; expected {RATES[0]} to {RATES[1]} Hz"
        )
    if channel is not None and not 1 <= channel <= f.channels:
        raise AudioError(f"{path}: has no channel {channel}; expected 1 to {f.channels}")
    odd = Oddities(str(path), f.samplerate, note)
    if f.channels > 1 and channel is None:
        note(f"note: {path}: {f.channels} channels, mixed down to one")
    if f.samplerate != SAMPLE_RATE:
        note(f"note: {path}: {f.samplerate} Hz, resampled to {SAMPLE_RATE} Hz")
    # bits as they are; libsndfile scales all but these two to int16
    elif f.channels == 1 and f.subtype not in ("FLOAT", "DOUBLE"):
        while len(pcm := f.read(block, dtype="int16")):
            yield odd.pcm(pcm)
        return
    used = slice(None) if channel is None else slice(channel - 1, channel)
    convert = Convert(f.samplerate, 1 if channel else f.channels)
    size = block * f.samplerate // SAMPLE_RATE
    while len(frames := f.read(size, dtype="float32", always_2d=True)):
        yield to_int16(convert(odd.floats(frames[:, used])))
    yield to_int16(convert(np.zeros((0, f.channels), np.float32)[:, used], last=True))


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """A soundfile.SoundFile that is read in one direction. By an open file, not by name: so any
    bytes may be in a name, and a suffix decides nothing."""
    import soundfile

    _check(path)
    try:
        raw = open(path, "rb", buffering=0)
    except OSError as e:
        raise AudioError(f"{path}: cannot be opened ({e.strerror})") from None
    with raw:
        whole = mend(raw) if raw.seekable() else raw
        with soundfile.SoundFile(raw.fileno() if whole is raw else whole, closefd=False) as f:
            # after each read soundfile seeks to where it is, which fails behind the last sample of
            # a file whose header does not say how long it is
            f.seekable = lambda: False
            yield f


def _check(path: Path) -> None:
    """AudioError unless a path leads to a file or a pipe."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise AudioError(f"{path}: no such file") from None
    except OSError as e:
        raise AudioError(f"{path}: cannot be opened ({e.strerror})") from None
    if stat.S_ISDIR(mode):
        raise AudioError(f"{path}: a folder, not a recording")
    if stat.S_ISCHR(mode):
        raise AudioError(
            f"{path}: a device, not a recording; if it is a board's serial port: serial:{path}"
        )
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise AudioError(f"{path}: neither a file nor a pipe")


def _unreadable(path: Path, reason: str) -> str:
    if path.suffix.lower() in RAW_SUFFIXES:
        return (
            f"{path}: raw samples do not say what they are; if they are int16, mono, 16 kHz: "
            f"edge-lp listen --device - < {path}"
        )
    if path.is_fifo() and "flac" in reason.lower():
        reason += "; FLAC cannot be read from a pipe"
    return f"{path}: not a recording that can be read ({reason}); expected wav, flac, ogg or mp3"
