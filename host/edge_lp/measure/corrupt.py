# SPDX-License-Identifier: Apache-2.0
"""A clip under other conditions: later or earlier, in a room, louder or softer, in noise.

What is drawn (the noise, the room) depends on the clip's name only, so that every engine and every
run hears the same: noise and gain are those of the peers' measurements (bench/peers.py, `corrupt`),
sample for sample, on the same folder of noise."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge_lp.audio.files import read_file
from edge_lp.errors import AudioError
from edge_lp.measure.clips import read_clip, recordings, samples_of
from edge_lp.runtime import SAMPLE_RATE

NOISE_SUFFIXES = (".wav", ".flac", ".ogg")  # what peers.py takes; another one would move the draws


@dataclass(frozen=True)
class Condition:
    """snr: dB of the clip's power over the noise's; gain: dB; shift: ms later; room: an impulse
    response is drawn. None, 0, False: not."""

    snr: float | None = None
    gain: float | None = None
    shift: float = 0.0
    room: bool = False

    def __str__(self) -> str:
        parts = [
            *([f"shifted by {self.shift:+g} ms"] if self.shift else []),
            *(["in rooms"] if self.room else []),
            *([f"gain {self.gain:+g} dB"] if self.gain is not None else []),
            *([f"SNR {self.snr:g} dB"] if self.snr is not None else []),
        ]
        return ", ".join(parts) or "clean"

    def json(self) -> dict[str, float | bool | None]:
        return {
            "snr_db": self.snr,
            "gain_db": self.gain,
            "shift_ms": self.shift,
            "room": self.room,
        }


CLEAN = Condition()


@dataclass(frozen=True)
class Material:
    """noises: int16 recordings of more than 2 s; rooms: impulse responses, float, from their peak
    on, of unit energy."""

    noises: list[np.ndarray] = field(default_factory=list)
    rooms: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def of(
        cls, conditions: Sequence[Condition], noise: str | Path | None, rooms: str | Path | None
    ) -> Material:
        """What the conditions need. AudioError: a folder that is missing, or nothing in it, or that
        nothing asks for."""
        in_noise, in_rooms = any(c.snr is not None for c in conditions), rooms is not None
        if in_noise and noise is None:
            raise AudioError("an SNR needs noise: name a folder of recordings with --noise")
        if noise is not None and not in_noise:
            raise AudioError("--noise is mixed in at an SNR: say how many dB below with --snr")
        return cls(
            _noises(noise) if in_noise and noise is not None else [],
            _responses(rooms) if in_rooms and rooms is not None else [],
        )


def _noises(folder: str | Path) -> list[np.ndarray]:
    """As peers.py: 16 kHz files of more than 2 s, first channel, in the order of their paths."""
    import soundfile

    if not Path(folder).is_dir():
        raise AudioError(f"{folder}: no such folder; expected recordings of noise")
    found = []
    for path in sorted(Path(folder).rglob("*")):
        if path.suffix in NOISE_SUFFIXES:
            try:
                x, rate = soundfile.read(str(path), dtype="int16")
            except soundfile.LibsndfileError as e:
                raise AudioError(f"{path}: not a recording that can be read ({e})") from None
            if rate == SAMPLE_RATE and len(x) > 2 * SAMPLE_RATE:
                found.append(x if x.ndim == 1 else np.ascontiguousarray(x[:, 0]))
    if not found:
        raise AudioError(
            f"{folder}: no noise that can be used; expected wav, flac or ogg of 16 kHz, longer "
            "than 2 s"
        )
    return found


def _responses(folder: str | Path) -> list[np.ndarray]:
    found = []
    for path in recordings([folder])[0]:
        x = read_file(path, note=lambda line: None).astype(np.float64)
        x = x[int(np.abs(x).argmax()) :][:SAMPLE_RATE]
        if x.any():
            found.append(x / np.sqrt((x**2).sum()))
    return found


def corrupt(clip: np.ndarray, key: str, c: Condition, material: Material) -> np.ndarray:
    """(n,) int16 -> (n,) int16, n at most two seconds. key: the clip's file name without suffix,
    from which all is drawn. In a room the clip keeps its power, and what rings on behind its end is
    lost."""
    x = clip.astype(np.float64)
    if c.shift:
        x = _shifted(x, round(c.shift * SAMPLE_RATE / 1000))
    if c.room:
        rng = np.random.default_rng([zlib.crc32(key.encode()), 1])
        x = _in_room(x, material.rooms[int(rng.integers(len(material.rooms)))])
    if c.gain is not None:
        x = x * 10 ** (c.gain / 20)
    if c.snr is not None:
        rng = np.random.default_rng(np.frombuffer(key.encode().ljust(32, b"0")[:32], np.uint32))
        n = material.noises[rng.integers(len(material.noises))]
        at = rng.integers(len(n) - len(x))
        n = n[at : at + len(x)].astype(np.float64)
        x = x + n * np.sqrt((x**2).mean() / max((n**2).mean(), 1e-9) / 10 ** (c.snr / 10))
    return np.clip(np.round(x), -32768, 32767).astype(np.int16)


def under(
    path: str | Path, c: Condition, noise: str | Path | None, rooms: str | Path | None
) -> np.ndarray:
    """A recording as it is, or what is around its word under a condition, as evaluate hears it.
    AudioError: it cannot be read, or as Material.of."""
    material = Material.of([c], noise, rooms)
    if c == CLEAN:
        return read_file(path)
    pcm = read_clip(Path(path), samples_of([[Path(path)]]))
    return corrupt(pcm, Path(path).stem, c, material)


def _shifted(x: np.ndarray, by: int) -> np.ndarray:
    """Later by so many samples, earlier for by < 0; zeros come in, what leaves is lost."""
    by = max(-len(x), min(len(x), by))
    zeros = np.zeros(abs(by))
    return np.concatenate([zeros, x[: len(x) - by]] if by >= 0 else [x[-by:], zeros])


def _in_room(x: np.ndarray, response: np.ndarray) -> np.ndarray:
    size = 1 << (len(x) + len(response) - 1).bit_length()
    y = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(response, size), size)[: len(x)]
    return y * np.sqrt((x**2).mean() / max((y**2).mean(), 1e-9))


def conditions(
    snrs: Sequence[float] = (),
    gains: Sequence[float] = (),
    shifts: Sequence[float] = (),
    rooms: bool = False,
) -> list[Condition]:
    """Clean, then each change by itself."""
    return [
        CLEAN,
        *(Condition(snr=s) for s in snrs),
        *(Condition(gain=g) for g in gains),
        *(Condition(shift=s) for s in shifts),
        *([Condition(room=True)] if rooms else []),
    ]
