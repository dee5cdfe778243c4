# SPDX-License-Identifier: Apache-2.0
"""The keys of the live view: thresholds that go on listening, recordings, the last seconds."""

import shutil
import time

import numpy as np
import pytest
import soundfile
from edge_lp.audio.signals import babble
from edge_lp.board.emulate import Emulator
from edge_lp.board.session import Board
from edge_lp.hear import controls
from edge_lp.hear.controls import Controls
from edge_lp.hear.detect import BoardEar, HostEar
from edge_lp.model.format import pack, unpack
from edge_lp.model.tune import arguments, tune, tuned, with_wake_words
from edge_lp.runtime import Model
from random_model import random_spec

PCM = babble(4)
SPEC = random_spec(3)


def _ear(spec=SPEC):
    model = Model(pack(spec))
    return HostEar(model, model.detector)


def _controls(tmp_path, ear=None):
    notes = []
    return Controls(ear or _ear(), str(tmp_path), notes.append), notes


def _press(c, *keys):
    for key in keys:
        c.press(key)


def test_arrows_select_and_plus_and_minus_move_one_threshold(tmp_path):
    c, notes = _controls(tmp_path)
    ear, n = c._ear, len(c._ear.keywords)
    before = np.resize(ear.config.thresholds, n)
    _press(c, "up", "down", "down", "+", "=", "+")
    assert c.selected == 1
    now = np.array(ear.config.thresholds)
    assert now[1] == pytest.approx(round(before[1] + 0.01, 2) + 0.02)
    assert np.array_equal(np.delete(now, 1), np.delete(before, 1))
    _press(c, "up", "up")
    assert c.selected == n - 1
    _press(c, *"-" * 200)
    assert ear.config.thresholds[-1] == 0
    _press(c, *"+" * 200)
    assert ear.config.thresholds[-1] == 1 and notes == []
    _press(c, "x", "left", "\x1b", "?", " ", "q")
    assert c.help and c.paused and c.over


def test_a_threshold_that_moves_does_not_disturb_what_is_heard(tmp_path):
    """Up and down again while listening: same detections and posteriors as without, and an open
    wake window stays open."""
    often = [d.keyword for d in _ear().push(PCM).detections]
    spec, opened = with_wake_words(SPEC, [max(often, key=often.count)]), 0
    still, moved = _ear(spec), _ear(spec)
    c, _ = _controls(tmp_path, moved)
    _press(c, "+", "-")  # to two digits
    still.configure(moved.config)
    for at in range(0, len(PCM), 320):
        a, b = still.push(PCM[at : at + 320]), moved.push(PCM[at : at + 320])
        assert a.detections == b.detections and np.array_equal(a.posteriors, b.posteriors)
        _press(c, "+", "-")
        assert still._detector.awake() == moved._detector.awake()
        opened = max(opened, still._detector.awake())
    assert opened > 0


def test_what_was_found_live_can_be_written_back():
    """arguments() are the options with which tuned() gives the same detector."""
    import shlex

    import click
    from edge_lp.cli.common import detector_options

    @click.command()
    @detector_options
    def parse(**options):
        return options

    spec = with_wake_words(SPEC, SPEC.labels[:1])
    words, before = SPEC.labels[: SPEC.n_keywords], spec.detector
    now = tuned(
        before, words, [f"{words[1]}=0.83", f"{words[0]}=1"], "0.1,0.35", 0.7, 0.05, wake_seconds=3
    )
    line = shlex.join(arguments(before, now, words))
    options = parse.main(shlex.split(line), standalone_mode=False)
    assert tuned(before, words, **options) == now and options["hold"] == 0.05
    assert unpack(tune(pack(spec), **options)).detector == unpack(pack(_with(spec, now))).detector
    assert arguments(before, before, words) == []


def _with(spec, detector):
    from dataclasses import replace

    return replace(spec, detector=detector)


def test_r_records_what_is_heard_between(tmp_path):
    c, notes = _controls(tmp_path)
    blocks = np.split(PCM, 20)
    for i, pcm in enumerate(blocks):
        if i in (3, 7, 10):
            c.press("r")
        c.take(pcm)
    assert c.recorded == pytest.approx(10 * len(blocks[0]) / 16000)
    c.close()  # the second one goes on until then
    assert c.recorded is None
    files = sorted(tmp_path.iterdir(), key=lambda p: soundfile.info(str(p)).frames)
    heard = [soundfile.read(p, dtype="int16")[0] for p in files]
    assert np.array_equal(heard[0], np.concatenate(blocks[3:7]))
    assert np.array_equal(heard[1], np.concatenate(blocks[10:]))
    assert len(notes) == 2 and all("s recorded" in n for n in notes)


def test_s_saves_the_last_seconds_and_a_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(controls, "LAST", 1)
    c, notes = _controls(tmp_path)
    for at in range(0, len(PCM), 320):
        c.take(PCM[at : at + 320])
    _press(c, "s", "s")
    assert "still drawing" in notes[1]
    c.close()
    (wav,), (png,) = tmp_path.glob("*.wav"), tmp_path.glob("*.png")
    assert np.array_equal(soundfile.read(wav, dtype="int16")[0], PCM[-16000:])
    assert png.read_bytes().startswith(b"\x89PNG") and png.stem == wav.stem
    assert "the last 1.0 s" in notes[0] and str(png) in notes[2]


def test_s_without_matplotlib_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "matplotlib.py").write_text("raise ModuleNotFoundError('matplotlib')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    c, notes = _controls(tmp_path)
    c.take(PCM[:1600])
    c.press("s")
    end = time.monotonic() + 180
    while len(notes) < 2 and time.monotonic() < end:  # told while listening goes on
        time.sleep(0.05)
        c.take(PCM[:1600])
    c.close()
    assert len(list(tmp_path.glob("*.wav"))) == 1 and not list(tmp_path.glob("*.png"))
    assert "no picture" in notes[1] and "edge-lp[plot]" in notes[1]


def test_a_place_that_cannot_be_written_is_a_notice(tmp_path):
    c, notes = _controls(tmp_path / "none")
    c.take(PCM[:1600])
    _press(c, "r", "s")
    c.close()
    assert len(notes) == 2 and all("cannot write" in n or "cannot record" in n for n in notes)


def test_a_threshold_of_a_board_that_listens_moves_too(tmp_path):
    """The firmware as a process: with a threshold that was moved down in the middle, the detections
    are those of this machine's ear, block by block, and its wake window stays open."""
    for tool in ("make", "cc"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    often = [d.keyword for d in _ear().push(PCM).detections]
    spec = with_wake_words(SPEC, [max(often, key=often.count)])
    here, awake = _ear(spec), set()
    with Emulator("posix", pack(spec)) as e, Board(e.port) as board:
        there = BoardEar(board, board.info.detector, picture=True)
        pair = [_controls(tmp_path, ear)[0] for ear in (here, there)]
        for i, at in enumerate(range(0, len(PCM), 1600)):
            a, b = here.push(PCM[at : at + 1600]), there.push(PCM[at : at + 1600])
            assert a.detections == b.detections and bool(a.awake) == bool(b.awake)
            assert np.array_equal(a.posteriors, b.posteriors)
            awake.add(bool(a.awake))
            if i in (15, 20, 25):
                for c in pair:
                    _press(c, "down", *"-" * 30)
    assert awake == {True, False} and there.config == here.config
