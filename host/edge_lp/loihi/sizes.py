# SPDX-License-Identifier: Apache-2.0
"""The core beside the same network in NumPy, by size: one recurrent group, driven by its biases.

CPU time of the process (a run whose steps may be long has a thread of its own), no recording, and
the same spikes or no row: a row that differs is an error.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from edge_lp.errors import EdgeLpError
from edge_lp.loihi.network import Network

SIZES = (128, 512, 2048, 4096, 16384)
DENSITIES = (1.0, 0.1, 0.01)
LARGEST = 2**24  # synapses
DELAYS = 8  # 0..7 where they are mixed
DECAY_U, DECAY_V, THRESHOLD = 2048, 256, 2000  # threshold: in units of 64


class Reference:
    """The same in NumPy, as one would write it: int32 states, a matrix product's worth of gathered
    rows a step (dense), or of gathered synapses (sparse)."""

    def __init__(self, n: int, rows: np.ndarray, targets: np.ndarray, weights: np.ndarray,
                 delays: np.ndarray | None, each: dict[str, Any], dense: bool) -> None:  # fmt: skip
        self.u, self.v = np.zeros(n, np.int32), np.zeros(n, np.int32)
        self.bias, self.each = each["bias"] << 6, each
        self.blocks: list[tuple[int, Any]] = []
        sources = np.repeat(np.arange(n), np.diff(rows))
        for delay in range(DELAYS if delays is not None else 1):
            mine = slice(None) if delays is None else delays == delay
            if dense and delays is None:
                matrix = np.zeros((n, n), np.int32)
                matrix[sources, targets] = weights
                self.blocks.append((delay, matrix))
            else:
                starts = np.searchsorted(sources[mine], np.arange(n + 1))
                self.blocks.append((delay, (starts, targets[mine], weights[mine])))
        self.arriving = np.zeros((DELAYS + 1, n), np.int32)
        self.t = self.spikes = 0

    def decayed(self, x: np.ndarray, delta: Any) -> np.ndarray:
        y = x * np.int64(1) * (4096 - delta)
        return ((y + ((y >> 63) & 4095)) >> 12).astype(np.int32)

    def step(self) -> None:
        row = self.arriving[self.t % (DELAYS + 1)]
        self.u = self.decayed(self.u, self.each["decay_u"]) + (row << 6)
        row[:] = 0
        v = self.decayed(self.v, self.each["decay_v"]) + self.u + self.bias
        v = np.clip(v, 0, 2**23 - 1)
        fired = v > self.each["threshold"] << 6
        self.v = np.where(fired, 0, v)
        who = np.flatnonzero(fired)
        self.spikes += len(who)
        for delay, block in self.blocks:
            to = self.arriving[(self.t + 1 + delay) % (DELAYS + 1)]
            if isinstance(block, np.ndarray):
                to += block[who].sum(0, dtype=np.int32)
            elif len(who):
                starts, targets, weights = block
                from_, count = starts[who], starts[who + 1] - starts[who]
                at = np.repeat(from_ - np.cumsum(count) + count, count) + np.arange(count.sum())
                sums = np.bincount(targets[at], weights[at], len(to))
                to += sums.astype(np.int32)
        self.t += 1


def network(n: int, density: float, own: bool, mixed: bool) -> tuple[Any, Reference, int]:
    """A simulation, its reference, and how many synapses they have."""
    rng = np.random.default_rng(n)
    count = rng.binomial(n, density, n) if density < 1 else np.full(n, n)
    targets = np.concatenate([np.sort(rng.choice(n, k, replace=False)) for k in count])
    rows = np.concatenate([[0], np.cumsum(count)])
    weights = 2 * rng.integers(-64, 64, len(targets)) | 2  # never 0
    delays = rng.integers(0, DELAYS, len(targets)) if mixed else None

    def draw(low: int, high: int) -> Any:
        return rng.integers(low, high, n) if own else (low + high) // 2

    each = {
        "decay_u": draw(DECAY_U - 64, DECAY_U + 64),
        "decay_v": draw(DECAY_V - 16, DECAY_V + 16),
        "threshold": draw(THRESHOLD - 100, THRESHOLD + 100),
        "bias": rng.integers(THRESHOLD // 15, THRESHOLD // 9, n),
    }
    net = Network(cores=None)
    group = net.group(
        n, each["decay_u"], each["decay_v"], threshold=each["threshold"], bias=each["bias"],
        bias_exponent=6, v_min=0,
    )  # fmt: skip
    sources = np.repeat(np.arange(n), count)
    net.connect(
        group, group, (sources, targets, weights), bits=8, exponent=-3,
        delay=0 if delays is None else delays,
    )  # fmt: skip
    scaled = (weights >> 3).astype(np.int32)
    reference = Reference(n, rows, targets, scaled, delays, each, density == 1)
    return net.build(), reference, len(targets)


def measure(n: int, density: float, own: bool, mixed: bool, seconds: float) -> dict[str, Any]:
    simulation, reference, synapses = network(n, density, own, mixed)
    start, steps = time.process_time(), 0
    while time.process_time() - start < seconds or steps < 64:
        reference.step()
        steps += 1
    slow = (time.process_time() - start) / steps
    spikes = simulation.run(steps, record=()).counts.spikes
    if spikes != reference.spikes:
        raise EdgeLpError(
            f"{n} compartments, {density:.0%}: {spikes} spikes, NumPy has {reference.spikes}"
        )
    spent, runs = 0.0, 0  # on the same steps: a network may fall silent later
    while spent < seconds:
        simulation.reset()
        start = time.process_time()
        simulation.run(steps, record=())
        spent, runs = spent + time.process_time() - start, runs + 1
    fast = spent / (runs * steps)
    return {
        "n": n, "density": density, "parameters": "own" if own else "shared",
        "delays": "mixed" if mixed else "none", "synapses": synapses,
        "spikes_per_step": spikes / steps, "steps_per_s": round(1 / fast),
        "times_numpy": slow / fast,
    }  # fmt: skip


def sizes(seconds: float = 0.1) -> Iterator[dict[str, Any]]:
    """A row for each size, density, kind of parameters and delays."""
    for n in SIZES:
        for density in DENSITIES:
            if n * n * density > LARGEST:
                continue
            for own in (False, True):
                for mixed in (False, True):
                    yield measure(n, density, own, mixed, seconds)


def lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A Markdown table, a line each as it is known: a size and density a row, the four kinds in
    columns as steps a second (times NumPy)."""
    kinds = [(p, d) for p in ("shared", "own") for d in ("none", "mixed")]
    yield "| compartments | synapses | spikes a step | " + " | ".join(
        f"{p} parameters, {'mixed delays' if d == 'mixed' else 'no delay'}" for p, d in kinds
    ) + " |"  # fmt: skip
    yield "|---" * (3 + len(kinds)) + "|"
    cells: list[str] = []
    for r in rows:
        cells.append(f"{r['steps_per_s']:,} ({r['times_numpy']:.0f})")
        if len(cells) == len(kinds):
            head = f"| {r['n']:,} | {r['density']:.0%} | {r['spikes_per_step']:.0f} | "
            yield head + " | ".join(cells) + " |"
            cells = []
