# SPDX-License-Identifier: Apache-2.0
"""listen: the same samples give the same events whatever they come through; each way to stop is a
clean end."""

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from edge_lp.audio.signals import babble
from edge_lp.model.spec import DetectorConfig
from edge_lp.model.tune import tuned
from edge_lp.runtime import Model, Spotter
from support import things_to_hear

CLI = [sys.executable, "-m", "edge_lp", "listen"]
PCM = babble(6)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return things_to_hear(tmp_path_factory.mktemp("listen"), PCM)


def _listen(files, *options, stdin=None):
    return subprocess.run(
        [*CLI, "--model", str(files / "m.lpb"), *options],
        input=stdin,
        capture_output=True,
        timeout=180,
    )


def _events(model, pcm, config=None):
    return [
        {
            "t": round(e.middle * 0.01, 2),
            "keyword": model.labels[e.label],
            "score": round(e.score, 4),
        }
        for e in Spotter(model, config=config).push(
            np.concatenate([pcm, np.zeros(model.detector.tail * 160, np.int16)])
        )
    ]


def test_file_and_stdin_give_the_runtimes_events(files):
    expected = _events(Model((files / "m.lpb").read_bytes()), PCM)
    by_file = _listen(files, "--device", str(files / "a.wav"), "--json")
    by_pipe = _listen(files, "--device", "-", "--json", stdin=PCM.astype("<i2").tobytes())
    assert by_file.returncode == by_pipe.returncode == 0
    lines = [json.loads(line) for line in by_file.stdout.splitlines()]
    assert len(lines) > 3 and lines == expected and by_file.stdout == by_pipe.stdout
    assert all(list(line) == ["t", "keyword", "score"] for line in lines)
    assert by_file.stderr.decode() == by_pipe.stderr.decode() and b"6.0 s heard" in by_file.stderr


def test_a_folder_is_one_stream(files, tmp_path):
    """Its recordings in order, wherever they lie, a second of zeros behind each; what is none, or
    cannot be read, costs nothing but a line."""
    (tmp_path / "more").mkdir()
    soundfile.write(tmp_path / "a.wav", PCM[:40000], 16000)
    soundfile.write(tmp_path / "more" / "c.flac", PCM[40000:], 16000)
    (tmp_path / "b.wav").write_text("no recording")
    (tmp_path / "notes.txt").write_text("words")
    run = _listen(files, "--device", str(tmp_path), "--json")
    zeros = np.zeros(16000, np.int16)
    stream = np.concatenate([PCM[:40000], zeros, PCM[40000:], zeros])
    events = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0 and len(events) > 3
    assert events == _events(Model((files / "m.lpb").read_bytes()), stream)
    said = [line.replace(str(tmp_path), "") for line in run.stderr.decode().splitlines()]
    assert said[:2] == ["0.00 s: /a.wav", "3.50 s: /b.wav"] and "not a recording" in said[2]
    assert said[3] == "3.50 s: /more/c.flac" and said[4].startswith("8.0 s heard")


@pytest.mark.parametrize("name, says", [("notes.txt", "no recordings"), ("b.wav", "none of its")])
def test_a_folder_without_recordings_is_one_line(files, tmp_path, name, says):
    (tmp_path / name).write_text("words")
    run = _listen(files, "--device", str(tmp_path))
    assert (
        run.returncode == 2 and run.stdout == b"" and says in run.stderr.decode().splitlines()[-1]
    )
    assert b"Traceback" not in run.stderr


def test_text_has_the_same_events(files):
    run = _listen(files, "--device", str(files / "a.wav"))
    found = re.findall(r"^ +([\d.]+) s  (\w+) +█* +([\d.]+)$", run.stdout.decode(), re.MULTILINE)
    assert [(float(t), w) for t, w, _ in found] == [
        (e["t"], e["keyword"]) for e in _events(Model((files / "m.lpb").read_bytes()), PCM)
    ]
    assert b"\x1b" not in run.stdout  # no terminal, no colours and no meter


def test_real_speed_gives_the_same_events_later(files):
    start = time.monotonic()
    run = _listen(
        files,
        "--device",
        "-",
        "--json",
        "--speed",
        "real",
        stdin=PCM[:24000].astype("<i2").tobytes(),
    )
    assert time.monotonic() - start >= 1.5
    assert (
        run.stdout
        == _listen(
            files, "--device", "-", "--json", stdin=PCM[:24000].astype("<i2").tobytes()
        ).stdout
        != b""
    )


def test_record_is_what_was_heard(files, tmp_path):
    run = _listen(
        files, "--device", str(files / "a.wav"), "--json", "--record", str(tmp_path / "heard.wav")
    )
    assert run.returncode == 0 and np.array_equal(
        soundfile.read(tmp_path / "heard.wav", dtype="int16")[0], PCM
    )


def test_detector_options(files):
    data = (files / "m.lpb").read_bytes()
    model = Model(data)
    run = _listen(
        files,
        "--device",
        str(files / "a.wav"),
        "--json",
        "--threshold",
        "0.8",
        "--window",
        "0.4",
        "--refractory",
        "1",
    )
    config = tuned(model.detector, model.keywords, ["0.8"], "0.4", 1.0)
    assert config == DetectorConfig((40,), (0.8,), 100, model.detector.latency + 5)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert lines == _events(model, PCM, config) != _events(model, PCM)


def test_a_word_at_the_very_end_is_decided(files):
    """Without the zeros behind the stream its last window would never be looked at."""
    model = Model((files / "m.lpb").read_bytes())
    for n in range(20000, 60000, 5000):
        without = Spotter(model).push(PCM[:n])
        if len(_events(model, PCM[:n])) > len(without):
            break
    else:
        pytest.fail("no cut of this recording ends in a word")
    run = _listen(files, "--device", "-", "--json", stdin=PCM[:n].astype("<i2").tobytes())
    assert len(run.stdout.splitlines()) > len(without)


def _start(files, *options, **kwargs):
    return subprocess.Popen(
        [*CLI, "--model", str(files / "m.lpb"), *options], stderr=subprocess.PIPE, **kwargs
    )


def test_lines_are_flushed_and_ctrl_c_is_a_clean_end(files):
    with _start(
        files, "--device", "-", "--json", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as p:
        p.stdin.write(PCM.astype("<i2").tobytes())
        p.stdin.flush()
        # before the stream ends
        assert json.loads(p.stdout.readline())["keyword"].startswith("word")
        p.send_signal(signal.SIGINT)
        assert p.wait(180) == 130
        err = p.stderr.read().decode()
    assert "s heard" in err and "Traceback" not in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("options", [("--json",), ()])
def test_nobody_reads_any_more(files, options):
    with _start(files, "--device", str(files / "a.wav"), *options, stdout=subprocess.PIPE) as p:
        p.stdout.close()
        assert p.wait(180) == 141
        err = p.stderr.read().decode()
    assert "Traceback" not in err and "Exception" not in err and "s heard" in err


def test_a_full_disk_costs_the_rest_of_the_recording_only(files, tmp_path):
    """A4, the whole way: no file may grow past 64 kB here, as on a disk that has no more room. One
    line; the same events as without a recording; what was written before is a complete file."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
    wav = tmp_path / "x.wav"
    options = ("--device", str(files / "a.wav"), "--json")
    with _start(
        files, *options, "--record", str(wav), stdout=subprocess.PIPE, preexec_fn=limit
    ) as p:
        out, err = p.communicate(timeout=180)
    assert p.returncode == 0 and out == _listen(files, *options).stdout
    notes = [line for line in err.decode().splitlines() if line.startswith("note: ")]
    assert len(notes) == 1 and "listening goes on" in notes[0]
    pcm, _ = soundfile.read(wav, dtype="int16")
    assert len(pcm) > 32000 - 100 and np.array_equal(pcm, PCM[: len(pcm)])
    assert os.listdir(tmp_path) == ["x.wav"]


def test_on_a_terminal_there_is_a_level_meter(files):
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    with _start(
        files, "--device", str(files / "a.wav"), "--speed", "real", stdout=theirs, env=env
    ) as p:
        os.close(theirs)
        screen = b""
        while b"dB" not in screen or b"word" not in screen:
            screen += os.read(ours, 4096)
        p.send_signal(signal.SIGINT)
        try:
            while piece := os.read(ours, 4096):
                screen += piece
        except OSError:  # the other side has closed
            pass
        assert p.wait(180) == 130
    os.close(ours)
    assert "▮" in screen.decode("utf-8", "replace")


@pytest.mark.parametrize(
    "options, says",
    [
        (("--device", "none.wav"), "no such file"),
        (("--device", "-", "--source", "mic"), "--source"),
        (("--device", "serial:/dev/null/x"), "serial"),
        (("--device", "serial:"), "serial:PORT"),
    ],
)
def test_bad_devices(options, says):
    run = subprocess.run([*CLI, *options], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (
        run.returncode == 2
        and run.stdout == ""
        and run.stderr.count("\n") == 1
        and (says in run.stderr or "no model 'commands12'" in run.stderr)
    )


def test_model_does_not_go_with_a_board(files):
    run = _listen(files, "--device", "serial:/dev/null")
    assert run.returncode == 2 and b"--model does not go with a serial device" in run.stderr
