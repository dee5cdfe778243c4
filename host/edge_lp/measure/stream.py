# SPDX-License-Identifier: Apache-2.0
"""Words against detections on a stream: the one definition of a hit, a miss and a false event,
which demo, tests and every measurement use.

A word is *hit* by one detection of the same word whose time is within MATCH_SECONDS of the word's
middle; of several pairs that could be made, the nearest are. A keyword that is not hit is *missed*.
A detection that hits nothing is a *false event*: a second one of the same word too, and one of
another word, which with the miss beside it counts twice.

Where only a text says what was said, its words stand at an estimated time. A detection of such a
word within TEXT_SECONDS of there is *real*: neither a hit, for nobody asked for it, nor false. Its
absence is no miss. Without a text, every detection in speech is false."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_lp.runtime import FRAME_SECONDS, Event

MATCH_SECONDS = 0.5
TEXT_SECONDS = 1.5  # letters a second vary; a text of 15 s puts its words within about that


@dataclass(frozen=True)
class Detection:
    """t: the word's middle, seconds from the start of the stream; score: posterior 0..1."""

    t: float
    keyword: str
    score: float


@dataclass(frozen=True)
class Said:
    """A word in the stream, from start to end in seconds. keyword: the model should detect it.
    real: from a text, so that its time is an estimate and only its detection says anything."""

    word: str
    start: float
    end: float
    voice: str = ""
    keyword: bool = True
    real: bool = False

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


@dataclass(frozen=True)
class Row:
    """A word with its detection, a word without one, or a detection without a word. Both, of two
    words: a detection at the place of a word that it does not name."""

    said: Said | None
    heard: Detection | None

    @property
    def _same(self) -> bool:
        return bool(self.said and self.heard and self.said.word == self.heard.keyword)

    @property
    def hit(self) -> bool:
        return bool(self._same and self.said and self.said.keyword and not self.said.real)

    @property
    def missed(self) -> bool:
        return bool(self.said and self.said.keyword and not self.said.real and not self._same)

    @property
    def real(self) -> bool:
        """A detection of a word that a text has about there."""
        return bool(self._same and self.said and self.said.real)

    @property
    def false(self) -> bool:
        return bool(self.heard and not self.hit and not self.real)


@dataclass
class Tally:
    """Counts by keyword, each (keywords,) int. Tallies of streams add up. real_said: what the texts
    hold of each keyword, found or not."""

    asked: np.ndarray
    hits: np.ndarray
    false: np.ndarray
    real: np.ndarray
    real_said: np.ndarray
    seconds: float = 0.0

    @classmethod
    def zero(cls, n_keywords: int) -> Tally:
        asked, hits, false, real, real_said = np.zeros((5, n_keywords), int)
        return cls(asked, hits, false, real, real_said)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.asked + other.asked,
            self.hits + other.hits,
            self.false + other.false,
            self.real + other.real,
            self.real_said + other.real_said,
            self.seconds + other.seconds,
        )

    @property
    def missed(self) -> np.ndarray:
        return self.asked - self.hits

    @property
    def hours(self) -> float:
        return self.seconds / 3600


@dataclass
class _Open:
    """Words and detections that have no partner yet, by index."""

    said: set[int] = field(default_factory=set)
    heard: set[int] = field(default_factory=set)


def detections(events: Iterable[Event], labels: Sequence[str]) -> list[Detection]:
    """The runtime's events in words and seconds."""
    return [Detection(e.middle * FRAME_SECONDS, labels[e.label], e.score) for e in events]


def match(said: Sequence[Said], heard: Sequence[Detection]) -> list[Row]:
    """Each word with the detection that hits it; what is left pairs up where a detection of another
    word is within MATCH_SECONDS, for a person to see what was taken for what; then what is alone.
    In time's order, words of texts that nobody detected left out."""
    open_ = _Open(set(range(len(said))), set(range(len(heard))))
    pairs = _pair(said, heard, open_, same=True) + _pair(said, heard, open_, same=False)
    rows = [Row(said[i], heard[j]) for i, j in pairs]
    rows += [Row(said[i], None) for i in open_.said if not said[i].real]
    rows += [Row(None, heard[j]) for j in open_.heard]
    return sorted(rows, key=_time)


def _pair(
    said: Sequence[Said], heard: Sequence[Detection], open_: _Open, same: bool
) -> list[tuple[int, int]]:
    near = []
    for i in open_.said:
        s = said[i]
        if s.real and not same:
            continue
        for j in open_.heard:
            distance = abs(heard[j].t - s.middle)
            if (s.word == heard[j].keyword) is same and distance <= (
                TEXT_SECONDS if s.real else MATCH_SECONDS
            ):
                near.append((distance, i, j))
    pairs = []
    for _, i, j in sorted(near):
        if i in open_.said and j in open_.heard:
            open_.said.remove(i)
            open_.heard.remove(j)
            pairs.append((i, j))
    return pairs


def _time(r: Row) -> float:
    return r.said.middle if r.said else r.heard.t if r.heard else 0.0


def tally(
    said: Sequence[Said], heard: Sequence[Detection], keywords: Sequence[str], seconds: float
) -> Tally:
    """Counts of one stream of so many seconds."""
    t, index = Tally.zero(len(keywords)), {w: i for i, w in enumerate(keywords)}
    t.seconds = seconds
    for s in said:
        if s.word in index and s.keyword:
            (t.real_said if s.real else t.asked)[index[s.word]] += 1
    for r in match(said, heard):
        if r.heard is None:
            continue
        column = t.hits if r.hit else t.real if r.real else t.false
        column[index[r.heard.keyword]] += 1
    return t


def words_of_text(text: str, seconds: float, keywords: Sequence[str]) -> list[Said]:
    """The keywords in a text that is spoken over so many seconds, each at the time that the share
    of letters before it gives. Case does not count; what is not a letter or ' parts words, so that
    none is found in a script without spaces."""
    found, wanted = [], {k.lower(): k for k in keywords}
    for m in re.finditer(r"[\w']+", text.lower()):
        if m.group() in wanted:
            at = (m.start() + m.end()) / 2 / len(text) * seconds
            found.append(Said(wanted[m.group()], at, at, real=True))
    return found
