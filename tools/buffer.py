# SPDX-License-Identifier: Apache-2.0
"""How long a microphone's sound takes until `edge-lp listen` has it, measured.

    python tools/buffer.py [--seconds S]

A PulseAudio server of its own has a source that gives at once what is written into a FIFO: 1 ms of
samples every ms, with a click now and then that says its own number, so that its time is known. The
blocks of the microphone are looked for the clicks. What is told is the time from the last sample of
a block to the block: how long samples wait for their block is the stage `block` of `edge-lp bench
latency`. Beside it stands what PortAudio says.

JSON on stdout. A sound card's own buffer comes on top. Linux; needs pulseaudio, pulseaudio-utils,
libasound2-plugins, libportaudio2 and the extra audio."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import soak

RATE = 16000
PIECE = RATE // 1000  # samples that are written at a time
EVERY = 1483  # samples between two clicks: they come at each place of a block
FIRST, QUIET = 1000, 1  # the values of click 0 and of what lies between; zeros would be silence


def sound(n: int) -> np.ndarray:
    """The n-th piece."""
    at = np.arange(n * PIECE, (n + 1) * PIECE)
    return np.where(at % EVERY == 0, FIRST + at // EVERY, QUIET).astype("<i2")


@contextlib.contextmanager
def feeding(fifo: Path) -> Iterator[list[float]]:
    """Writes pieces in their time, until the context is left -> when each was written."""
    over, written = threading.Event(), []

    def feed() -> None:
        out = os.open(fifo, os.O_WRONLY)
        start = time.monotonic()
        while not over.wait(max(0.0, start + len(written) * PIECE / RATE - time.monotonic())):
            data = sound(len(written)).tobytes()
            written.append(time.monotonic())
            os.write(out, data)
        os.close(out)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield written
    finally:
        over.set()
        thread.join()


def measure(seconds: float, fifo: Path) -> dict:
    from edge_lp.audio.microphone import MicrophoneBlocks

    waits = []
    with feeding(fifo) as written, MicrophoneBlocks() as mic:
        end = time.monotonic() + seconds
        for pcm in mic:
            now = time.monotonic()
            for p in np.flatnonzero(pcm >= FIRST).tolist():
                at = (int(pcm[p]) - FIRST) * EVERY
                waits.append(now - written[at // PIECE] - (len(pcm) - 1 - p) / RATE)
            if now >= end:
                break
        said, lost = mic.latency, mic.lost
    return {
        "clicks": len(waits),
        "samples_lost": lost,
        "portaudio_says_s": round(said, 3),
        "measured_s": {f"p{q}": round(float(np.percentile(waits, q)), 3) for q in (10, 50, 90)},
    }


def main() -> None:
    p = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    p.add_argument("--seconds", type=float, default=60)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fifo = Path(folder, "fifo")
        source = f"module-pipe-source file={fifo} source_name=mic rate={RATE} channels=1"
        with soak.server(Path(folder), f"{source} format=s16le") as s:
            os.environ.update(s.env)
            print(json.dumps(measure(args.seconds, fifo), indent=1))


if __name__ == "__main__":
    main()
