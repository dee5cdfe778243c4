# SPDX-License-Identifier: Apache-2.0
"""listen --exec: a command on each detection, one at a time, that cannot hurt the listening."""

import os
import signal
import stat
import subprocess
import sys
import time

import pytest
import soundfile
from edge_lp.audio.signals import babble
from edge_lp.errors import EdgeLpError
from edge_lp.hear.command import WAITING, Command
from edge_lp.measure.stream import Detection
from edge_lp.model.find import write_model
from edge_lp.model.format import pack
from random_model import random_spec

CLI = [sys.executable, "-m", "edge_lp", "listen", "--json"]


def _script(folder, body):
    path = folder / "run.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def _words(n):
    return [Detection(i / 4, f"word {i}", 0.5 + i / 100) for i in range(n)]


def _wait(ready, seconds=120.0):
    end = time.monotonic() + seconds
    while not ready() and time.monotonic() < end:
        time.sleep(0.02)
    assert ready()


def test_what_it_is_told(tmp_path):
    """Keyword, score and time in the environment, in order, one at a time; no shell reads its
    arguments."""
    out = tmp_path / "out"
    script = _script(
        tmp_path,
        f'echo "start $EDGE_LP_KEYWORD $EDGE_LP_SCORE $EDGE_LP_TIME $1 $#" >> "{out}"\n'
        f'sleep 0.05; echo end >> "{out}"',
    )
    notes, words = [], _words(4)
    with Command(f"{script} '$HOME;' b", 60, notes.append, quiet=True) as c:
        for d in words:
            c.run(d)
    lines = out.read_text().splitlines()
    assert lines[1::2] == ["end"] * 4 and notes == []
    assert lines[::2] == [f"start {d.keyword} {d.score:.4f} {d.t:.2f} $HOME; 2" for d in words]


@pytest.mark.parametrize(
    "body, says",
    [("exit 3", "exit code 3"), ("kill -9 $$", "killed by signal 9")],
)
def test_failures_are_one_line(tmp_path, body, says):
    notes = []
    with Command(str(_script(tmp_path, body)), 60, notes.append, quiet=True) as c:
        c.run(Detection(1.25, "stop", 0.9))
    assert len(notes) == 1 and says in notes[0] and "'stop' at 1.25 s" in notes[0]


def test_one_that_cannot_be_started_is_told(tmp_path):
    script, notes = _script(tmp_path, "exit 0"), []
    with Command(str(script), 10, notes.append, quiet=True) as c:
        script.unlink()
        c.run(Detection(1.25, "stop", 0.9))
    assert len(notes) == 1 and "cannot be started (No such file" in notes[0]


def test_one_that_takes_too_long_is_ended_with_all_it_started(tmp_path):
    pid = tmp_path / "pid"
    script = _script(tmp_path, f"sleep 600 & echo $! > {pid}.new; mv {pid}.new {pid}; wait")
    for seconds in (0.5, 5, 50):  # a slow machine may not have started it after half a second
        notes = []
        with Command(str(script), seconds, notes.append, quiet=True) as c:
            c.run(Detection(1.25, "stop", 0.9))
            _wait(lambda: notes)
        assert f"longer than {seconds:g} s" in notes[0] and len(notes) == 1
        if pid.exists():
            break
    _wait(lambda: not _runs(int(pid.read_text())))


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_queue_is_bounded(tmp_path):
    out, notes = tmp_path / "out", []
    script = _script(tmp_path, f"echo x >> {out}; until [ -e {tmp_path}/go ]; do sleep 0.02; done")
    with Command(str(script), 60, notes.append, quiet=True) as c:
        c.run(_words(1)[0])
        _wait(out.exists)  # it runs: the queue is empty
        for d in _words(WAITING + 2):
            c.run(d)
        assert len(notes) == 2 and all("wait already" in n for n in notes)
        (tmp_path / "go").touch()
    assert len(out.read_text().splitlines()) == WAITING + 1 and len(notes) == 2


@pytest.mark.parametrize(
    "command, says", [("no-such-program x", "no program"), ("'", "quotation"), ("", "no program")]
)
def test_told_before_anything_is_opened(command, says):
    with pytest.raises(EdgeLpError, match=says):
        Command(command, 1, print, quiet=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exec")
    write_model(folder / "m.lpb", pack(random_spec(3)))
    soundfile.write(folder / "a.wav", babble(6), 16000)
    return folder


def test_listen_runs_it_for_each_detection(files, tmp_path):
    """Its output does not mix with ours; those that still wait at the end of the stream run."""
    script = _script(tmp_path, 'echo "$EDGE_LP_TIME $EDGE_LP_KEYWORD"')
    run = subprocess.run(
        [*CLI, "--model", "m.lpb", "--device", "a.wav", "--exec", str(script)]
        + ["--threshold", "0.8", "--refractory", "1"],
        cwd=files,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0 and '"keyword"' in run.stdout
    n = len(run.stdout.splitlines())
    assert 1 < n <= WAITING and "note:" not in run.stderr
    assert sum("word" in line.split(" ")[1] for line in run.stderr.splitlines()[:n]) == n


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_the_child_ends_with_us(files, tmp_path, number, code):
    pid = tmp_path / "pid"
    script = _script(tmp_path, f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600")
    with subprocess.Popen(
        [*CLI, "--model", "m.lpb", "--device", "a.wav", "--speed", "real"]
        + ["--exec", str(script), "--exec-timeout", "600"],
        cwd=files,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
    ) as p:
        _wait(pid.exists)
        p.send_signal(number)
        _, err = p.communicate(timeout=180)
    assert p.returncode == code and not _runs(int(pid.read_text()))
    assert "Traceback" not in err and "s heard" in err
