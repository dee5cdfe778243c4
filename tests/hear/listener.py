# SPDX-License-Identifier: Apache-2.0
"""`edge-lp listen` as a process on a microphone, which is what is played into the null sink of a
PulseAudio server in user space."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from edge_lp.runtime import HOP, Model, Spotter
from paths import ROOT, load

CLI = [sys.executable, "-m", "edge_lp"]
soak = load(ROOT / "tools" / "soak.py")


class Listener:
    """`listen --json` on a microphone, from its first line on. lines: of stderr; events: what it
    detected, when it has ended."""

    def __init__(self, env, model, *options):
        command = [*CLI, "listen", "--json", *(["--model", str(model)] if model else []), *options]
        self.process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.env, self.options = env, options
        self.lines, self.events, self.returncode = [], [], None

    def __enter__(self):
        self.until("listening to")
        return self

    def __exit__(self, *exc):
        if self.returncode is None:
            self.process.kill()
            self.end()

    def until(self, text):
        while line := self.process.stderr.readline():
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return
        pytest.fail(f"it ended without {text!r}: {self.lines}")

    def heard(self):
        """The samples in its --record, which is alone in its folder and grows there."""
        folder = Path(self.options[self.options.index("--record") + 1]).parent
        data = b"".join(p.read_bytes() for p in folder.glob(".edge-lp-*.part"))[soak.HEADER :]
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2")

    def _until(self, ready):
        while not ready():
            assert self.process.poll() is None, "it ended before it had heard so much"
            time.sleep(0.05)

    def until_heard(self, seconds=0.2):
        self._until(lambda: len(self.heard()) >= seconds * 16000)

    def until_quiet(self, since=0):
        """Sound, and behind it the zeros of a sink that nobody plays to: all of it is heard."""
        some = lambda pcm: pcm.any() and not pcm[-4800:].any()
        self._until(lambda: some(self.heard()[since:]))

    def play(self, sound):
        since = len(self.heard())
        subprocess.run(["paplay", str(sound)], env=self.env, check=True)
        self.until_quiet(since)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.end()

    def end(self):
        out, err = self.process.communicate(timeout=180)
        self.lines += err.splitlines()
        self.events = [json.loads(line) for line in out.splitlines()]
        self.returncode = self.process.returncode


def events_of(model, wav):
    run = subprocess.run(
        [*CLI, "listen", "--model", str(model), "--json", "--device", str(wav)],
        capture_output=True,
        check=True,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def with_tail(model, pcm):
    """And the zeros that come behind a recording, so that its last word is decided."""
    return np.append(pcm, np.zeros(Model(model.read_bytes()).detector.tail * HOP, np.int16))


def expected(model, pcm):
    """The runtime's events for these samples, as `listen --json` tells them."""
    opened = Model(model.read_bytes())
    labels = opened.labels
    return [
        {"t": round(e.middle * 0.01, 2), "keyword": labels[e.label], "score": round(e.score, 4)}
        for e in Spotter(opened).push(with_tail(model, pcm))
    ]
