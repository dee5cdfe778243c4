# SPDX-License-Identifier: Apache-2.0
"""How far a count of hits or of events can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927), as proportions; of nothing asked, 0 to 1."""
    if n == 0:
        return 0.0, 1.0
    p, d = hits / n, 1 + z * z / n
    centre = (p + z * z / (2 * n)) / d
    half = z / d * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def poisson(events: int, doubt: float = 0.05) -> tuple[float, float]:
    """Bounds of the mean number of events where `events` were counted (Garwood 1936): each bound by
    itself holds with a probability of 1 - doubt. 0 counted: 0 to 3.0; 1 counted: 0.05 to 4.7."""
    low = 0.0
    if events:
        low = _root(lambda mean: 1 - _up_to(events - 1, mean) - doubt, events)
    return low, _root(lambda mean: doubt - _up_to(events, mean), events)


def _up_to(n: int, mean: float) -> float:
    """P(X <= n) of a Poisson variable."""
    if mean <= 0:
        return 1.0
    return min(
        1.0,
        math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(n + 1)),
    )


def _root(rising: Callable[[float], float], events: int) -> float:
    low, high = 0.0, events + 10 * math.sqrt(events) + 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
