# SPDX-License-Identifier: Apache-2.0
"""Words against events on a stream: the one definition of a hit, a miss and a false detection,
which demo, tests and every measurement use."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lp.runtime import FRAME_SECONDS, Event

MATCH_SECONDS = 0.5


@dataclass(frozen=True)
class Said:
    """A word in the stream, from start to end in seconds; keyword: the model should detect it."""

    word: str
    start: float
    end: float
    voice: str
    keyword: bool

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


@dataclass(frozen=True)
class Row:
    """A word with its detection, a word without one, or a detection without a word."""

    said: Said | None
    heard: Event | None


def match(said: list[Said], events: list[Event]) -> list[Row]:
    """Each word with the detection that is nearest to its middle, within half a second; and the
    detections that are left. In time's order."""
    left, rows = list(events), []
    for s in said:
        distance = {e: abs(e.middle * FRAME_SECONDS - s.middle) for e in left}
        hit = min(
            (e for e in left if distance[e] <= MATCH_SECONDS),
            key=distance.__getitem__,
            default=None,
        )
        if hit:
            left.remove(hit)
        rows.append(Row(s, hit))
    rows += [Row(None, e) for e in left]

    def middle(r: Row) -> float:
        return r.said.middle if r.said else r.heard.middle * FRAME_SECONDS  # type: ignore

    return sorted(rows, key=middle)
