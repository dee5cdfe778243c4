# SPDX-License-Identifier: Apache-2.0
"""Many samples through one network, side by side on all cores of the machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import numpy as np

from edge_lp.core import Counts
from edge_lp.loihi.description import Group
from edge_lp.loihi.limits import LimitError
from edge_lp.loihi.recording import Kept, entries_of, in_memory
from edge_lp.loihi.simulation import Result, Simulation


def run_batch(
    build: Callable[[], Simulation], inputs: Any, record: Iterable[str], reward: Any = None
) -> Result:
    """What Network.run_batch does. build: a new simulation at step 0; one is made for each thread
    (the core releases the GIL) and reset for each sample."""
    given = np.asarray(inputs)
    if given.ndim != 3:
        raise LimitError(
            f"inputs have shape {given.shape}, expected three dimensions: samples, steps, axons"
        )
    samples, steps, _ = given.shape
    kinds = entries_of(record, probes=False)
    rewards = None if reward is None else np.asarray(reward)
    if rewards is not None and rewards.shape != (samples, steps):
        raise LimitError(
            f"rewards have shape {rewards.shape}, expected {(samples, steps)}: samples, steps"
        )
    threads = max(1, min(samples, cores()))
    simulations = [build() for _ in range(threads)]
    result = Result.of(Counts(0, 0, 0, 0, 0))
    with in_memory():
        for kind in kinds:
            _make_room(getattr(result, kind), simulations[0].groups, samples, steps)

    def work(first: int) -> Counts:
        """Every threads-th sample from first on."""
        simulation, total = simulations[first], Counts(0, 0, 0, 0, 0)
        for i in range(first, samples, threads):
            simulation.reset(trial=i)
            more = None if rewards is None else rewards[i]
            one = simulation.run(steps, given[i], kinds, more)
            for kind in kinds:
                for group, rows in getattr(one, kind).items():
                    getattr(result, kind)[group][i] = rows
            total += one.counts
        return total

    pool = ThreadPoolExecutor(threads)
    try:
        jobs = [pool.submit(work, k) for k in range(threads)]
        ended, _ = wait(jobs, return_when=FIRST_EXCEPTION)
        for job in jobs:
            if job in ended:
                job.result()
        counts = sum((j.result() for j in jobs), Counts(0, 0, 0, 0, 0))
    finally:  # Ctrl-C, or a sample that cannot be run: the others need not go on, nor be waited for
        for s in simulations:
            s.stop()
        pool.shutdown(wait=False)
    return replace(result, counts=counts)


def cores() -> int:
    """Of the machine, that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


def _make_room(kept: Kept, groups: Sequence[Group], samples: int, steps: int) -> None:
    dtype = np.uint8 if kept.kind == "spikes" else np.int32
    kept.update({g: np.zeros((samples, steps, g.n), dtype) for g in groups})
