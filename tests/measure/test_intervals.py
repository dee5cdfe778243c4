# SPDX-License-Identifier: Apache-2.0
"""Intervals, by what defines them."""

import math

import numpy as np
import pytest
from edge_lp.measure.intervals import poisson, wilson


def test_wilson():
    """Its ends are the p whose distance from k / n is 1.96 standard deviations of a share at that
    p."""
    for k, n in ((0, 10), (8, 10), (450, 500), (862, 862)):
        for end in wilson(k, n):
            assert abs(k / n - end) == pytest.approx(
                1.96 * np.sqrt(max(0.0, end * (1 - end)) / n), abs=1e-9
            )
        low, high = wilson(k, n)
        assert -1e-9 < low < k / n + 1e-9 and k / n - 1e-9 < high < 1 + 1e-9 and low < high
    assert wilson(0, 0) == (0.0, 1.0)
    assert {f"{100 * wilson(0, n)[0]:.2f}" for n in range(1, 1000)} == {"0.00"}  # not -0.00


def test_poisson():
    """At the upper bound, so few or fewer events have a chance of 5 %; at the lower one, so many or
    more. Nothing heard in T hours means at most 3 / T; one event, 4.74 / T."""

    def chance(mean, counts):
        return sum(math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in counts)

    for n in (1, 2, 7, 60, 900):
        low, high = poisson(n)
        assert chance(high, range(n + 1)) == pytest.approx(0.05, abs=1e-6)
        assert 1 - chance(low, range(n)) == pytest.approx(0.05, abs=1e-6)
        assert low < n < high
    assert poisson(0) == (0.0, pytest.approx(-math.log(0.05), abs=1e-9))
    assert poisson(1)[1] == pytest.approx(4.744, abs=1e-3)
