# SPDX-License-Identifier: Apache-2.0
"""Where the time of training goes, on made-up recordings (their content costs nothing):

    python tools/training_speed.py [--plain] [--epochs 4]

CPU ms a sequence to make it, to mask and gather it, and of a step in each stage; then whole epochs
of the float stage, sequences a second. --plain: the recurrence in TensorFlow in place of C."""

import argparse
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from edge_lp_train import net, scan, stage
from edge_lp_train.presets import configure
from edge_lp_train.sampler import Corpus, Sampler

MADE = 200  # sequences that are made to measure that


def corpus(words: tuple[str, ...]) -> Corpus:
    rng = np.random.default_rng(0)
    some = lambda n, size: [rng.normal(0, 2000, size).astype(np.int16) for _ in range(n)]
    rooms = [x * np.exp(-np.arange(8000) / 2000) for x in some(9, 8000)]
    names = [*words, "other", "house", "seven"] * 30
    speech = some(4, 320_000)
    return Corpus(some(len(names), 16000), names, some(9, 640_000), speech,
                  [x.astype(np.int16) for x in rooms])  # fmt: skip


def cpu(work: Callable[[], Any], n: int) -> float:
    """ms of CPU each, the least of three times."""
    took = []
    for _ in range(3):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return 1000 * min(took) / n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    if options.plain:
        scan._scan = None
    config = configure("commands12", clips_per_epoch=2560)
    sampler = Sampler(corpus(config.words), config)
    made = cpu(lambda: [sampler.draw(k) for k in range(MADE)], MADE)
    print(f"a fresh sequence {made:.2f} ms, used {config.reuse} times")
    epochs = sampler.epochs(0)
    batches = list(next(epochs))
    pool = [sampler.block(0)] * config.reuse
    gather = cpu(lambda: list(sampler._batches(0, pool)), config.clips_per_epoch)
    print(f"masks and gathering {gather:.2f} ms")
    scales = {f"{k}{i}": 3 for k in "wu" for i in range(3)}
    nets = {"coarse": (net.build(config, sub_steps=1), None), "float": (net.build(config), None)}
    nets["3-bit"] = (net.build(config, scales), nets["float"][0])
    for name, (model, guide) in nets.items():
        optimizer = keras.optimizers.Adam(1e-3)
        optimizer.build(model.trainable_variables)
        step = stage._step(model, optimizer, config, guide)
        step(*batches[0])
        work = lambda: [float(step(*b)[0]) for b in batches[:4]]
        print(f"a step, {name}: {cpu(work, 4 * config.batch):.2f} ms")
        if name == "float":
            began, spent = time.monotonic(), time.process_time()
            for _ in range(options.epochs):
                n = len([float(step(*b)[0]) for b in next(epochs)])
            n *= options.epochs * config.batch
            spent = 1000 * (time.process_time() - spent) / n
            print(f"{options.epochs} epochs: {n / (time.monotonic() - began):.0f} sequences a "
                  f"second, {spent:.2f} ms of CPU each")  # fmt: skip
    epochs.close()


if __name__ == "__main__":
    main()
