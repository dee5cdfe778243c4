# SPDX-License-Identifier: Apache-2.0
"""The detector in Python's integers (SPEC.md, "Detector")."""

from __future__ import annotations

from collections.abc import Sequence

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


def detect(
    logits: Sequence[Sequence[int]],
    n_keywords: int,
    window: int,
    threshold: int,
    refractory: int,
    latency: int,
    hold: int = 0,
) -> tuple[list[tuple[int, int, int, int]], list[list[int]]]:
    """Frames of logits (Q8) from a reset -> events (frame, middle, label, posterior Q15) and the
    posteriors of every frame. threshold in Q15."""
    clipped = [[max(-LARGEST, min(LARGEST, int(x))) for x in row] for row in logits]
    events, all_posteriors, free, candidate = [], [], 0, None
    for t in range(len(clipped)):
        sums = [sum(column) for column in zip(*clipped[max(0, t - window + 1) : t + 1])]
        p = posteriors([abs(s) // window * (1 if s >= 0 else -1) for s in sums])
        all_posteriors.append(p)
        best = p.index(max(p))
        if t < free:
            continue
        if (
            best < n_keywords
            and p[best] >= threshold
            and (candidate is None or p[best] > candidate[3])
        ):
            candidate = (t, max(0, t - latency), best, p[best])
        if candidate is not None and t - candidate[0] >= hold:
            events.append(candidate)
            free, candidate = t + refractory + 1, None
    return events, all_posteriors
