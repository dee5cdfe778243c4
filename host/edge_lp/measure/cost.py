# SPDX-License-Identifier: Apache-2.0
"""CPU time of one second of audio, by part, one thread: front end, network, detector."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.audio.signals import babble
from edge_lp.errors import EdgeLpError
from edge_lp.files import write_file
from edge_lp.runtime import SAMPLE_RATE, Detector, Frontend, Model, Net, Spotter, version
from edge_lp.text import notice

SECONDS = 10  # of sound, over and over
PARTS = ("front_end_ms", "network_ms", "detector_ms")


def _median_ms(
    work: Callable[[np.ndarray], Any], pieces: list[np.ndarray], seconds: float = 1.0
) -> float:
    """Median CPU ms of one call, over the pieces in turn, for at least `seconds`."""
    for piece in pieces[:3]:
        work(piece)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < len(pieces):
        start = time.process_time()
        work(pieces[len(times) % len(pieces)])
        times.append(1e3 * (time.process_time() - start))
    return round(float(np.median(times)), 4)


def bench(model: Model) -> dict[str, Any]:
    """ms per second of audio of each part and, measured by itself, of all in a row; what the core
    did in that second."""
    pcm = list(babble(SECONDS).reshape(SECONDS, SAMPLE_RATE))
    front_end, net, spotter = Frontend(), Net(model), Spotter(model)
    detector = Detector(len(model.labels), model.n_keywords, model.detector)
    frames = [front_end.push(second) for second in pcm]
    logits = [net.push(f) for f in frames]
    counts, pushed = net.counts(), sum(map(len, frames))
    per_second = 100 / pushed
    return {
        "front_end_ms": _median_ms(front_end.push, pcm),
        "network_ms": _median_ms(net.push, frames),
        "detector_ms": _median_ms(detector.push, logits),
        "total_ms": _median_ms(spotter.push, pcm),
        "spikes_per_s": round(counts.spikes * per_second),
        "synaptic_ops_per_s": round(counts.synops * per_second),
    }


def peers_script(path: str) -> Path:
    """The script that measures the peers: a file, or peers.py in a folder. EdgeLpError: it is not
    there."""
    script = Path(path) / "peers.py" if Path(path).is_dir() else Path(path)
    if not script.is_file():
        raise EdgeLpError(
            f"{script}: no such file; expected a script whose `cost` prints one JSON object a line"
        )
    return script


def peers(script: Path) -> list[dict[str, Any]]:
    """What `script cost` prints, measured now. Where it stops, most often for a package that is not
    installed, a note on stderr says why."""
    run = subprocess.run(
        [sys.executable, str(script), "cost"], capture_output=True, text=True, check=False
    )
    if run.returncode:
        notice(
            f"note: the peers were not (all) measured: {script} cost: "
            f"{(run.stderr.strip().splitlines() or ['no message'])[-1]}"
        )
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


def append(own: dict[str, Any], model: Model, path: str) -> None:
    """Adds these numbers to a CSV file as a row: when, with which library, of which model."""
    row = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "version": version(),
        "model": f"{int.from_bytes(model.bytes[-4:], 'little'):08x}",
        **{k: own.get(k, "") for k in (*PARTS, "total_ms", "instructions_per_s")},
    }
    before = b""
    if Path(path).is_file():
        before = Path(path).read_bytes()
        if before.split(b"\n", 1)[0].decode("utf-8", "replace").split(",") != list(row):
            raise EdgeLpError(f"{path}: not a history of bench: expected {','.join(row)} above")
    text = io.StringIO()
    table = csv.DictWriter(text, list(row), lineterminator="\n")
    if not before:
        table.writeheader()
    table.writerow(row)
    write_file(path, before + text.getvalue().encode())


def tables(own: dict[str, Any], others: list[dict[str, Any]]) -> list[Any]:
    """The same numbers for a reader."""
    from rich.table import Table

    t = Table(box=None, padding=(0, 2, 0, 0))
    for column in (
        "CPU ms per 1 s of audio, one thread",
        "features",
        "network",
        "detector",
        "total",
    ):
        t.add_column(column, justify="left" if column.startswith("CPU") else "right")
    t.add_row(
        "edge-lp, streaming",
        *(f"{own[k]:.3f}" for k in (*PARTS, "total_ms")),
    )
    for p in others:
        parts = [p[k] for k in ("features_ms", "net_ms") if k in p]
        cells = [f"{p[k]:.3f}" if k in p else "" for k in ("features_ms", "net_ms")]
        t.add_row(p["engine"], *cells, "", f"{sum(parts):.3f}" if len(parts) == 2 else "")
    work = (
        f"edge-lp: {own['spikes_per_s']:,} spikes and {own['synaptic_ops_per_s']:,} synaptic "
        "operations a second"
    )
    if "instructions_per_s" in own:
        work += f"; {own['instructions_per_s'] / 1e6:.2f} million instructions (valgrind)"
    return [t, work]
