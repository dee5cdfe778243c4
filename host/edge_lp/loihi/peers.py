# SPDX-License-Identifier: Apache-2.0
"""Other emulators of Loihi-1 on the standard network, in the same run: brian2-loihi, nengo-loihi
and Lava, each by an interpreter that has it (they cannot share one)."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.errors import EdgeLpError
from edge_lp.loihi.network import Network

EMULATORS = ("brian2-loihi", "nengo-loihi", "lava-nc")  # distributions
PROGRAM = Path(__file__).parent / "emulators.py"
SHIFT = 3  # steps by which another one's record may begin later


def installed(python: str) -> list[str]:
    """Which of EMULATORS an interpreter has. EdgeLpError: it is none."""
    ask = (
        "from importlib.metadata import distributions\n"
        f"have = {{d.metadata['Name'].lower().replace('_', '-') for d in distributions()}}\n"
        f"print(*(n for n in {EMULATORS} if n in have))"
    )
    try:
        run = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as e:
        raise EdgeLpError(f"{python}: no Python that runs ({e}); expected an interpreter") from None
    return run.stdout.split()


def arrays(net: Network, stimulus: np.ndarray) -> dict[str, Any]:
    """What emulators.py reads. Parameters shared in a group, mixed signs, neither delays nor
    biases."""
    index = {g: i for i, g in enumerate(net.groups)} | {net.inputs: -1}
    steps, axon = np.nonzero(stimulus)
    found: dict[str, Any] = {
        "sizes": [g.n for g in net.groups],
        "du": [g.decay_u for g in net.groups],
        "dv": [g.decay_v for g in net.groups],
        "vth": [g.threshold for g in net.groups],
        "ends": [(index[c.src], index[c.dst]) for c in net.connections],
        "bits": [c.bits for c in net.connections],
        "exponent": [c.exponent for c in net.connections],
        "steps": steps,
        "axon": axon,
        "n_inputs": net.inputs.n,
        "T": len(stimulus),
    }
    for k, c in enumerate(net.connections):
        t = c.table
        found |= {f"source_{k}": t.sources, f"target_{k}": t.targets, f"mantissa_{k}": t.mantissas}
    return {name: np.asarray(a) for name, a in found.items()}


def beside(net: Network, stimulus: np.ndarray, pythons: Sequence[str]) -> Iterator[dict[str, Any]]:
    """engine, steps_per_s and same_spikes of each emulator that one of the interpreters has; or
    engine and error, where it stopped."""
    own = net.run(len(stimulus), stimulus).spikes
    expected = np.concatenate([own[g] for g in net.groups], 1) > 0
    with tempfile.TemporaryDirectory() as folder:
        network, out = Path(folder) / "network.npz", Path(folder) / "spikes.npy"
        np.savez(network, **arrays(net, stimulus))
        for python in pythons:
            for name in installed(python):
                command = [python, str(PROGRAM), name, str(network), str(out)]
                run = subprocess.run(command, capture_output=True, text=True, cwd=folder)
                if run.returncode:
                    words = run.stderr.strip().splitlines() or ["no message"]
                    yield {"engine": name, "error": words[-1]}
                    continue
                found = json.loads(run.stdout.splitlines()[-1])
                yield {**found, "same_spikes": same(np.load(out), expected)}


def same(spikes: np.ndarray, expected: np.ndarray) -> bool:
    """Lava's record begins some steps later."""
    n = len(expected)
    return any(np.array_equal(spikes[k:], expected[: n - k]) for k in range(SHIFT))


def lines(own: dict[str, Any], others: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A Markdown table."""
    yield "| emulator | steps per CPU second | edge-lp is faster by | spikes |"
    yield "|---|---|---|---|"
    yield f"| edge-lp | {own['steps_per_s']:,} | | |"
    for o in others:
        if "error" in o:
            yield f"| {o['engine']} | stopped: {o['error']} | | |"
            continue
        told = "the same" if o["same_spikes"] else "**others**"
        times = own["steps_per_s"] / o["steps_per_s"]
        yield f"| {o['engine']} | {o['steps_per_s']:,} | {times:,.0f} | {told} |"
