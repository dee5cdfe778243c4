# SPDX-License-Identifier: Apache-2.0
"""What surrounds a command: signals (A2), closed and dead standard streams (A7), encodings (A10),
text from outside (A11), other people's folders and scripts (A20, A21)."""

import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from edge_lp.audio.record import HEADER
from edge_lp.audio.signals import babble
from edge_lp.board import discover, emulate
from edge_lp.cli import main
from edge_lp.errors import EdgeLpError
from edge_lp.model.format import pack
from random_model import random_spec
from support import raising, things_to_hear

CLI = [sys.executable, "-m", "edge_lp"]
PCM = babble(4)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return things_to_hear(tmp_path_factory.mktemp("process"), PCM)


def cli(files, *arguments, **kwargs):
    kwargs = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60} | kwargs
    return subprocess.run([*CLI, *map(str, arguments)], cwd=files, **kwargs)


LISTEN = ("listen", "--model", "m.lpb", "--device", "a.wav")


@pytest.fixture(scope="module")
def events(files):
    lines = cli(files, *LISTEN, "--json").stdout
    assert lines.count(b"\n") > 3
    return lines


# -------------------------------------------------------------------------------------- signals --


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a2_a_signal_ends_listening_as_ctrl_c_does(files, tmp_path, number):
    command = [*CLI, "listen", "--model", "m.lpb", "--device", "-", "--json"]
    with subprocess.Popen(
        [*command, "--record", tmp_path / "x.wav"],
        cwd=files,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as p:
        p.stdin.write(PCM.astype("<i2").tobytes())
        p.stdin.flush()
        heard = p.stdout.readline()  # it listens
        p.send_signal(number)
        assert p.wait(30) == 130 and json.loads(heard)
        err = p.stderr.read().decode()
    assert "s heard" in err and err.count("\n") == 1
    pcm, _ = soundfile.read(tmp_path / "x.wav", dtype="int16")
    assert len(pcm) and np.array_equal(pcm, PCM[: len(pcm)])
    assert os.listdir(tmp_path) == ["x.wav"]


def on_a_terminal(files, *arguments):
    """A listener on a pseudo-terminal whose meter runs -> (process, our end, screen so far)."""
    ours, theirs = pty.openpty()
    p = subprocess.Popen(
        [*CLI, *LISTEN, "--speed", "real", *map(str, arguments)],
        cwd=files,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
        stdout=theirs,
        stderr=theirs,
        stdin=subprocess.DEVNULL,
        preexec_fn=os.setsid,
    )
    os.close(theirs)
    screen = b""
    while b"dB" not in screen:
        screen += os.read(ours, 4096)
    return p, ours, screen


def test_a2_the_cursor_comes_back(files):
    p, ours, screen = on_a_terminal(files)
    p.send_signal(signal.SIGTERM)
    try:
        while piece := os.read(ours, 4096):
            screen += piece
    except OSError:  # the other side has closed
        pass
    os.close(ours)
    assert p.wait(30) == 130
    assert screen.rfind(b"\x1b[?25h") > screen.rfind(b"\x1b[?25l") >= 0 and b"s heard" in screen


def test_a2_a_terminal_that_is_closed(files, tmp_path):
    """Nothing can be said any more; what was heard is kept."""
    p, ours, _ = on_a_terminal(files, "--record", tmp_path / "x.wav")
    while not any(part.stat().st_size > HEADER.size for part in tmp_path.iterdir()):
        os.read(ours, 4096)  # the first screen comes before the first block
    os.close(ours)
    p.send_signal(signal.SIGHUP)
    p.send_signal(signal.SIGHUP)
    assert p.wait(30) == 130
    pcm, _ = soundfile.read(tmp_path / "x.wav", dtype="int16")
    assert len(pcm) and np.array_equal(pcm, PCM[: len(pcm)])


def test_a2_nohup_is_heard(files):
    """A signal that the parent ignores stays ignored."""
    p = subprocess.Popen(
        [*CLI, "listen", "--model", "m.lpb", "--device", "-", "--json"],
        cwd=files,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    p.stdin.write(PCM.astype("<i2").tobytes())
    p.stdin.flush()
    assert p.stdout.readline()
    p.send_signal(signal.SIGHUP)
    p.communicate(timeout=30)
    assert p.returncode == 0


def test_a2_an_emulator_takes_its_board_with_it(files):
    if not shutil.which("cc") or not shutil.which("make"):
        pytest.skip("no cc and make to build the firmware with (apt-get install gcc make)")
    with subprocess.Popen(
        [*CLI, "emulate", "--board", "posix", "m.lpb"],
        cwd=files,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as p:
        port = Path(p.stdout.readline().strip().removeprefix("serial:"))
        child = Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text().split()[0]
        assert port.exists()
        p.send_signal(signal.SIGTERM)
        assert p.wait(30) == 130
    assert not Path(f"/proc/{child}").exists()
    assert not [link for link in discover.links().iterdir() if f"-{p.pid}-" in link.name]


# -------------------------------------------------------------------------------------- streams --


def closed(*descriptors):
    return lambda: [os.close(fd) for fd in descriptors]


def test_a7_closed_streams(files, events, tmp_path):
    """Nothing gets a closed stream's number, and stdout is only data."""
    record = ("--record", tmp_path / "x.wav")
    assert cli(files, *LISTEN, "--json", *record, preexec_fn=closed(2)).stdout == events
    run = cli(files, *LISTEN, *record, preexec_fn=closed(0, 1))
    assert run.returncode == 0 and run.stderr.count(b"\n") == 1 and b"s heard" in run.stderr
    assert cli(files, *LISTEN, *record, preexec_fn=closed(0, 1, 2)).returncode == 0
    assert np.array_equal(soundfile.read(tmp_path / "x.wav", dtype="int16")[0], PCM)
    run = cli(files, "listen", "--device", "-", preexec_fn=closed(0))
    assert run.returncode == 2 and b"no samples came" in run.stderr
    assert cli(files, "inspect", "m.lpb", preexec_fn=closed(1)).stderr == b""
    run = cli(files, "inspect", "none", preexec_fn=closed(2))
    assert run.returncode == 2 and run.stdout == b""


@pytest.fixture
def dead():
    """A pipe that nobody reads."""
    r, w = os.pipe()
    os.close(r)
    yield w
    os.close(w)


def test_a7_nobody_reads_stderr(files, events, dead):
    run = cli(files, *LISTEN, "--json", stderr=dead)
    assert run.returncode == 0 and run.stdout == events
    run = cli(files, "inspect", "none", stderr=dead)
    assert run.returncode == 2 and run.stdout == b""


def test_a7_nobody_reads_stdout(files, dead, tmp_path):
    for arguments in (("inspect", "m.lpb"), ("export", "m.lpb", "-o", "-"), (*LISTEN, "--json")):
        run = cli(files, *arguments, stdout=dead)
        assert run.returncode == 141 and b"Traceback" not in run.stderr, run.stderr
    run = cli(files, *LISTEN, "--record", tmp_path / "x.wav", stdout=dead)
    assert run.returncode == 141 and b"s heard" in run.stderr
    assert len(soundfile.read(tmp_path / "x.wav")[0])


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a7_stdout_is_full(files, options, unbuffered):
    """In one line, whether the first write fails or the last flush does."""
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        run = cli(files, "inspect", "m.lpb", *options, stdout=full, env=env)
    assert run.returncode == 2 and run.stderr.count(b"\n") == 1 and b"No space left" in run.stderr


# ----------------------------------------------------------------------------------------- text --


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "euc_jp", "cp1252"])
def test_a10_stdout_in_another_encoding(files, events, encoding):
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    run = cli(files, *LISTEN, env=env)
    assert run.returncode == 0 and run.stdout.count(b"\n") == events.count(b"\n")
    assert b" ##" in run.stdout and b"Traceback" not in run.stderr
    assert cli(files, "inspect", "m.lpb", env=env).returncode == 0


LABELS = ["да", "[/]", "\x9b31m\u202e", "$\\frac", "[/]", ":smile:", "_unknown_", "_silence_"]


def odd_model():
    """A model of other people's labels: markup, U+009B (which the C lets pass), one of them twice.
    Our own writer refuses some of them, so that they take the place of others as long in its
    file."""
    stand_ins = [f"{chr(97 + i)}{'x' * (len(s.encode()) - 1)}" for i, s in enumerate(LABELS)]
    spec = random_spec(3, n_labels=8, n_keywords=6, labels=stand_ins)
    spec.provenance["[key]"] = "[/red]"
    data = pack(spec)[:-4]
    for ours, theirs in zip(stand_ins, LABELS):
        assert data.count(ours.encode()) == 1
        data = data.replace(ours.encode(), theirs.encode())
    return data + struct.pack("<I", zlib.crc32(data))


@pytest.fixture(scope="module")
def odd(files):
    (files / "odd.lpb").write_bytes(odd_model())
    return files / "odd.lpb"


def test_a10_json_is_ascii(files, odd):
    for arguments in (
        ("inspect", odd, "--json"),
        ("listen", "--model", odd, "--device", "a.wav", "--json", "--threshold", 0),
    ):
        run = cli(files, *arguments, env={**os.environ, "PYTHONIOENCODING": "ascii"})
        assert run.returncode == 0 and run.stdout.isascii() and b"\x1b" not in run.stdout
    assert json.loads(cli(files, "inspect", odd, "--json").stdout)["labels"] == LABELS


def no_escapes(run):
    assert run.returncode == 0, run.stderr
    for text in (run.stdout.decode(), run.stderr.decode()):
        assert not set(text) & set("\x1b\x9b\u202e")
    return run.stdout.decode()


def test_a11_labels_are_text(files, odd, tmp_path):
    assert "[/]" in no_escapes(cli(files, "inspect", odd)) and "да" in no_escapes(
        cli(files, "inspect", odd)
    )
    assert "[key]" in no_escapes(cli(files, "inspect", odd))
    no_escapes(cli(files, "listen", "--model", odd, "--device", "a.wav", "--threshold", 0))
    for i, word in enumerate(("[/]", "да")):
        (tmp_path / "clips" / word.replace("/", "-")).mkdir(parents=True)
        soundfile.write(tmp_path / "clips" / word.replace("/", "-") / "x.wav", babble(1, i), 16000)
    assert "of 2 clips" in no_escapes(cli(files, "evaluate", odd, tmp_path / "clips"))


def test_a11_labels_in_pictures(tmp_path):
    pytest.importorskip(
        "matplotlib", reason="matplotlib is not installed (pip install 'edge-lp[plot]')"
    )
    import warnings

    from edge_lp import plots
    from edge_lp.measure.trace import trace

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.stream(PCM, trace(odd_model(), PCM), [], tmp_path / "a.png")
        plots.confusion(np.eye(8, dtype=int), LABELS, tmp_path / "b.png")


def test_a11_the_demo_takes_any_label(odd, tmp_path):
    for package in ("espeakng_loader", "matplotlib"):
        pytest.importorskip(package, reason=f"{package} is not installed (pip install '.[demo]')")
    run = cli(tmp_path, "demo", "--model", odd)
    assert "keywords detected" in no_escapes(run)


# ------------------------------------------------------------------------------- other people's --


def test_a20_bench_runs_nothing_unasked(files, monkeypatch):
    """No program is started but where --peers names one."""
    script = files / "peers.py"
    script.write_text("print('{}')")
    command = ["bench", "--model", str(files / "m.lpb"), "--json"]
    started = []
    monkeypatch.setattr(
        subprocess, "Popen", lambda *a, **k: started.append(a) or raising(OSError)()
    )
    alone = CliRunner().invoke(main, command)
    assert alone.exit_code == 0 and json.loads(alone.stdout)["peers"] == [] and not started
    CliRunner().invoke(main, [*command, "--peers", str(script)])
    assert len(started) == 1 and str(script) in started[0][0]


def test_a21_links_only_in_a_folder_of_our_own(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = discover.links()
    assert folder.parent == tmp_path and folder.stat().st_mode & 0o777 == 0o700
    (folder / f"x-{os.getpid()}-0").symlink_to("/dev/null")
    assert discover._emulated() == [str(folder / f"x-{os.getpid()}-0")]
    said = []
    monkeypatch.setattr(discover, "notice", said.append)
    folder.chmod(0o777)
    with pytest.raises(EdgeLpError, match="alone"):
        discover.links()
    assert discover._emulated() == [] and len(said) == 1
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert discover._emulated() == []
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "elsewhere"))
    assert discover.links().parent == tmp_path / "elsewhere"


def test_a21_somebody_elses_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    somebody = os.getuid() + 1
    discover.links()
    monkeypatch.setattr(os, "getuid", lambda: somebody)
    (tmp_path / f"edge-lp-boards-{somebody - 1}").rename(tmp_path / f"edge-lp-boards-{somebody}")
    with pytest.raises(EdgeLpError, match="alone"):
        discover.links()


def test_a21_a_temporary_folder_with_a_space(tmp_path, monkeypatch):
    (tmp_path / "t m p").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t m p"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "t m p"))
    if not shutil.which("cc") or not shutil.which("make"):
        pytest.skip("no cc and make to build the firmware with (apt-get install gcc make)")
    with emulate.Emulator("posix", pack(random_spec(3))) as board:
        assert board.link.is_symlink() and " " in str(board.link)
        assert [port for port, _ in discover.find_boards()].count(str(board.link)) == 1
    assert not board.link.is_symlink()


def test_only_our_lines_reach_stderr():
    """What a library writes to file descriptor 2 meanwhile is dropped, what Python says is not;
    afterwards both arrive again. Without a stderr nothing breaks."""
    code = (
        "import os, sys\n"
        "from edge_lp.text import notice, only_our_lines\n"
        "with only_our_lines():\n"
        "    notice('ours'); os.write(2, b'theirs\\n')\n"
        "    print('more', file=sys.stderr)\n"
        "notice('then'); os.write(2, b'after\\n')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr.splitlines() == ["ours", "more", "then", "after"]
    closed = [
        "sh",
        "-c",
        'exec "$0" -c "$1" 2>&-',
        sys.executable,
        code.replace("os.write", "(lambda *a: 0)"),
    ]
    assert subprocess.run(closed, capture_output=True).returncode == 0
