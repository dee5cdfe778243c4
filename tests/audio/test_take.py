# SPDX-License-Identifier: Apache-2.0
"""A take is judged as a person would: what is wrong is said, and a good one is cut to its word."""

import numpy as np
import pytest
from edge_lp.audio.take import MARGIN, judge
from edge_lp.runtime import SAMPLE_RATE


def said(at=0.8, seconds=0.5, amplitude=6000.0, room=30.0, gap=0.0, total=2.5):
    """A tone at `at` s over noise, with a pause in its middle."""
    n = round(seconds * SAMPLE_RATE)
    tone = amplitude * np.sin(2 * np.pi * 300 * np.arange(n) / SAMPLE_RATE)
    tone[(n - round(gap * SAMPLE_RATE)) // 2 : (n + round(gap * SAMPLE_RATE)) // 2] = 0
    x = np.concatenate([np.zeros(round(at * SAMPLE_RATE)), tone, np.zeros(3 * SAMPLE_RATE)])
    x = x[: round(total * SAMPLE_RATE)]
    noise = np.random.default_rng(3).normal(0, room, len(x))
    return np.clip(np.rint(x + noise), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("gap", [0.0, 0.2])
def test_a_good_take_is_cut_to_its_word(gap):
    pcm = said(gap=gap)
    take = judge(pcm)
    assert take.fault is None and abs(take.seconds - 0.5) <= 0.03
    start = next(i for i in range(len(pcm)) if np.array_equal(pcm[i : i + 99], take.word[:99]))
    assert abs(start - (0.8 * SAMPLE_RATE - MARGIN)) <= 320
    assert abs(len(take.word) - (0.5 * SAMPLE_RATE + 2 * MARGIN)) <= 640
    assert -18 < take.level < -17 and 40 < take.contrast < 46


def test_a_word_of_nearly_a_second_fits_into_a_second():
    take = judge(said(seconds=0.9))
    assert take.fault is None and 0.9 * SAMPLE_RATE < len(take.word) <= SAMPLE_RATE


@pytest.mark.parametrize(
    "pcm, says",
    [
        (np.zeros(40000, np.int16), "muted"),
        (said(amplitude=0.0), "no word stands out"),
        (said(amplitude=6000.0, room=3000.0), "no word stands out"),
        (said(amplitude=50000.0), "clipped"),
        (said(amplitude=60.0, room=1.0), "too soft"),
        (said(at=0.0), "too early"),
        (said(at=2.2), "not over in time"),
        (said(seconds=0.04), "a click"),
    ],
)
def test_what_is_wrong_is_said(pcm, says):
    assert says in judge(pcm).fault


def test_a_click_before_the_word_is_not_part_of_it():
    pcm = said(at=1.0)
    pcm[4000:4100] = 5000
    take = judge(pcm)
    assert take.fault is None and abs(take.seconds - 0.5) <= 0.03
