# SPDX-License-Identifier: Apache-2.0
"""The live view: what it shows, that the bytes it sends add up to that on a terminal, how many they
are; keys; the terminal afterwards."""

import contextlib
import errno
import io
import os
import pty
import re
import signal
import subprocess
import sys
import termios

import numpy as np
import pytest
import soundfile
from edge_lp.audio.signals import babble
from edge_lp.hear import view
from edge_lp.hear.detect import HostEar
from edge_lp.hear.screen import JsonLines, Lines, output
from edge_lp.hear.terminal import LEAVE, Terminal
from edge_lp.model.find import write_model
from edge_lp.model.format import pack
from edge_lp.runtime import Model, Spotter
from random_model import random_spec
from rich.console import Console
from rich.text import Text
from support import raising

PCM = babble(6)
DATA = pack(random_spec(3))


class Emulator:
    """As much of a terminal as the view uses: CUP, ED, DCH, SGR (kept a cell) and private modes."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.sent, self.x, self.y, self.sgr = 0, 0, 0, ""
        self.clear()

    def clear(self):
        self.cells = [[(" ", "")] * self.width for _ in range(self.height)]

    def write(self, data):
        self.sent += len(data)
        shown = data.decode().removesuffix(LEAVE)  # which wipes the picture that is looked at
        for escape, c in re.findall(r"\x1b\[([?\d;]*[a-zA-Z])|([^\x1b])", shown):
            if c:
                self.cells[self.y][self.x] = (c, self.sgr)
                self.x += 1
                continue
            body, kind = escape[:-1], escape[-1]
            if kind == "H":
                self.y, self.x = (int(n) - 1 for n in body.split(";"))
            elif kind == "P":
                row = self.cells[self.y]
                del row[self.x : self.x + int(body)]
                row += [(" ", "")] * (self.width - len(row))
            elif kind == "J":
                self.clear()
            elif kind == "m":
                self.sgr = "" if body == "0" else self._set(body)
            else:
                assert kind in "hl", escape

    def _set(self, body):
        """Colours replace those of their kind."""
        old, new = (re.findall(r"[34]8;5;\d+|\d+", codes) for codes in (self.sgr, body))
        kind = lambda c: c if len(c) < 2 else c[0] in "39"
        return ";".join({kind(c): c for c in (*old, *new)}.values())

    def lines(self):
        return ["".join(c for c, _ in row).rstrip() for row in self.cells]


def _console(width, height, **options):
    options = {"color_system": "256", "force_terminal": True, "legacy_windows": False, **options}
    return Console(file=io.StringIO(), width=width, height=height, _environ={}, **options)


def _watch(width, height, monkeypatch, pcm=PCM, **options):
    """A view that has heard a recording, drawn with every block -> view, its emulator."""
    monkeypatch.setattr(view, "PERIOD", 0.0)
    monkeypatch.setattr(view, "SHARE", 1e9)
    monkeypatch.setattr(view, "LINE", 1e9)
    model = Model(DATA)
    ear = HostEar(model, model.detector)
    seen = view.View(_console(width, height, **options), ear, "a model", lambda d: None)
    screen = Emulator(width, height)
    seen.terminal = Terminal(seen.terminal.console, screen.write)
    seen.source = "a\x1b[2Jrecording"
    with seen:
        for at in range(0, len(pcm), 1600):
            seen.take(pcm[at : at + 1600], ear.push(pcm[at : at + 1600]), 0.001, 3)
    return seen, screen


@pytest.mark.parametrize("width, height", [(80, 24), (200, 50), (40, 12), (100, 8)])
@pytest.mark.parametrize("options", [{}, {"color_system": "standard"}, {"no_color": True}])
def test_what_was_sent_adds_up_to_the_picture(width, height, options, monkeypatch):
    """Changes and moved columns leave the same cells, with the same colours, as a whole picture on
    an empty screen."""
    seen, screen = _watch(width, height, monkeypatch, **options)
    whole = Emulator(width, height)
    terminal = Terminal(seen.terminal.console, whole.write)
    before = screen.lines()
    seen.draw()
    terminal.draw(seen.rows(width, height)[0])
    assert len(before) == height and [r[0:0] for r in before] == [""] * height
    assert screen.cells == whole.cells and any(screen.lines())


def test_what_it_shows(monkeypatch):
    seen, screen = _watch(80, 24, monkeypatch)
    text = "\n".join(screen.lines())
    assert "a\N{REPLACEMENT CHARACTER}[2Jrecording" in text and "a model" in text
    assert re.search(r"level +▮+.* dB, peak", text) and "high ▀▀▀" in text and "low ▀▀▀" in text
    assert "layer 1 " in text and "% active" in text
    assert "% of real time" in text and "ms behind" in text and "3 samples lost" in text
    assert all(word in text for word in seen.ear.keywords)
    newest, after = seen.found[-1]
    assert f"{newest.t:7.2f} s   {newest.keyword}" in text and f"{after:5.2f} s" in text
    expected = Spotter(Model(DATA)).push(PCM)
    assert [round(e.middle / 100, 2) for e in expected] == [d.t for d, _ in seen.found] != []


def test_clipping_and_silence_are_marked(monkeypatch):
    loud = np.tile(np.array([32767, -32768], np.int16), 8000)
    assert "CLIPPED" in _watch(80, 24, monkeypatch, loud)[1].lines()[1]
    silent = _watch(80, 24, monkeypatch, np.zeros(32000, np.int16))[1].lines()[1]
    assert "SILENCE" in silent and "CLIPPED" not in silent


def test_without_colours_shades_tell_the_level(monkeypatch):
    seen, screen = _watch(80, 24, monkeypatch, no_color=True)
    text = "\n".join(screen.lines())
    assert "▀" not in text and len(set(text) & set("=+*#%@")) > 3
    assert not any(re.search(r"\b[34]\d\b|38;|48;", s) for row in screen.cells for _, s in row)


@pytest.mark.parametrize("width, height", [(80, 24), (200, 50)])
def test_it_is_cheap_to_send(width, height, monkeypatch):
    """Below 20 kB/s with a picture every 150 ms, as often as there ever is one."""
    monkeypatch.setattr(view, "PERIOD", 0.0)
    monkeypatch.setattr(view, "SHARE", 1e9)
    monkeypatch.setattr(view, "LINE", 1e9)
    model = Model(DATA)
    ear, screen = HostEar(model, model.detector), Emulator(width, height)
    seen = view.View(_console(width, height), ear, "a model", lambda d: None)
    seen.terminal = Terminal(seen.terminal.console, screen.write)
    with seen:
        for at in range(0, len(PCM), 2400):
            seen.take(PCM[at : at + 2400], ear.push(PCM[at : at + 2400]), 0.001, 0)
    assert screen.sent / (len(PCM) / 16000) < 20000


def test_a_new_size_is_drawn_whole():
    console, screen = _console(20, 3), Emulator(30, 4)
    terminal = Terminal(console, screen.write)
    terminal.draw([Text("one"), Text("日本語" * 5)])
    console.size = (30, 4)
    terminal.draw([Text("one"), Text("x" * 40), Text("two")])
    assert screen.lines() == ["one", "x" * 30, "two", ""]


def test_which_output():
    model = Model(DATA)
    ear = HostEar(model, model.detector)
    assert type(output(ear, "m", True, False)) is JsonLines
    assert type(output(ear, "m", False, True)) is Lines


# ---------------------------------------------------------------------------- on a terminal --


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("view")
    write_model(folder / "m.lpb", DATA)
    soundfile.write(folder / "a.wav", PCM, 16000)
    return folder


def _on_a_terminal(files, key, *options):
    """Until `key` was pressed and it ended -> exit code, screen, terminal before and after."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    command = [sys.executable, "-m", "edge_lp", "listen", "--model", "m.lpb", "--device", "a.wav"]
    env = {**os.environ, "TERM": "xterm-256color"}
    env.pop("NO_COLOR", None)
    p = subprocess.Popen(
        [*command, "--speed", "real", *options],
        cwd=files,
        env=env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(theirs), os.O_RDWR)),  # it controls us
    )
    screen = b""
    while b"word" not in screen or b"score" not in screen and "--plain" not in options:
        screen += os.read(ours, 4096)
    os.write(ours, key)
    # our own end of it stays open, so that its settings can be read afterwards
    os.set_blocking(ours, False)
    while p.poll() is None:
        try:
            screen += os.read(ours, 4096)
        except BlockingIOError:
            try:
                p.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
    try:
        while piece := os.read(ours, 4096):
            screen += piece
    except BlockingIOError:
        pass
    after = termios.tcgetattr(theirs)
    os.close(ours)
    os.close(theirs)
    return p.returncode, screen, before, after


@pytest.mark.parametrize("key, code", [(b"q", 0), (b"\x03", 130)])
def test_q_and_ctrl_c_restore_the_terminal(files, key, code):
    got, screen, before, after = _on_a_terminal(files, key)
    assert got == code and before == after
    assert b"\x1b[?1049h" in screen and screen.count(b"\x1b[?1049l") == 1
    behind = screen.partition(b"\x1b[?1049l")[2].decode()
    assert "s heard" in behind and "Traceback" not in behind


def test_plain_has_no_screen(files):
    _, screen, _, _ = _on_a_terminal(files, b"\x03", "--plain")
    assert b"\x1b[?1049h" not in screen and b"s heard" in screen


def _screen_until(ours, *texts):
    screen = b""
    while not all(t in screen for t in texts):
        screen += os.read(ours, 4096)
    return screen


def _recorded(ours, folder, n):
    """Until n recordings are under way, 0.1 s in each."""
    while sum(p.stat().st_size > 3300 for p in folder.glob(".edge-lp-*.part")) < n:
        os.read(ours, 4096)


def _view(files, folder, *options):
    """The view on a terminal of its own, which controls it -> process, our end, its end."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edge_lp", "listen", "--model", str(files / "m.lpb")]
    env = {**os.environ, "TERM": "xterm-256color"}
    env.pop("NO_COLOR", None)
    p = subprocess.Popen(
        [*command, "--device", str(files / "a.wav"), "--speed", "real", *options],
        cwd=folder,
        env=env,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(theirs), os.O_RDWR)),
    )
    return p, ours, theirs


def test_keys_on_a_terminal(files, tmp_path):
    """Arrow and + as a terminal sends them; r; ? and back; at the end the line that keeps it."""
    p, ours, theirs = _view(files, tmp_path)
    with p:
        _screen_until(ours, b"score")
        os.write(ours, b"\x1b[B\x1bOB+++r?")
        _screen_until(ours, b"this help")
        os.write(ours, b"?")
        _recorded(ours, tmp_path, 1)
        os.write(ours, b"q")
        os.close(theirs)
        with contextlib.suppress(OSError):
            while os.read(ours, 4096):
                pass
        said = p.stderr.read().decode()
    os.close(ours)
    model = Model(DATA)
    word, old = model.keywords[2], np.resize(model.detector.thresholds, len(model.keywords))[2]
    kept = f"edge-lp tune {files / 'm.lpb'} --threshold {word}={round(old + 0.01, 2) + 0.02:.2f}"
    assert p.returncode == 0 and kept.rstrip("0") in said and "-o mine.lpb" in said
    (wav,) = tmp_path.glob("*.wav")
    pcm, _ = soundfile.read(wav, dtype="int16")
    start = next(i for i in range(len(PCM)) if np.array_equal(PCM[i : i + 800], pcm[:800]))
    assert np.array_equal(pcm, PCM[start : start + len(pcm)]) and "s recorded" in said


@pytest.mark.parametrize("how", ["closed", signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_however_it_ends_what_was_heard_is_kept(files, tmp_path, how):
    """A terminal that is closed, or a signal: both recordings are complete files, the terminal is
    as it was."""
    p, ours, theirs = _view(files, tmp_path, "--record", "all.wav")
    with p:
        _screen_until(ours, b"score")
        before = termios.tcgetattr(theirs)
        os.write(ours, b"r")
        _recorded(ours, tmp_path, 2)
        if how == "closed":
            os.close(theirs)
            os.close(ours)
        else:
            p.send_signal(how)
            with contextlib.suppress(OSError):
                while b"\x1b[?1049l" not in os.read(ours, 65536):
                    pass
        said = p.stderr.read().decode()
    assert p.returncode == 130 and "Traceback" not in said and "s heard" in said
    heard, _ = soundfile.read(tmp_path / "all.wav", dtype="int16")
    assert 0 < len(heard) and np.array_equal(heard, PCM[: len(heard)])
    (part,) = tmp_path.glob("edge-lp-*.wav")
    recorded, _ = soundfile.read(part, dtype="int16")
    assert np.array_equal(recorded, heard[-len(recorded) :]) and not list(tmp_path.glob(".edge*"))
    if how != "closed":
        assert termios.tcgetattr(theirs)[3] & termios.ICANON and not before[3] & termios.ICANON
        os.close(theirs)
        os.close(ours)


def test_a_full_disk_ends_a_recording_not_the_listening(files, tmp_path, monkeypatch):
    """A4 for the key r."""
    from edge_lp.audio import record

    model = Model(DATA)
    ear = HostEar(model, model.detector)
    seen = view.View(_console(80, 24), ear, "m", lambda d: None, str(tmp_path))
    seen.terminal = Terminal(seen.terminal.console, Emulator(80, 24).write)
    with seen:
        seen.controls.press("r")
        seen.keep(PCM[:1600])
        full = OSError(errno.ENOSPC, "No space left on device")
        monkeypatch.setattr(record.Output, "write", raising(full))
        for at in range(1600, 16000, 1600):
            seen.keep(PCM[at : at + 1600])
            seen.take(PCM[at : at + 1600], ear.push(PCM[at : at + 1600]), 0.001, 0)
        assert sum("No space left" in n for n in seen.notes) == 1
    (wav,) = tmp_path.glob("*.wav")
    assert np.array_equal(soundfile.read(wav, dtype="int16")[0], PCM[:1600])


@pytest.mark.parametrize("selected", [0, 9])
def test_the_selected_keyword_is_always_shown(monkeypatch, selected):
    seen, screen = _watch(80, 12, monkeypatch)
    for _ in range(selected):
        seen.controls.press("down")
    seen.draw()
    text = "\n".join(screen.lines())
    t = np.resize(seen.ear.config.thresholds, 10)[selected]
    assert f">{seen.ear.keywords[selected]}" in text and f"≥{t:.2f}" in text


def test_a_slow_machine_draws_less_often_and_listens(monkeypatch):
    """On a clock of the test's own: pictures that take 1 s each get a quarter of the time."""
    clock = [0.0]
    monkeypatch.setattr(view.time, "monotonic", lambda: clock[0])
    model = Model(DATA)
    ear = HostEar(model, model.detector)
    seen = view.View(_console(80, 24), ear, "m", lambda d: None)
    seen.terminal = Terminal(seen.terminal.console, lambda data: None)
    drawn = []

    def draw():
        drawn.append(clock[0])
        clock[0] += 1.0
        return 0

    seen.draw = draw
    for _ in range(1000):
        clock[0] += 0.02
        seen.take(PCM[:320], ear.push(PCM[:320]), 0.0, 0)
    assert np.diff(drawn).min() >= 1.0 / view.SHARE and len(drawn) / clock[0] <= view.SHARE + 0.05


def test_what_is_behind_is_the_sound_and_not_its_start(monkeypatch):
    """A microphone that begins after 1.5 s is not behind; one that stands still for 2 s is."""
    clock = [0.0]
    monkeypatch.setattr(view.time, "monotonic", lambda: clock[0])
    ear = HostEar(model := Model(DATA), model.detector)
    seen = view.View(_console(80, 24), ear, "m", lambda d: None)
    seen.terminal = Terminal(seen.terminal.console, lambda data: None)

    def hear(pcm, seconds):
        clock[0] += seconds
        seen.take(pcm, ear.push(pcm), 0.0, 0)
        return next(w for w in seen.rows(80, 24)[0][-1].plain.split(" · ") if "behind" in w)

    assert [hear(PCM[:0], seconds) for seconds in (0.0, 1.5)] == ["0 ms behind"] * 2
    assert [hear(PCM[:320], 0.02) for _ in range(50)] == ["0 ms behind"] * 50
    assert hear(PCM[:0], 2.0) == "2000 ms behind"


def test_a_line_is_never_asked_for_more_than_it_has(monkeypatch):
    """On a clock of the test's own, a large screen whose every cell changes all the time."""
    clock = [0.0]
    monkeypatch.setattr(view.time, "monotonic", lambda: clock[0])
    model, screen = Model(DATA), Emulator(200, 50)
    ear = HostEar(model, model.detector)
    seen = view.View(_console(200, 50), ear, "m", lambda d: None)
    seen.terminal = Terminal(seen.terminal.console, screen.write)
    quiet = ear.push(PCM[:320])
    monkeypatch.setattr(seen, "rows", lambda w, h: ([Text(f"{clock[0]:.2f}" * w)] * h, range(0)))
    for _ in range(500):
        clock[0] += 0.02
        seen.take(PCM[:320], quiet, 0.0, 0)
    assert 0.5 * view.LINE < screen.sent / clock[0] < 20_000


def test_a_model_with_a_wake_word_says_whether_it_is_awake(monkeypatch):
    from edge_lp.model.tune import with_wake_words

    spec = random_spec(3)
    often = [d.keyword for d in HostEar(Model(DATA), Model(DATA).detector).push(PCM).detections]
    word = max(often, key=often.count)
    monkeypatch.setattr(view, "SHARE", 1e9)
    monkeypatch.setattr(view, "LINE", 1e9)
    model = Model(pack(with_wake_words(spec, [word])))
    ear, screen = HostEar(model, model.detector), Emulator(80, 24)
    seen, states = view.View(_console(80, 24), ear, "m", lambda d: None), set()
    seen.terminal = Terminal(seen.terminal.console, screen.write)
    with seen:
        for at in range(0, len(PCM), 1600):
            seen.take(PCM[at : at + 1600], ear.push(PCM[at : at + 1600]), 0.001, 0)
            seen.draw()
            awake = ear._detector.awake() > 0
            states.add(awake)
            assert (", awake" if awake else f", say {word}") in screen.lines()[0]
    assert states == {True, False}
