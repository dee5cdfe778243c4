# SPDX-License-Identifier: Apache-2.0
"""Streams to measure a detector on: ordinary speech, and clips of words among noise; and their
logits, for which the net runs once.

Logits do not depend on the detector, so they are kept in a cache: under XDG_CACHE_HOME (~/.cache),
edge-lp/logits, in a folder for each net. A file there is named by all that it depends on (the
recordings' paths, sizes and times, the drawing of the stream), so that nothing stale is read, and a
calibration that was stopped goes on where it was. 24 bytes a frame for 12 labels: 9 MB an hour."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from edge_lp.audio.blocks import with_tail
from edge_lp.audio.files import file_blocks, read_file
from edge_lp.errors import AudioError
from edge_lp.files import cache_folder, write_file
from edge_lp.measure.chain import Chain
from edge_lp.measure.clips import recordings, walk
from edge_lp.measure.embed import embed
from edge_lp.measure.stream import Said, words_of_text
from edge_lp.measure.transcripts import halves, speaker_of, text_of
from edge_lp.model.format import pack, unpack
from edge_lp.model.spec import DetectorConfig
from edge_lp.runtime import SAMPLE_RATE
from edge_lp.text import Notice, notice, plain

CLIPS_A_STREAM = 40
TAIL = 1.5  # seconds of zeros behind a recording, so that its last word is decided
SEED = 1
T = TypeVar("T")


def _stamp(path: Path) -> str:
    s = path.stat()
    return f"{path.resolve()}|{s.st_size}|{s.st_mtime_ns}"


@dataclass(frozen=True)
class Speech:
    """A recording in which nothing should be detected but what its text holds."""

    path: Path

    def key(self) -> str:
        return f"speech|{_stamp(self.path)}|{TAIL}"


@dataclass(frozen=True)
class Words:
    """Clips (word, file) in a stream, with a recording of noise under them or without."""

    clips: tuple[tuple[str, Path], ...]
    noise: Path | None
    snr: float
    seed: int

    def key(self) -> str:
        parts = [f"words|{self.snr}|{self.seed}", *(_stamp(p) for _, p in self.clips)]
        return "|".join([*parts, *([_stamp(self.noise)] if self.noise else [])])

    def compose(self) -> tuple[np.ndarray, list[Said]]:
        rng = np.random.default_rng(self.seed)
        noise = None
        if self.noise:
            noise = _read(self.noise)
            noise = np.roll(noise, -int(rng.integers(len(noise))))
        return embed([(w, _read(p)) for w, p in self.clips], rng, noise, self.snr)


def _read(path: Path) -> np.ndarray:
    return read_file(path, note=lambda line: None)


@dataclass(frozen=True)
class Recorded:
    """logits: (frames, labels) int16 Q8 of a stream and its tail; seconds: of the stream without
    the tail; said: the keywords in it, as far as they are known."""

    logits: np.ndarray
    seconds: float
    said: list[Said]


# ---------------------------------------------------------------------------------------- material


def positives(
    folders: Iterable[str | Path],
    keywords: Sequence[str],
    noise: str | Path | None,
    snr: float,
    each: int,
    note: Notice = notice,
) -> tuple[list[Words], list[Words]]:
    """Streams of the clips of keywords in folders of words, of either half of the speakers; at most
    `each` clips of a word. AudioError: no clips."""
    clips: list[tuple[str, Path]] = []
    for folder in folders:
        clips += [(c.word, c.path) for c in walk(folder).clips if c.word in keywords]
    if not clips:
        raise AudioError(
            f"{', '.join(map(str, folders))}: no clips of the keywords; expected a folder for each "
            f"of {', '.join(keywords)}"
        )
    if missing := [w for w in keywords if w not in {word for word, _ in clips}]:
        note(f"note: no clips of {', '.join(missing)}: not calibrated on them")
    rng = np.random.default_rng(SEED)
    kept: list[tuple[str, Path]] = []
    for word in keywords:
        own = [c for c in clips if c[0] == word]
        kept += [own[i] for i in rng.permutation(len(own))[:each]]
    noises = long_recordings(noise) if noise is not None else []
    a, b = _halved([((w, p), p) for w, p in kept], "the clips", note)
    return _streams(a, noises, snr, 0), _streams(b, noises, snr, 1)


def long_recordings(folder: str | Path, seconds: float = 1.0) -> list[Path]:
    """The recordings below a folder that are longer than that. AudioError: none."""
    import soundfile

    found = [p for p in recordings([folder])[0] if soundfile.info(str(p)).duration > seconds]
    if not found:
        raise AudioError(f"{folder}: no recording is longer than {seconds:g} s")
    return found


def _streams(
    clips: list[tuple[str, Path]], noises: list[Path], snr: float, half: int
) -> list[Words]:
    rng = np.random.default_rng([SEED, half])
    order = [clips[i] for i in rng.permutation(len(clips))]
    return [
        Words(
            tuple(order[i : i + CLIPS_A_STREAM]),
            noises[int(rng.integers(len(noises)))] if noises else None,
            snr,
            int(rng.integers(2**31)),
        )
        for i in range(0, len(order), CLIPS_A_STREAM)
    ]


def negatives(
    folders: Iterable[str | Path], note: Notice = notice
) -> tuple[list[Speech], list[Speech]]:
    """All recordings below the folders, of either half of the speakers. AudioError: none."""
    found = [p for folder in folders for p in recordings([folder])[0]]
    return _halved([(Speech(p), p) for p in found], "the speech", note)


def _halved(items: Sequence[tuple[T, Path]], what: str, note: Notice) -> tuple[list[T], list[T]]:
    """The items of either half of the speakers; of one speaker's, either half of the recordings."""
    speakers = [speaker_of(p) for _, p in items]
    if len(set(speakers)) == 1 and len(items) > 1:
        note(
            f"note: {what} are all of one speaker, {plain(speakers[0])}: both halves are, so the "
            "report says nothing of others"
        )
        speakers = [p.name for _, p in items]
    return halves(zip(speakers, (item for item, _ in items)))


# ------------------------------------------------------------------------------------------ logits


def net_id(data: bytes) -> str:
    """The checksum that a model would have with a detector and a provenance that are always the
    same: its logits depend on nothing else."""
    spec = unpack(data)
    plain = replace(spec, detector=DetectorConfig((60,), (0.5,), 0, 0), provenance={})
    return pack(plain)[-4:][::-1].hex()


@dataclass(frozen=True)
class Cache:
    """folder: of one net; it is made when something is kept."""

    folder: Path

    @classmethod
    def of(cls, data: bytes) -> Cache:
        return cls(cache_folder("logits") / net_id(data))

    def logits(self, chain: Chain, stream: Speech | Words) -> Recorded:
        """From the cache, or by running the net, and then kept. AudioError: a file that cannot be
        read."""
        keywords = chain.model.keywords
        path = self.folder / f"{hashlib.sha256(stream.key().encode()).hexdigest()[:32]}.npz"
        found = _load(path, stream)
        if found is None:
            found = _run(chain, stream)
            self.folder.mkdir(parents=True, exist_ok=True)
            out = io.BytesIO()
            times = [(s.start, s.end) for s in found.said]
            np.savez(out, logits=found.logits, seconds=found.seconds, times=np.array(times))
            write_file(path, out.getvalue())
        if isinstance(stream, Speech) and (text := text_of(stream.path)):
            found = replace(found, said=words_of_text(text, found.seconds, keywords))
        return found


def _load(path: Path, stream: Speech | Words) -> Recorded | None:
    """None: not there, or damaged."""
    try:
        with np.load(path) as z:
            words = [w for w, _ in stream.clips] if isinstance(stream, Words) else []
            said = [Said(w, float(a), float(b)) for w, (a, b) in zip(words, z["times"])]
            return Recorded(z["logits"], float(z["seconds"]), said)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def _run(chain: Chain, stream: Speech | Words) -> Recorded:
    said: list[Said] = []
    if isinstance(stream, Words):
        pcm, said = stream.compose()
        blocks: Iterable[np.ndarray] = [pcm]
    else:
        blocks = file_blocks(stream.path, note=lambda line: None)
    samples = 0

    def counted() -> Iterable[np.ndarray]:
        nonlocal samples
        for pcm in blocks:
            samples += len(pcm)
            yield pcm

    logits = chain.stream(with_tail(counted(), TAIL))
    return Recorded(logits, samples / SAMPLE_RATE, said)
