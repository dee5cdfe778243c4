# SPDX-License-Identifier: Apache-2.0
"""A board that listens by itself: an emulated one, with a recording in place of its microphone."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from edge_lp.audio.signals import babble
from edge_lp.board import session, verify
from edge_lp.board.emulate import Emulator, target
from edge_lp.errors import EdgeLpError
from edge_lp.hear.detect import BoardMicrophone
from edge_lp.model.format import pack
from edge_lp.runtime import HOP, Model
from expected import is_expected
from random_model import random_spec

SPEC = random_spec(1)
MODEL = pack(replace(SPEC, detector=replace(SPEC.detector, thresholds=(0.1,), refractory=10)))
PCM = babble(3, seed=1)
# One instruction takes 16 ns: the board's time is its own, however late this machine is.
AT_ITS_OWN_PACE = ("-icount", "shift=4,sleep=off")
TOO_SLOW = ("-icount", "shift=9,sleep=off")


def running(name, options=()):
    try:
        target(name)
    except EdgeLpError as e:
        pytest.skip(str(e))
    return Emulator(name, MODEL, PCM, options)


@pytest.fixture(scope="module")
def board():
    with running("m4", AT_ITS_OWN_PACE) as e, session.Board(e.port) as found:
        yield found


def on_the_host():
    silence = np.zeros(HOP * 100, np.int16)
    return list(verify.Host(Model(MODEL)).run(np.concatenate([PCM, silence])))


def collected(board, frames):
    """What the microphone reports until so many frames have passed."""
    said = [board.listen()]
    end = time.monotonic() + 60
    while not said[-1].result or said[-1].result.frame < frames:
        assert time.monotonic() < end
        said.append(board.listen())
        if said[-1].result is None:
            said.pop()
            time.sleep(0.002)
    return [one for one in said if one.result]


def test_it_hears_what_the_host_hears(board):
    """Every event, bit for bit, and all of each frame that was told."""
    board.hello()
    assert board.info.microphone
    board.configure(session.ALL_OUTPUTS)
    said, host = collected(board, 360), on_the_host()
    events = [s.result.event for s in said if s.result.event]
    expected = [r.event for r in host if r.event and r.frame < 350]
    assert len(expected) > 5 and events[: len(expected)] == expected
    for s in said:
        if s.result.frame >= len(host) or s.result.event:
            continue
        there = host[s.result.frame]
        assert np.array_equal(s.result.features, there.features)
        assert np.array_equal(s.result.logits, there.logits)
        assert np.array_equal(s.result.posteriors, there.posteriors)
        assert s.result.spikes == there.spikes and s.lost == 0
    peaks = {s.result.frame: s.peak for s in said}
    for frame in range(300):
        if frame in peaks:
            hop = PCM[HOP * frame : HOP * (frame + 1)].astype(int)
            assert peaks[frame] == np.abs(hop).max()
    statistics = board.statistics()
    assert statistics["frames"] >= 360 and statistics["events"] >= len(expected)


def test_verify_still_sends_recordings(board):
    """The host's samples switch the microphone off, and it starts afresh afterwards."""
    board.hello()
    first = collected(board, 50)
    (verdict,) = verify.verify(Model(MODEL), board, [("a", PCM[:16000])])
    assert verdict.difference is None and verdict.frames == 100
    again = collected(board, 50)
    assert first[0].result.frame < 40 and again[0].result.frame < 40


def test_overruns_are_counted():
    """A board too slow for its microphone: what it loses is what it did not hear."""
    with running("m4", TOO_SLOW) as e, session.Board(e.port) as found:
        assert found.listen().lost == 0
        said = collected(found, 30)
        lost = [s.lost for s in said]
        assert lost == sorted(lost) and lost[-1] > 1000


def test_what_the_view_gets(board):
    """The frames between two answers are shown as the last one."""
    board.hello()
    ear = BoardMicrophone(board, board.info.detector, picture=True)
    samples, features, posteriors, words = 0, 0, 0, []
    for pcm in ear.blocks():
        heard = ear.push(pcm)
        samples += len(pcm)
        features, posteriors = features + len(heard.features), posteriors + len(heard.posteriors)
        words += heard.detections
        assert not pcm.any() and heard.peak is not None
        if samples >= 300 * HOP:
            break
    assert features == posteriors == samples // HOP and len(words) > 3


def start(*args):
    return subprocess.Popen(
        [sys.executable, "-m", "edge_lp", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command(board):
    """`listen --source board`: detections as JSON, until Ctrl-C; and what does not go with it."""
    board.hello()
    port = f"serial:{board.port}"
    refused = start("listen", "--device", port, "--source", "board", "--gain", "3")
    assert "do not go with it" in refused.communicate()[1] and refused.returncode == 2
    board.close()
    expected = [r.event for r in on_the_host() if r.event][:4]
    process = start("listen", "--device", port, "--source", "board", "--json")
    try:
        said = [process.stdout.readline() for _ in expected]
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    for page in ("board-nrf.md", "board-pico.md", "board-stm32.md"):
        is_expected(page, *said)
    lines = [json.loads(line) for line in said]
    assert [line["t"] for line in lines] == [round(e.middle / 100, 2) for e in expected]
    assert [line["keyword"] for line in lines] == [SPEC.labels[e.label] for e in expected]
    assert "the board listens by itself" in err and " s heard, " in err
