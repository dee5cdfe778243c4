# SPDX-License-Identifier: Apache-2.0
"""Recordings that libsndfile reads, as blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_lp.audio.blocks import BLOCK, Blocks
from edge_lp.audio.resample import Convert, to_int16
from edge_lp.errors import AudioError
from edge_lp.runtime import SAMPLE_RATE
from edge_lp.text import Notice, notice

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au")


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
                Convert(f.samplerate, f.channels),
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
