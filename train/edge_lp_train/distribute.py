# SPDX-License-Identifier: Apache-2.0
"""One training on several devices or machines, through TensorFlow's own distribution.

Every worker runs the same command with its own TF_CONFIG. It decodes its share of the files, makes
its share of every batch, and checks the same net on the same validation clips, so all of them take
the same decisions; each writes a run of its own, the first into --out, number i into
--out/worker-i."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf
from edge_lp.errors import EdgeLpError
from edge_lp.text import without_descriptor_2

from edge_lp_train.presets import TrainConfig

STRATEGIES = ("auto", "mirrored", "multiworker")


@dataclass(frozen=True)
class Place:
    """Where this process is: number worker of workers, and the strategy that joins them."""

    strategy: tf.distribute.Strategy
    worker: int = 0
    workers: int = 1

    @property
    def devices(self) -> int:
        """Replicas of the net in this process."""
        return max(1, self.strategy.num_replicas_in_sync // self.workers)

    def share(self, config: TrainConfig) -> TrainConfig:
        """The configuration of this worker's part of every batch."""
        all_of_them = self.workers * self.devices
        if config.batch % all_of_them:
            raise EdgeLpError(
                f"--batch {config.batch} cannot be shared by {all_of_them} devices; choose a "
                f"multiple of {all_of_them}"
            )
        return replace(
            config,
            batch=config.batch // self.workers,
            clips_per_epoch=config.clips_per_epoch // self.workers,
            seed=config.seed * self.workers + self.worker,
        )


def cluster() -> tuple[int, int]:
    """(this worker's number, workers) as TF_CONFIG says; (0, 1) without one."""
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return 0, 1
    try:
        config = json.loads(text)
        tasks = [
            (k, i) for k in ("chief", "worker") for i in range(len(config["cluster"].get(k, [])))
        ]
        task = config["task"]
        return tasks.index((task["type"], int(task["index"]))), len(tasks)
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise EdgeLpError(
            f"TF_CONFIG does not name this worker ({type(e).__name__}: {e}); expected "
            '{"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": 0}}'
        ) from None


def place(name: str) -> Place:
    """The strategy of a name. auto: multiworker if TF_CONFIG names several workers, mirrored if
    there are several GPUs, else one device. To be called before TensorFlow does anything else."""
    if name not in STRATEGIES:
        raise EdgeLpError(f"--strategy {name}: expected {', '.join(STRATEGIES)}")
    worker, workers = cluster()
    if name == "multiworker" and workers == 1:
        raise EdgeLpError("--strategy multiworker: TF_CONFIG names no other workers")
    if workers > 1 and name != "mirrored":
        return Place(tf.distribute.MultiWorkerMirroredStrategy(), worker, workers)
    with without_descriptor_2():
        gpus = tf.config.list_physical_devices("GPU")
    if name == "mirrored" or len(gpus) > 1:
        return Place(tf.distribute.MirroredStrategy())
    return Place(tf.distribute.get_strategy())


def spread(batch: tuple[Any, ...], devices: int) -> tuple[Any, ...]:
    """A batch, a part of it for each device of this process."""
    if devices == 1:
        return batch
    strategy = tf.distribute.get_strategy()

    def part(a: Any) -> Any:
        each = len(a) // devices
        return strategy.experimental_distribute_values_from_function(
            lambda at: tf.constant(a[(at.replica_id_in_sync_group % devices) * each :][:each])
        )

    return tuple(map(part, batch))


def mean_gradients(gradients: list[Any]) -> list[Any]:
    """In a replica: the mean over all replicas."""
    context = tf.distribute.get_replica_context()
    n = context.num_replicas_in_sync
    if n == 1:
        return gradients
    return [g / n for g in context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)]
