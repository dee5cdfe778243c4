# SPDX-License-Identifier: Apache-2.0
"""listen on a microphone: a PulseAudio server in user space whose source is what is played into its
null sink."""

import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from edge_lp.audio.signals import babble
from listener import CLI, Listener, events_of, soak
from paths import ROOT


def test_devices_lists_it(server):
    run = subprocess.run([*CLI, "devices"], env=server, capture_output=True, text=True)
    assert run.returncode == 0 and "mic:0" in run.stdout and "default" in run.stdout


def _hear(server, model, played, folder):
    """Plays to a listener -> its exit code, detections, and what it recorded."""
    soundfile.write(folder / "played.wav", played, 16000)
    with Listener(server, model, "--record", str(folder / "heard.wav")) as p:
        p.play(folder / "played.wav")
        p.stop()
    pcm, rate = soundfile.read(folder / "heard.wav", dtype="int16")
    assert rate == 16000
    return p.returncode, p.events, pcm


def _contains(pcm, part):
    starts = np.flatnonzero(pcm[: len(pcm) - len(part) + 1] == part[0])
    return any(np.array_equal(pcm[i : i + len(part)], part) for i in starts)


def test_microphone_equals_file(server, model, tmp_path):
    """What is played arrives bit for bit; the detections are those of the recording of what was
    heard; Ctrl-C is a clean end."""
    speech = babble(2)[1000:]
    # a server that was idle may swallow the start: only the second part is asked for
    played = np.concatenate([babble(2, seed=1), speech])
    for _ in range(4):  # a loaded server drops samples on its own and says nothing: play again
        code, live, pcm = _hear(server, model, played, tmp_path)
        assert code == 130
        assert live and live == events_of(model, tmp_path / "heard.wav")[: len(live)]
        if _contains(pcm, speech):
            return
    pytest.fail("what was played never arrived bit for bit")


def test_each_microphone_in_the_list_can_be_heard(server, model):
    """By what --device takes, by its name, and as JSON."""
    listed = subprocess.run(
        [*CLI, "devices", "--no-probe", "--json"], env=server, capture_output=True, check=True
    )
    found = [d for d in json.loads(listed.stdout) if d["kind"] == "microphone"]
    assert {d["name"] for d in found} >= {"default", "pulse"}
    assert all(set(d) == {"device", "kind", "name", "details"} for d in found)
    first = (found[0]["device"], found[0]["name"])
    for wanted, name in (("mic", "default"), ("mic:PULSE", "pulse"), first):
        with Listener(server, model, "--device", wanted) as p:
            p.stop()
        assert p.returncode == 130 and f"'{name}'" in p.lines[0]


def test_two_listeners_hear_the_same(server, model, tmp_path):
    """Two processes on one microphone: each has the events of what it recorded, and in what both
    recorded they heard the same sound."""
    soundfile.write(tmp_path / "played.wav", babble(3, seed=2), 16000)
    wavs = [tmp_path / name / "heard.wav" for name in "ab"]
    for wav in wavs:
        wav.parent.mkdir()
    with Listener(server, model, "--record", str(wavs[0])) as a:
        with Listener(server, model, "--record", str(wavs[1])) as b:
            b.play(tmp_path / "played.wav")
            a.until_quiet()
            a.stop()
            b.stop()
    for p, wav in ((a, wavs[0]), (b, wavs[1])):
        assert p.returncode == 130
        assert len(p.events) > 1 and p.events == events_of(model, wav)[: len(p.events)]
    first, second = (soundfile.read(w, dtype="int16")[0] for w in wavs)
    parts = [x for x in np.split(second, range(1600, len(second), 1600)) if x[0] and x[-1]]
    same = sum(_contains(first, x) for x in parts)  # a loaded server drops some for one of them
    assert same > len(parts) / 2 > 5


def test_a_microphone_through_an_emulated_board(server, model, tmp_path):
    """What a Cortex-M4 detects in what it is sent from the microphone is what this machine detects
    in the recording of it."""
    from edge_lp.board.emulate import Emulator

    for tool in ("qemu-system-arm", "arm-none-eabi-gcc", "make"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    soundfile.write(tmp_path / "played.wav", babble(3, seed=3), 16000)
    wav = tmp_path / "heard.wav"
    with Emulator("m4", model.read_bytes()) as e:
        options = ("--device", f"serial:{e.port}", "--source", "mic", "--record", str(wav))
        with Listener(server, None, *options) as p:
            p.play(tmp_path / "played.wav")
            p.stop()
    assert p.returncode == 130
    assert len(p.events) > 1 and p.events == events_of(model, wav)[: len(p.events)]


def test_a_suspended_source_is_told_while_it_lasts_a17(server, model, tmp_path):
    """And its time counts, as zeros in the recording."""
    wav = tmp_path / "heard.wav"
    with Listener(server, model, "--record", str(wav)) as p:
        p.until_heard()
        subprocess.run(["pactl", "suspend-sink", "fakemic", "1"], env=server, check=True)
        try:
            p.until("has delivered nothing for 5 s")  # it is still suspended
        finally:
            subprocess.run(["pactl", "suspend-sink", "fakemic", "0"], env=server, check=True)
        p.until("delivers again")
        p.until_heard(5.6)  # with the zeros, which are written before that is told
        p.stop()
    assert soundfile.info(str(wav)).frames > 5.5 * 16000


def _own_server(folder):
    """Of the test itself, to be killed."""
    folder.mkdir(exist_ok=True)
    return soak.server(folder)


def _pactl(env, *words):
    subprocess.run(["pactl", *words], env=env, check=True, stdout=subprocess.DEVNULL)


def test_a_microphone_that_is_unplugged_is_one_line(server, model, tmp_path):
    """The server lives and has no source any more; what was heard before is kept."""
    wav = tmp_path / "heard.wav"
    with _own_server(tmp_path / "home") as own:
        with Listener(own.env, model, "--record", str(wav)) as p:
            p.until_heard()
            _pactl(own.env, "unload-module", "module-null-sink")
            p.end()
        assert own.process.poll() is None
    assert p.returncode == 2 and len(p.lines) == 3 and "s heard" in p.lines[1]
    assert p.lines[-1].endswith("stopped delivering: was it unplugged?")
    assert soundfile.info(str(wav)).frames > 1600


def test_a_microphone_that_is_plugged_in_again_is_heard_again(server, model, tmp_path):
    """And the time between counts, as zeros in the recording: the events of both halves stand at
    their honest times."""
    wav = tmp_path / "heard.wav"
    soundfile.write(tmp_path / "played.wav", babble(3, seed=6), 16000)
    with _own_server(tmp_path / "home") as own:
        with Listener(own.env, model, "--record", str(wav), "--reconnect") as p:
            p.play(tmp_path / "played.wav")
            _pactl(own.env, "unload-module", "module-null-sink")
            p.until("is gone; waiting for it")
            gone = time.monotonic()
            time.sleep(1)
            for module in soak.LOOP:
                _pactl(own.env, "load-module", *module.split())
            _pactl(own.env, "set-default-source", "mic")
            away = time.monotonic() - gone
            p.until("is back")
            p.play(tmp_path / "played.wav")
            p.stop()
    assert p.returncode == 130
    pcm, _ = soundfile.read(wav, dtype="int16")
    sounds = np.flatnonzero(pcm)
    at = int(np.argmax(np.diff(sounds)))
    start, end = sounds[at], sounds[at + 1]
    assert end - start > 16000 * (away - 0.1), "the time without a microphone counts"
    assert any(16000 * e["t"] < start for e in p.events)
    assert any(16000 * e["t"] > end for e in p.events)
    assert p.events == events_of(model, wav)[: len(p.events)]


def test_a_server_that_dies_is_one_line(server, model, tmp_path):
    """Not PortAudio's lines, and the recording is there."""
    wav = tmp_path / "heard.wav"
    with _own_server(tmp_path / "home") as own:
        with Listener(own.env, model, "--record", str(wav)) as p:
            p.until_heard()
            own.process.terminate()
            p.end()
    assert p.returncode == 2
    assert [line.split(" ")[0] for line in p.lines[1:-2]] == [] and "s heard" in p.lines[-2]
    assert p.lines[-1].endswith("stopped delivering: was it unplugged?")
    assert soundfile.info(str(wav)).frames > 1600


def test_a_server_that_comes_back_is_heard_again(server, model, tmp_path):
    wav = tmp_path / "heard.wav"
    soundfile.write(tmp_path / "played.wav", babble(3, seed=4), 16000)
    with _own_server(tmp_path / "home") as own:
        p = Listener(own.env, model, "--record", str(wav), "--reconnect")
        p.__enter__()
        p.until_heard()
    p.until("is gone; waiting for it")
    with _own_server(tmp_path / "home") as own:
        p.until("is back")
        p.play(tmp_path / "played.wav")
        p.stop()
    p.__exit__(None, None, None)
    assert p.returncode == 130
    assert len(p.events) > 1 and p.events == events_of(model, wav)[: len(p.events)]


def test_a_short_soak(server, tmp_path):
    """tools/soak.py with the live view: the detections it printed are those of its recording."""
    out = tmp_path / "soak.json"
    command = [sys.executable, str(ROOT / "tools" / "soak.py"), "--view", "--minutes", "0.2"]
    subprocess.run([*command, "--out", str(out)], check=True, stderr=subprocess.DEVNULL)
    found = json.loads(out.read_text())
    assert found["exit_code"] == 130 and found["same_as_the_recording"]
    assert found["samples"] > 5 * 16000 and 0 < found["terminal_bytes_per_s"] < 20000


@pytest.mark.parametrize("wanted", ["mic:no such name", "mic:4711"])
def test_no_such_microphone(server, model, wanted):
    run = subprocess.run(
        [*CLI, "listen", "--model", str(model), "--device", wanted],
        env=server,
        capture_output=True,
        text=True,
    )
    assert (
        run.returncode == 2
        and run.stderr.count("\n") == 1
        and "no microphone matches" in run.stderr
        and run.stdout == ""
    )
