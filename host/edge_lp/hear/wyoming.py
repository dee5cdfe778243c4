# SPDX-License-Identifier: Apache-2.0
"""A wake-word service in the words of Wyoming, the protocol of Home Assistant's voice satellites:
what comes from one client, and what it is answered. Needs the package wyoming; no sockets here."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Attribution, Describe, Info, WakeModel, WakeProgram
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

from edge_lp.audio.raw import RawPcm
from edge_lp.errors import AudioError, EdgeLpError
from edge_lp.model.spec import DetectorConfig
from edge_lp.runtime import FRAME_SECONDS, HOP, SAMPLE_RATE, Model, Spotter, crc32, version
from edge_lp.text import plain

NAMED = 5  # unknown words that are told
CHUNKS = 4096  # whose timestamps are kept
FRAME_MS = round(1000 * FRAME_SECONDS)


class WyomingError(EdgeLpError):
    """An event whose content cannot be."""


@dataclass(frozen=True)
class Service:
    """What all clients share: the model, its detector, and its name."""

    model: Model
    config: DetectorConfig
    name: str

    @property
    def words(self) -> list[str]:
        """What a client is offered, and gets if it names nothing: the wake words or, where the
        model has none, all keywords."""
        return self.model.keywords[: self.config.wake_words or None]

    def info(self) -> Info:
        nobody = Attribution(name="", url="")
        models = [
            WakeModel(
                name=word,
                phrase=word,
                description=word,
                attribution=nobody,
                installed=True,
                languages=[],
                version=f"{crc32(self.model.bytes[:-4]):08x}",
            )
            for word in self.words
        ]
        program = WakeProgram(
            name="edge-lp",
            description=f"Spiking keyword spotter, model {self.name}",
            attribution=nobody,
            installed=True,
            version=version(),
            models=models,
        )
        return Info(wake=[program])


class Conversation:
    """One client's state. samples: heard so far; heard: how often it was told of each word;
    unknown: words it asked for that the model does not have."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.samples, self.heard = 0, Counter[str]()
        self.unknown: list[str] = []
        self._names = frozenset(service.words)
        self._spotter: Spotter | None = None
        self._raw: RawPcm | None = None
        self._position = 0  # samples of this stream
        # where chunks began, and when, as the client says
        self._times: deque[tuple[int, int]] = deque(maxlen=CHUNKS)
        self._streaming = self._found = False

    def answer(self, event: Event) -> Iterator[Event]:
        """What the client is told, in this order. AudioError, WyomingError: it sent what cannot be;
        it is told, and this was its last event."""
        data = {} if event.data is None else event.data  # None: wyoming 1.6
        if not isinstance(data, dict):
            raise WyomingError(f"data of {plain(event.type)} is no object")
        if Describe.is_type(event.type):
            yield self.service.info().event()
        elif Ping.is_type(event.type):
            yield Pong(text=data.get("text")).event()
        elif Detect.is_type(event.type):
            yield from self._detect(data.get("names"))
        elif AudioStart.is_type(event.type):
            self._begin(data)
        elif AudioChunk.is_type(event.type):
            yield from self._chunk(data, event.payload or b"")
        elif AudioStop.is_type(event.type):
            yield from self._stop()
        # what other versions of the protocol may send has no answer

    def _detect(self, names: object) -> Iterator[Event]:
        if names is not None and not (
            isinstance(names, list) and all(isinstance(n, str) for n in names)
        ):
            raise WyomingError("names of detect is no list of words")
        by_name = {_key(word): word for word in self.service.model.keywords}
        asked = names or self.service.words
        self._names = frozenset(by_name[_key(n)] for n in asked if _key(n) in by_name)
        self.unknown = [n for n in asked if _key(n) not in by_name][:NAMED]
        if self.unknown:
            there = ", ".join(self.service.model.keywords)
            text = f"model {self.service.name} has no {', '.join(self.unknown)}; it has {there}"
            yield Error(text=text, code="unknown-wake-word").event()

    def _begin(self, data: dict) -> None:
        """A new stream: nothing that was heard before counts."""
        self._raw = RawPcm(*(_integer(data, name) for name in ("rate", "width", "channels")))
        self._position = 0
        self._times.clear()
        if self._spotter is None:
            self._spotter = Spotter(self.service.model, config=self.service.config)
        else:
            self._spotter.reset()
        self._streaming, self._found = True, False

    def _chunk(self, data: dict, audio: bytes) -> Iterator[Event]:
        form = tuple(_integer(data, name) for name in ("rate", "width", "channels"))
        if not self._streaming:
            self._begin(data)
        assert self._raw and self._spotter
        if (when := _timestamp(data)) is not None:
            self._times.append((self._position, when))
        if form != self._raw.format:
            yield from self._push(self._raw(b"", last=True))
            self._raw = RawPcm(*form)
        yield from self._push(self._raw(audio))

    def _stop(self) -> Iterator[Event]:
        """Behind a stream come zeros, as behind a recording, so that its last word is decided."""
        if self._streaming:
            assert self._raw
            yield from self._push(self._raw(b"", last=True))
            heard = self.samples
            yield from self._push(np.zeros(self.service.config.tail * HOP, np.int16))
            self.samples = heard
        if not self._found:
            yield NotDetected().event()
        self._streaming = False

    def _push(self, pcm: np.ndarray) -> Iterator[Event]:
        """Detections of words that the client wants."""
        assert self._spotter
        self.samples += len(pcm)
        self._position += len(pcm)
        for e in self._spotter.push(pcm):
            word = self.service.model.labels[e.label]
            if word in self._names:
                self._found = True
                self.heard[word] += 1
                yield Detection(name=word, timestamp=self._when(e.middle)).event()

    def _when(self, frame: int) -> int:
        """The timestamp of the chunk that holds a word's middle: satellites count nanoseconds where
        the protocol says milliseconds. Of chunks without one, milliseconds from the start."""
        before = [when for at, when in self._times if at <= frame * HOP]
        return before[-1] if before else frame * FRAME_MS

    def summary(self) -> str:
        words = ", ".join(f"{word} {n}" for word, n in self.heard.most_common()) or "none"
        told = f"{self.samples / SAMPLE_RATE:.1f} s heard, {self.heard.total()} detections: {words}"
        return told + "".join(f"; it asked for {word}, unknown here" for word in self.unknown)


def _key(name: str) -> str:
    """Clients write names with spaces, underscores and capitals."""
    return name.casefold().replace("_", " ").strip()


def _integer(data: dict, name: str) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise AudioError(f"{name} of the audio is no integer")
    return value


def _timestamp(data: dict) -> int | None:
    value = data.get("timestamp")
    if value is None:
        return None
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise WyomingError("timestamp of the audio is no number")
    return int(value)
