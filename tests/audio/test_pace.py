# SPDX-License-Identifier: Apache-2.0
"""A live source's blocks against the clock (A17): what is missing becomes zeros, what was only held
up does not. All on a clock of the test's own."""

import numpy as np
import pytest
from edge_lp.audio.pace import paced

BLOCK = 1600  # 0.1 s


def _source(*pauses, n=20, drift=0.0):
    """Blocks 1, 2, 3, ... 0.1 s apart. pauses: (block before which one is, its seconds, of which
    the source lost so much); None every 0.5 s in a pause; what was not lost comes at once."""
    when, behind = 100.0, 0.0
    for i in range(n):
        for at, seconds, lost in pauses:
            if at == i:
                for tick in np.arange(0.5, seconds, 0.5):
                    yield when + tick, None
                when, behind = when + seconds, seconds - lost
        if behind > 0.05:  # in a burst
            behind -= 0.1
        else:
            when += 0.1 * (1 + drift)
        yield when, np.full(BLOCK, i + 1, np.int16)


def _heard(*pauses, **kwargs):
    notes = []
    blocks = list(paced(_source(*pauses, **kwargs), "mic", notes.append))
    return np.concatenate(blocks), notes


def _start_of(pcm, block):
    return int(np.flatnonzero(pcm == block)[0]) / 16000


def test_blocks_in_time_pass():
    pcm, notes = _heard()
    assert np.array_equal(pcm, np.repeat(np.arange(1, 21), BLOCK)) and notes == []


def test_a_stall_is_told_while_it_lasts_and_counts_a17():
    told = []
    source, at = _source((10, 8.0, 8.0)), 0.0

    def watched():
        nonlocal at
        for at, pcm in source:
            yield at, pcm

    pcm = np.concatenate(list(paced(watched(), "mic", lambda line: told.append((at, line)))))
    (first, nothing), (_, again) = told
    assert 4.9 <= first - 101.0 <= 5.6 and "nothing for 5 s" in nothing and "again" in again
    assert _start_of(pcm, 11) == pytest.approx(9.0, abs=0.01)
    assert np.count_nonzero(pcm == 0) == pytest.approx(8.0 * 16000, abs=200)
    assert np.array_equal(pcm[pcm > 0], np.repeat(np.arange(1, 21), BLOCK))


def test_a_short_gap_counts_and_is_told_once_a17():
    pcm, notes = _heard((5, 2.0, 2.0), (12, 3.0, 3.0))
    assert len(notes) == 1 and "lost 2.0 s" in notes[0]
    assert _start_of(pcm, 6) == pytest.approx(2.5, abs=0.01)
    assert _start_of(pcm, 13) == pytest.approx(6.2, abs=0.01)
    assert np.array_equal(pcm[pcm > 0], np.repeat(np.arange(1, 21), BLOCK))


def test_what_was_held_up_is_not_missing_a17():
    pcm, notes = _heard((5, 1.0, 0.0))
    assert np.array_equal(pcm, np.repeat(np.arange(1, 21), BLOCK)) and notes == []


def test_held_up_and_missing_are_told_apart_a17():
    pcm, notes = _heard((5, 2.0, 1.2))
    assert len(notes) == 1
    assert _start_of(pcm, 20) == pytest.approx(1.9 + 1.2, abs=0.11)


def test_two_clocks_may_drift():
    pcm, notes = _heard(n=20000, drift=3e-4)
    assert len(pcm) == 20000 * BLOCK and notes == []


def test_a_source_that_is_silent_from_the_start_is_told():
    notes = []
    ticks = [(100 + i / 2, None) for i in range(14)]
    pcm = np.concatenate(list(paced(ticks, "mic", notes.append)))
    assert len(notes) == 1 and len(pcm) == 6.5 * 16000 and not pcm.any()


def test_a_tick_is_an_empty_block():
    """While nothing comes the listener is not held up: keys are answered."""
    block = np.ones(BLOCK, np.int16)
    ticks = [(100.0, block), (100.5, None), (100.6, None), (100.7, block), (100.7, block)]
    lengths = [len(b) for b in paced(ticks, "mic", print)]
    assert lengths[:3] == [BLOCK, 0, 0]


def test_what_is_missing_is_counted():
    missing, pcm = [], []
    for b in paced(_source((5, 2.0, 2.0)), "mic", lambda line: None, missing.append):
        pcm.append(b)
    pcm = np.concatenate(pcm)
    assert sum(missing) == np.count_nonzero(pcm == 0) > 0
