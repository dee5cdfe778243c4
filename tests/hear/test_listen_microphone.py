# SPDX-License-Identifier: Apache-2.0
"""listen on a microphone: a PulseAudio server in user space whose source is what is played into its
null sink."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from edge_lp.audio.signals import babble
from edge_lp.model.find import write_model
from edge_lp.model.format import pack
from random_model import random_spec

CLI = [sys.executable, "-m", "edge_lp"]


def _wait(ready, seconds=20.0):
    end = time.monotonic() + seconds
    while not (value := ready()) and time.monotonic() < end:
        time.sleep(0.05)
    return value


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The environment of a PulseAudio server of our own."""
    for tool in ("pulseaudio", "pactl", "paplay"):
        if not shutil.which(tool):
            pytest.skip(
                f"{tool} is not installed (apt-get install pulseaudio pulseaudio-utils "
                "libasound2-plugins)"
            )
    try:
        import sounddevice  # noqa: F401
    except (ModuleNotFoundError, OSError) as e:
        pytest.skip(f"no PortAudio: {e} (pip install sounddevice, apt-get install libportaudio2)")
    home = tmp_path_factory.mktemp("pulse")
    socket = home / "socket"
    env = {
        **os.environ,
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "PULSE_SERVER": f"unix:{socket}",
    }
    process = subprocess.Popen(
        [
            "pulseaudio",
            "-n",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "--use-pid-file=no",
            "-L",
            f"module-native-protocol-unix socket={socket} auth-anonymous=1",
            "-L",
            "module-null-sink sink_name=fakemic rate=16000 channels=1 format=s16le",
            "-L",
            "module-remap-source master=fakemic.monitor source_name=mic",
        ],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        if not _wait(
            lambda: (
                subprocess.run(
                    ["pactl", "set-default-source", "mic"], env=env, capture_output=True
                ).returncode
                == 0
            )
        ):
            pytest.skip("PulseAudio did not start here")
        yield env
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "random.lpb", pack(random_spec(3)))


def test_devices_lists_it(server):
    run = subprocess.run([*CLI, "devices"], env=server, capture_output=True, text=True)
    assert run.returncode == 0 and "mic:0" in run.stdout and "default" in run.stdout


def _hear(server, model, played, folder):
    """Plays to a listener -> its exit code, detections, and what it recorded."""
    soundfile.write(folder / "played.wav", played, 16000)
    command = [
        *CLI,
        "listen",
        "--model",
        str(model),
        "--json",
        "--device",
        "mic",
        "--record",
        str(folder / "heard.wav"),
    ]
    with subprocess.Popen(
        command, env=server, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as p:
        assert "listening" in p.stderr.readline()
        subprocess.run(["paplay", str(folder / "played.wav")], env=server, check=True)
        time.sleep(0.5)  # the server's buffers
        p.send_signal(signal.SIGINT)
        out, _ = p.communicate(timeout=30)
    pcm, rate = soundfile.read(folder / "heard.wav", dtype="int16")
    assert rate == 16000
    return p.returncode, [json.loads(line) for line in out.splitlines()], pcm


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
        command = [
            *CLI,
            "listen",
            "--model",
            str(model),
            "--json",
            "--device",
            str(tmp_path / "heard.wav"),
        ]
        again = subprocess.run(command, capture_output=True, text=True, check=True)
        assert (
            live and live == [json.loads(line) for line in again.stdout.splitlines()][: len(live)]
        )
        if _contains(pcm, speech):
            return
    pytest.fail("what was played never arrived bit for bit")


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
