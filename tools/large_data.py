# SPDX-License-Identifier: Apache-2.0
"""Does a data set of the size of all of Speech Commands, with 100 hours of noise, train in 4 GB?

    python tools/large_data.py SCRATCH [--clips 85000] [--hours 100]

Makes recordings below SCRATCH, pieces of one sound (what they say costs nothing), and trains on
them: one short epoch of each stage, first with nothing decoded, then with what the first run has
kept. Prints of each the seconds until its first epoch began, those it took, its CPU seconds and the
most memory that it had (resident). SCRATCH takes 2.8 GB for the clips, as much again and 11.5 GB
when they and the noise are decoded."""

import argparse
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
from edge_lp_train.presets import COMMANDS

WORDS = (*COMMANDS, *(f"other{i}" for i in range(25)))
MINUTES = 5  # of a recording of noise
SPEAKERS = 2600


def make_clips(root: Path, count: int) -> None:
    """WORD/SPEAKER_nohash_N.wav, a second each, no two alike: pieces of one sound."""
    sound = np.random.default_rng(0).normal(0, 2000, 16000 * 600)
    sound *= 1.1 + np.sin(np.arange(len(sound)) / 5000)
    data = memoryview(sound.astype("<i2").tobytes())
    header = io.BytesIO()
    soundfile.write(header, np.zeros(0, np.int16), 16000, format="WAV", subtype="PCM_16")
    head = bytearray(header.getvalue())
    head[4:8], head[40:44] = (36 + 32000).to_bytes(4, "little"), (32000).to_bytes(4, "little")
    for word in WORDS:
        (root / word).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        path = root / WORDS[i % len(WORDS)] / f"{i % SPEAKERS:08x}_nohash_{i // SPEAKERS}.wav"
        if not path.exists():
            path.write_bytes(head + data[200 * i : 200 * i + 32000])


def make_noise(root: Path, hours: float) -> None:
    """Recordings of MINUTES; all but one are links to it, and read as any other."""
    root.mkdir(parents=True, exist_ok=True)
    first = root / "0.wav"
    if not first.exists():
        x = np.random.default_rng(1).normal(0, 300, MINUTES * 60 * 16000)
        soundfile.write(first, x.astype(np.int16), 16000)
    for i in range(1, round(hours * 60 / MINUTES)):
        if not (root / f"{i}.wav").exists():
            os.link(first, root / f"{i}.wav")


def train(root: Path, name: str) -> None:
    """`edge-lp train` in a process of its own, and what it took."""
    command = [sys.executable, "-m", "edge_lp", "train", "--data", str(root / "words")]
    command += ["--noise", str(root / "noise"), "--out", str(root / name)]
    command += ["--epochs", "2", "1", "--clips-per-epoch", "2560"]
    env = os.environ | {"XDG_CACHE_HOME": str(root / "cache")}
    began, ready = time.monotonic(), None
    running = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        print("    " + line.rstrip(), flush=True)
        if ready is None and line.startswith("coarse:"):
            ready = time.monotonic() - began
    _, code, used = os.wait4(running.pid, 0)
    if code:
        raise SystemExit(f"{name}: edge-lp train ended with {os.waitstatus_to_exitcode(code)}")
    print(f"{name}: first epoch after {ready:.0f} s, {time.monotonic() - began:.0f} s in all; "
          f"{used.ru_utime + used.ru_stime:.0f} s of CPU; at most {used.ru_maxrss / 2**20:.2f} GB",
          flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--clips", type=int, default=85_000)
    parser.add_argument("--hours", type=float, default=100)
    options = parser.parse_args()
    make_clips(options.scratch / "words", options.clips)
    make_noise(options.scratch / "noise", options.hours)
    for name in ("first start", "second start"):
        train(options.scratch, name)


if __name__ == "__main__":
    main()
