# SPDX-License-Identifier: Apache-2.0
"""record: a series of takes from a recording as the device, stopped and gone on with; from a
microphone; what it refuses."""

import os
import pty
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from edge_lp.errors import EdgeLpError
from edge_lp.hear.takes import COUNT, COUNTDOWN, REFUSED, WINDOW, record
from edge_lp.runtime import SAMPLE_RATE
from listener import soak

CLI = [sys.executable, "-m", "edge_lp", "record"]
SPEAKERS = ("anna", "bert", "cleo", "dora", "emil")


def takes(kinds, room=20.0):
    """A recording of what a person does when asked so often: "+" says a word, "." nothing, "!" one
    that clips."""
    parts = []
    for i, kind in enumerate(kinds):
        n = SAMPLE_RATE // 2
        word = np.sin(2 * np.pi * (200 + 40 * i) * np.arange(n) / SAMPLE_RATE) * np.hanning(n)
        x = np.zeros(len(COUNTDOWN) * COUNT + WINDOW)
        at = len(COUNTDOWN) * COUNT + SAMPLE_RATE // 2
        x[at : at + n] = word * {"+": 8000, ".": 0, "!": 90000}[kind]
        parts.append(x)
    x = np.concatenate(parts)
    x += np.random.default_rng(1).normal(0, room, len(x))
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def device(folder, kinds, room=20.0):
    soundfile.write(folder / "said.wav", takes(kinds, room), SAMPLE_RATE)
    return str(folder / "said.wav")


def test_bad_takes_are_asked_for_again(tmp_path, capsys):
    folder = record("hey robot", tmp_path / "mine", "anna", 3, device(tmp_path, "+.!++"))
    assert folder == tmp_path / "mine" / "hey robot"
    assert sorted(p.name for p in folder.iterdir()) == [f"anna_0{i}.wav" for i in (1, 2, 3)]
    said = takes("+.!++")
    for path, i in zip(sorted(folder.iterdir()), (0, 3, 4)):
        pcm, rate = soundfile.read(path, dtype="int16")
        assert rate == SAMPLE_RATE and 0.5 * SAMPLE_RATE < len(pcm) < 0.9 * SAMPLE_RATE
        own = said[i * (len(said) // 5) : (i + 1) * (len(said) // 5)].tobytes()
        assert pcm.tobytes() in own  # sample by sample what was said then
    out = capsys.readouterr()
    assert out.out == "" and out.err.count("again: ") == 2 and "clipped" in out.err
    assert "take 2 of 3: say 'hey robot' now" in out.err


def test_it_goes_on_and_overwrites_nothing(tmp_path, capsys):
    said = device(tmp_path, "++")
    with pytest.raises(EdgeLpError, match="the sound ended"):
        record("go", tmp_path, "anna", 4, said)
    assert "2 takes of 'go' by anna" in capsys.readouterr().err
    first = (tmp_path / "go" / "anna_01.wav").read_bytes()
    (tmp_path / "go" / "anna_02.wav").rename(tmp_path / "go" / "anna_07.wav")
    record("go", tmp_path, "anna", 4, said)
    names = sorted(p.name for p in (tmp_path / "go").iterdir())
    assert names == ["anna_01.wav", "anna_07.wav", "anna_08.wav", "anna_09.wav"]
    assert (tmp_path / "go" / "anna_01.wav").read_bytes() == first
    record("go", tmp_path, "bert", 1, said)  # another speaker has takes of his own
    record("go", tmp_path, "bert", 1, said)  # and enough of them
    assert [p.name for p in (tmp_path / "go").glob("bert*")] == ["bert_01.wav"]


def test_training_knows_the_speakers(tmp_path):
    from edge_lp.measure.splits import split_clips

    for room, name in enumerate(SPEAKERS):
        said = device(tmp_path, "++++", 10.0 + room)
        record("go", tmp_path / "mine", name, 4, said)
    clips = split_clips(tmp_path / "mine").clips
    assert {c.speaker for c in clips} == set(SPEAKERS)
    assert {c.split for c in clips} == {"training", "validation", "testing"}
    assert len({(c.speaker, c.split) for c in clips}) == len(SPEAKERS)


@pytest.mark.parametrize("word", ["", "a/b", "..", "_silence_", "training", "a\nb"])
def test_words_that_are_no_folder(tmp_path, word):
    with pytest.raises(EdgeLpError, match="cannot be a word"):
        record(word, tmp_path, "anna", 1, "x.wav")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("speaker", ["", "a_b", "a-b", "7", "Go", "a/b"])
def test_speakers_that_training_would_not_know(tmp_path, speaker):
    with pytest.raises(EdgeLpError, match="--speaker"):
        record("go", tmp_path, speaker, 1, "x.wav")


def test_nothing_is_left_of_a_device_that_is_not_there(tmp_path):
    with pytest.raises(EdgeLpError, match="no such file"):
        record("go", tmp_path, "anna", 1, str(tmp_path / "none.wav"))
    assert not (tmp_path / "go").exists()


def test_a_broken_microphone_is_not_asked_for_ever(tmp_path):
    with pytest.raises(EdgeLpError, match=f"{REFUSED} takes in a row"):
        record("go", tmp_path, "anna", 1, device(tmp_path, "." * (REFUSED + 1)))


def test_play_goes_with_a_microphone(tmp_path):
    with pytest.raises(EdgeLpError, match="--play"):
        record("go", tmp_path, "anna", 1, device(tmp_path, "+"), ask=lambda: True)


def test_ctrl_c_keeps_what_was_recorded(tmp_path):
    command = [*CLI, "go", "--out", str(tmp_path), "--speaker", "anna", "--device", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as p:
        p.stdin.write(takes("++").astype("<i2").tobytes())
        p.stdin.flush()
        while b"anna_02.wav" not in p.stderr.readline():
            pass
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=180)
    assert p.returncode == 130 and out == b"" and b"2 takes of 'go' by anna" in err
    assert sorted(p.name for p in (tmp_path / "go").iterdir()) == ["anna_01.wav", "anna_02.wav"]


def test_on_a_terminal_it_counts_down(tmp_path):
    """The countdown and the level are shown in one line that goes away; the verdicts stay."""
    main, side = pty.openpty()
    command = [*CLI, "go", "--out", str(tmp_path), "--takes", "1", "--speaker", "anna"]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    run = subprocess.Popen(
        [*command, "--device", device(tmp_path, "+")], stdout=subprocess.PIPE, stderr=side, env=env
    )
    os.close(side)
    shown = b""
    with pytest.raises(OSError):  # its end
        while True:
            shown += os.read(main, 4096)
    os.close(main)
    assert run.wait(180) == 0 and run.stdout.read().decode() == f"{tmp_path / 'go'}\n"
    run.stdout.close()
    text = shown.decode()
    assert "take 1 of 1: 3 ..." in text and "1 ..." in text and "▮" in text
    assert text.rstrip().splitlines()[-2].endswith("anna_01.wav")


def test_a_microphone(server, tmp_path):
    """What is played into a microphone becomes takes. A word is said a second later in each take,
    so whenever the sound begins some are heard whole."""
    said = np.pad(takes("+" * 12).reshape(12, -1), ((0, 0), (0, SAMPLE_RATE)), "reflect")
    soundfile.write(tmp_path / "played.wav", said.ravel(), SAMPLE_RATE)
    command = [*CLI, "go", "--out", str(tmp_path), "--takes", "2", "--speaker", "anna"]
    with soak.player(tmp_path / "played.wav", server):
        p = subprocess.run(command, env=server, capture_output=True, text=True)
    assert p.returncode == 0, p.stderr
    for path in (tmp_path / "go").iterdir():
        pcm, _ = soundfile.read(path, dtype="int16")
        assert 0.5 * SAMPLE_RATE < len(pcm) < 0.9 * SAMPLE_RATE
