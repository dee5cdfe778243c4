# SPDX-License-Identifier: Apache-2.0
"""`edge-lp listen` for a long time at real time: nothing lost, no memory that grows, no time that
drifts, and what it costs.

    python tools/soak.py [--view] [--minutes N] [--out FILE]

A PulseAudio server of its own plays a stream of words, over and over, into its null sink; the
listener hears the monitor of it as its microphone, with the live view on a pseudo-terminal or
without. Once a minute: CPU share, memory, and how far the samples that were heard are from the
clock. At the end, what was recorded is listened to again as a file, which has to give the same
detections; JSON goes to stdout or FILE. Linux; needs pulseaudio, pulseaudio-utils,
libasound2-plugins, libportaudio2 and the extras audio and demo."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from edge_lp.hear.demo import compose
from edge_lp.model.find import read_model, write_model
from edge_lp.runtime import Model

LISTEN = [sys.executable, "-m", "edge_lp", "listen"]
TICKS = os.sysconf("SC_CLK_TCK")
HEADER = 80  # bytes of a recording before its samples


class Server(NamedTuple):
    """env: what its clients need in their environment."""

    env: dict[str, str]
    process: subprocess.Popen


# a microphone that hears what is played
LOOP = (
    "module-null-sink sink_name=fakemic rate=16000 channels=1 format=s16le",
    "module-remap-source master=fakemic.monitor source_name=mic",
)


@contextlib.contextmanager
def server(home: Path, *modules: str) -> Iterator[Server]:
    """A PulseAudio server with these modules (default LOOP), of which one is the source "mic".
    RuntimeError: it did not start."""
    socket = home / "socket"
    env = {
        **os.environ,
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "PULSE_SERVER": f"unix:{socket}",
        "TERM": "xterm-256color",
    }
    loads = (
        f"module-native-protocol-unix socket={socket} auth-anonymous=1",
        *(modules or LOOP),
    )
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
    p = subprocess.Popen(
        [*command, *(w for load in loads for w in ("-L", load))],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    choose = ["pactl", "set-default-source", "mic"]
    try:
        for _ in range(100):
            if subprocess.run(choose, env=env, capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        else:
            raise RuntimeError("PulseAudio did not start")
        yield Server(env, p)
    finally:
        p.terminate()
        p.wait(10)


def model(home: Path) -> list[str]:
    """A copy: half an hour is long enough for another model to be shipped."""
    return ["--model", str(home / "model.lpb")]


@contextlib.contextmanager
def player(sound: Path, env: dict[str, str]) -> Iterator[None]:
    """Plays it over and over."""
    over = threading.Event()

    def play() -> None:
        while not over.is_set():
            with subprocess.Popen(["paplay", str(sound)], env=env) as p:
                while p.poll() is None and not over.wait(0.2):
                    pass
                p.terminate()

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def sample(pid: int, recording: Path, start: float) -> dict[str, float]:
    """Seconds since the start, CPU seconds, memory, and seconds of sound that were heard."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    return {
        "at": round(time.monotonic() - start, 2),
        "cpu": (int(fields[11]) + int(fields[12])) / TICKS,
        "rss_kb": int(re.search(r"VmRSS:\s+(\d+)", status)[1]),
        "heard": heard(recording),
    }


def heard(recording: Path) -> float:
    """Seconds in a recording that grows."""
    part = next(recording.parent.glob(".edge-lp-*.part"), None)
    return max(0, (part.stat().st_size if part else 0) - HEADER) / 32000


def listen(view: bool, minutes: float, home: Path, env: dict[str, str]) -> dict:
    """Runs the listener and looks at it every minute -> all that it gave."""
    recording, got = home / "heard.wav", {"terminal": 0}
    command = [*LISTEN, "--device", "mic", "--record", str(recording), *model(home)]
    ours, theirs = pty.openpty()
    with open(home / "out", "wb") as out, open(home / "err", "wb") as err:
        p = subprocess.Popen(
            command if view else [*command, "--json"],
            env=env,
            stdin=theirs,
            stdout=theirs if view else out,
            stderr=err,
        )
    os.close(theirs)

    def drain() -> None:
        with contextlib.suppress(OSError), open(home / "screen", "wb") as f:
            while piece := os.read(ours, 65536):
                got["terminal"] += len(piece)
                f.write(piece)

    threading.Thread(target=drain, daemon=True).start()
    while not heard(recording) and p.poll() is None:
        time.sleep(0.1)  # a slow machine takes its time to begin
    start, samples = time.monotonic(), []
    time.sleep(10)
    while time.monotonic() - start < 60 * minutes and p.poll() is None:
        samples.append(sample(p.pid, recording, start))
        print(samples[-1], file=sys.stderr, flush=True)
        time.sleep(min(60.0, max(0.0, start + 60 * minutes - time.monotonic())))
    samples.append(sample(p.pid, recording, start))
    p.terminate()  # SIGINT would be ignored where this was started in the background
    code = p.wait(60)
    return {"code": code, "samples": samples, "bytes": got["terminal"], "wav": recording}


def detections(home: Path, view: bool) -> list[str]:
    """The lines that it printed: of JSON, or behind the view."""
    if not view:
        return (home / "out").read_text().splitlines()
    behind = (home / "screen").read_bytes().decode().rpartition("\x1b[?1049l")[2]
    return re.findall(r"^ *[\d.]+ s  \w+", re.sub(r"\x1b\[[\d;]*m|\r", "", behind), re.MULTILINE)


def again(recording: Path, view: bool) -> list[str]:
    """What the recording gives as a file."""
    command = [*LISTEN, "--device", str(recording), *model(recording.parent)]
    run = subprocess.run(
        command if view else [*command, "--json"], capture_output=True, text=True, check=True
    )
    if not view:
        return run.stdout.splitlines()
    return re.findall(r"^ *[\d.]+ s  \w+", run.stdout, re.MULTILINE)


def report(run: dict, home: Path, view: bool) -> dict:
    first, last = run["samples"][0], run["samples"][-1]
    offset = [s["heard"] - s["at"] for s in run["samples"]]
    seconds = last["at"] - first["at"]
    live, file = detections(home, view), again(run["wav"], view)
    pcm, _ = soundfile.read(run["wav"], dtype="int16")
    return {
        "view": view,
        "minutes": round(last["at"] / 60, 2),
        "exit_code": run["code"],
        "cpu_percent": round(100 * (last["cpu"] - first["cpu"]) / seconds, 2),
        "rss_mb": [round(s["rss_kb"] / 1024, 1) for s in run["samples"]],
        # by which what was heard moved against the clock
        "drift_s": round(offset[-1] - offset[0], 3),
        "drift_most_s": round(max(offset) - min(offset), 3),
        "samples": len(pcm),
        "longest_zeros_s": round(_longest_zeros(pcm) / 16000, 3),
        "detections": len(live),
        "same_as_the_recording": live == file[: len(live)],
        "terminal_bytes_per_s": round(run["bytes"] / last["at"]),
        "said": (home / "err").read_text().splitlines(),
    }


def _longest_zeros(pcm: np.ndarray) -> int:
    """Behind the first sound: a stretch of nothing but zeros would be sound that was lost."""
    sounds = np.flatnonzero(pcm)
    return int(np.diff(sounds).max(initial=1)) - 1 if len(sounds) else len(pcm)


def main() -> None:
    p = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    p.add_argument("--view", action="store_true")
    p.add_argument("--minutes", type=float, default=20)
    p.add_argument("--out")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_model(home / "model.lpb", read_model("commands12"))
        words = Model(read_model("commands12")).keywords
        soundfile.write(
            home / "said.wav", np.concatenate([compose(words, seed)[0] for seed in range(8)]), 16000
        )
        with server(home) as s, player(home / "said.wav", s.env):
            run = listen(args.view, args.minutes, home, s.env)
        found = json.dumps(report(run, home, args.view), indent=1) + "\n"
    if args.out:
        Path(args.out).write_text(found)
    else:
        sys.stdout.write(found)


if __name__ == "__main__":
    main()
