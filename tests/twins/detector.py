# SPDX-License-Identifier: Apache-2.0
"""The detector in Python's integers (SPEC.md, "Detector")."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from edge_lp.model.spec import DetectorConfig

LARGEST = 32767
TWO_TO_MINUS = [round(2 ** (15 - i / 16)) for i in range(17)]


def exp(d: int) -> int:
    """e^(-d / 256) in Q15, d >= 0."""
    if d > 3072:
        return 0
    octaves, rest = divmod(369 * d // 256, 256)
    i, f = divmod(rest, 16)
    return (TWO_TO_MINUS[i] * (16 - f) + TWO_TO_MINUS[i + 1] * f) // 2 ** (4 + octaves)


def posteriors(mean: Sequence[int]) -> list[int]:
    """Softmax of Q8 logits, Q15."""
    p = [exp(max(mean) - m) for m in mean]
    return [x * LARGEST // sum(p) for x in p]


def root(x: int, n: int) -> int:
    """The largest q with q^n <= x, for q up to LARGEST."""
    return bisect_right(range(LARGEST + 1), x, key=lambda q: q**n) - 1


def combined(frames: Sequence[Sequence[int]], windows: Sequence[int]) -> list[int]:
    """Geometric mean of the posteriors of the last frames' means over each window."""
    product = [1] * len(frames[0])
    for window in windows:
        sums = [sum(column) for column in zip(*frames[-window:])]
        p = posteriors([abs(s) // window * (1 if s >= 0 else -1) for s in sums])
        product = [a * b for a, b in zip(product, p)]
    return [root(x, len(windows)) for x in product]


@dataclass(frozen=True)
class Event:
    frame: int
    middle: int
    label: int
    score: int  # Q15
    wake: bool


def detect(
    logits: Sequence[Sequence[int]], n_keywords: int, config: DetectorConfig
) -> tuple[list[Event], list[list[int]]]:
    """Frames of logits (Q8) from a reset -> events, and the posteriors (Q15) of every frame: those
    of the last decision, 0 before the first."""
    c = config.integers(n_keywords)
    clipped = [[max(-LARGEST, min(LARGEST, int(x))) for x in row] for row in logits]
    events: list[Event] = []
    candidate: Event | None = None
    all_posteriors, free, asleep = [], 0, 0  # frames from which on: any event, no commands
    woken = False  # by the last event
    windows = [w // c.stride for w in config.windows]
    for t in range(len(clipped)):
        if (t + 1) % c.stride:
            all_posteriors.append(all_posteriors[-1] if t else [0] * len(clipped[t]))
            continue
        p = combined(clipped[c.stride - 1 : t + 1 : c.stride], windows)
        all_posteriors.append(p)
        best = p.index(max(p))
        open_to_all = c.wake_words == 0 or t < asleep
        first = 0 if t >= free else c.wake_words if woken else len(p)
        if (
            first <= best < (n_keywords if open_to_all else c.wake_words)
            and p[best] >= c.thresholds[best]
            and (candidate is None or p[best] > candidate.score)
        ):
            middle = max(0, t - c.latency)
            candidate = Event(t, middle, best, p[best], best < c.wake_words)
        if candidate is not None and t - candidate.frame >= c.hold:
            events.append(candidate)
            free, woken = t + c.refractory + 1, candidate.wake
            if candidate.wake:
                asleep = t + c.wake + 1
            candidate = None
    return events, all_posteriors
