# SPDX-License-Identifier: Apache-2.0
"""One stage of training: steps, a check every few epochs, the best weights, and all that a later
call needs to go on."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from edge_lp.errors import EdgeLpError
from edge_lp.model.spec import INPUT_SCALE

from edge_lp_train import losses
from edge_lp_train.check import Check, Infer, Quality
from edge_lp_train.distribute import mean_gradients, spread
from edge_lp_train.files import log, read_arrays, write_arrays
from edge_lp_train.layers import LowPassRNN
from edge_lp_train.presets import TrainConfig
from edge_lp_train.quantize import CodeQuantizer
from edge_lp_train.sampler import Sampler, Sequences

HISTORY = "history.csv"
CHECK_EVERY = 3  # epochs
WARM_UP = 200  # steps in which the rate grows to its value
AVERAGED = 0.04  # of a stage's steps, over which the weights that are checked and kept are averaged
CLIP_NORM = 1.0  # of each matrix's gradient


@dataclass(frozen=True)
class Stage:
    """epochs of training from rate to last_rate; first: the first epoch's number in the run; cost:
    of an epoch, beside a coarse one."""

    name: str
    epochs: int
    rate: float
    last_rate: float
    first: int
    cost: float


def infer(model: keras.Model) -> Infer:
    """(n, frames, FEATURES) int16 -> (n, frames, labels) logits, in batches."""
    call = tf.function(lambda x: model(x, training=False), reduce_retracing=True)

    def run(x: np.ndarray) -> np.ndarray:
        size = max(1, 256 * 100 // x.shape[1])
        parts = [x[i : i + size].astype(np.float32) for i in range(0, len(x), size)]
        return np.concatenate([call(p * np.float32(INPUT_SCALE)).numpy() for p in parts])

    return run


def _step(
    model: keras.Model, optimizer: Any, config: TrainConfig, guide: keras.Model | None
) -> Any:
    """The function of one batch: new weights; returns loss and accuracy, means over all replicas
    of the strategy in whose scope it is made."""
    words, wake, weights = len(config.words), len(config.wake), model.trainable_variables
    limits = [(w, *quantizer.limits()) for quantizer, w in quantised_weights(model)]
    cells = [x for x in model.layers if isinstance(x, LowPassRNN)]
    watched = keras.Model(model.input, [model.output, *(x.output for x in cells)])
    strategy = tf.distribute.get_strategy()

    def part(x: Any, start: Any, target: Any, label: Any, speech: Any) -> Any:
        goal = target
        if guide is not None:
            opinion = tf.nn.softmax(
                losses.clip_logits(guide(x, training=False), start, config.clip)
            )
            goal = (1 - config.distil) * target + config.distil * opinion
        with tf.GradientTape() as tape:
            logits, *states = watched(x, training=True)
            mean = losses.clip_logits(logits, start, config.clip)
            share = tf.where(speech, config.speech_loss, config.detector_loss)
            share = tf.where(label < wake, config.wake_loss, share)
            loss = (1 - share) * losses.cross_entropy(goal, mean)
            loss += share * losses.detector_loss(logits, start, label, config.windows, words, wake)
            loss = tf.reduce_mean(loss)
            if config.activity:
                loss += config.activity * losses.activity(states, [x.cell for x in cells])
        mean_of_all = mean_gradients(tape.gradient(loss, weights))
        # Keras adds up what the replicas give it
        each = [tf.clip_by_norm(g, CLIP_NORM) / strategy.num_replicas_in_sync for g in mean_of_all]
        optimizer.apply(each, weights)
        hit = tf.equal(tf.argmax(mean, axis=1, output_type=tf.int32), label)
        return loss, tf.reduce_mean(tf.cast(hit, tf.float32))

    @tf.function(reduce_retracing=True)
    def step(*batch: Any) -> Any:
        found = strategy.run(part, args=batch)
        for w, low, high in limits:
            w.assign(tf.clip_by_value(w, low, high))
        return tuple(strategy.reduce("MEAN", v, axis=None) for v in found)

    return step


def quantised_weights(model: keras.Model) -> list[tuple[CodeQuantizer, Any]]:
    """The matrices that are trained as codes, each with its quantiser."""
    found = []
    for layer in model.layers:
        part = getattr(layer, "cell", layer)
        for quantizer, matrix in (("kernel_quantizer", "kernel"),
                                  ("recurrent_quantizer", "recurrent_kernel")):  # fmt: skip
            if getattr(part, quantizer, None) is not None:
                found.append((getattr(part, quantizer), getattr(part, matrix)))
    return found


def history(run: Path, stage: str | None = None) -> list[dict[str, Any]]:
    """The checks so far, one row each."""
    if not (run / HISTORY).exists():
        return []
    with open(run / HISTORY, newline="") as f:
        whole = [r for r in csv.DictReader(f) if None not in r and None not in r.values()]
    rows = [{k: v if k == "stage" else float(v) for k, v in r.items()} for r in whole]
    return [r for r in rows if stage is None or r["stage"] == stage]


def _record(run: Path, stage: str, epoch: int, loss: float, accuracy: float, q: Quality) -> None:
    path = run / HISTORY
    new = not path.exists()
    cut = not new and not path.read_bytes().endswith(b"\n")  # a row of which half was written
    with open(path, "a", newline="") as f:
        out = csv.writer(f)
        f.write("\r\n" * cut)
        if new:
            noisy = ["10 dB", "0 dB", "balanced 10 dB", "balanced 0 dB", "false/h", "wake missed"]
            names = ["stage", "epoch", "loss", "accuracy", "validation", "balanced"]
            out.writerow([*names, *noisy, "held", "score"])
        values = [loss, accuracy, q.raw[0], q.balanced[0], *q.raw[1:], *q.balanced[1:]]
        values += [q.false_events, q.wake_missed, q.held, q.score]
        out.writerow([stage, epoch, *(round(float(v), 4) for v in values)])
    clean, ten, zero = (f"{100 * v:.1f}" for v in q.raw)
    missed = 100 * q.wake_missed
    also = "" if np.isnan(missed) else f"{missed:.0f} % of the wake words missed, "
    also += "" if np.isnan(q.held) else f"speakers set aside {100 * q.held:.1f} %, "
    log.print(
        f"  {stage} {epoch}: loss {loss:.3f}, validation {clean}/{ten}/{zero} % at clean/10/0 dB, "
        f"class mean {100 * np.mean(q.balanced):.1f} %, "
        f"{q.false_events:.0f} false events an hour, {also}score {100 * q.score:.2f}"
    )


def _optimizer(stage: Stage, config: TrainConfig) -> Any:
    """Adam, which also keeps averages of the weights (Polyak and Juditsky 1992): single ones wander
    with the last batches, in 3 bits from code to code."""
    over = AVERAGED * stage.epochs * (config.clips_per_epoch // config.batch)
    return keras.optimizers.Adam(stage.rate, use_ema=True, ema_momentum=1 - 1 / max(1.0, over))


def _arrays(model: keras.Model, optimizer: Any) -> dict[str, np.ndarray]:
    out = {f"w{i}": np.asarray(w) for i, w in enumerate(model.weights)}
    return out | {f"o{i}": np.asarray(v) for i, v in enumerate(optimizer.variables)}


def _load(path: Path, model: keras.Model, optimizer: Any) -> tuple[int, float]:
    """What `last` holds into the model and the optimiser; epochs done, best score."""
    names = [f"w{i}" for i in range(len(model.weights))]
    slots = [f"o{i}" for i in range(len(optimizer.variables))]
    what = f"{path} is damaged or of another version; begin anew in another --out"
    f = read_arrays(path, ["done", "top", *names, *slots], what)
    try:
        for name, v in zip(names + slots, [*model.weights, *optimizer.variables]):
            v.assign(f[name])
    except ValueError as e:
        raise EdgeLpError(f"{path} is of another net ({e}); begin anew in another --out") from None
    return int(f["done"]), float(f["top"])


def _restore_best(path: Path, model: keras.Model) -> None:
    f = read_arrays(path, [f"w{i}" for i in range(len(model.weights))])
    for i, w in enumerate(model.weights):
        w.assign(f[f"w{i}"])


def run_stage(
    run: Path,
    plan: list[Stage],
    number: int,
    model: keras.Model,
    sampler: Sampler,
    check: Check,
    config: TrainConfig,
    guide: keras.Model | None = None,
) -> None:
    """Trains the model, or goes on training it, and leaves it with its best weights; of equals, the
    latest. guide: a net whose posterior is part of the goal."""
    stage = plan[number]
    last, best = run / f"{stage.name}.last.npz", run / f"{stage.name}.best.npz"
    optimizer = _optimizer(stage, config)
    optimizer.build(model.trainable_variables)
    done, top = _load(last, model, optimizer) if last.exists() else (0, -np.inf)
    if done < stage.epochs:
        more = f", going on after {done}" if done else ""
        steps = config.clips_per_epoch // config.batch
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        devices = max(1, sampler.config.batch * replicas // config.batch)  # of this process
        log.print(f"{stage.name}: {stage.epochs} epochs of {steps * config.batch} sequences{more}")
        step, look, improved = _step(model, optimizer, config, guide), infer(model), done
        epochs = sampler.epochs(stage.first + done)
        try:
            for epoch in range(done, stage.epochs):
                began = time.monotonic()
                batches = next(epochs)
                loss, accuracy = _epoch(step, optimizer, stage, epoch, steps, batches, devices)
                seconds = time.monotonic() - began
                rest = (stage.epochs - epoch - 1) * stage.cost
                rest += sum(s.epochs * s.cost for s in plan[number + 1 :])
                log.print(
                    f"  {stage.name} {epoch + 1}/{stage.epochs}: loss {loss:.3f}, accuracy "
                    f"{100 * accuracy:.1f} %, {seconds:.0f} s; about "
                    f"{rest / stage.cost * seconds / 60:.0f} min left"
                )
                if (epoch + 1) % CHECK_EVERY == 0 or epoch + 1 == stage.epochs:
                    trained = [np.asarray(w) for w in model.trainable_variables]
                    optimizer.finalize_variable_values(model.trainable_variables)  # the averages
                    quality = check(look)
                    _record(run, stage.name, epoch + 1, loss, accuracy, quality)
                    if quality.score >= top:
                        top, improved = quality.score, epoch + 1
                        weights = {f"w{i}": np.asarray(w) for i, w in enumerate(model.weights)}
                        write_arrays(best, weights)
                    for w, value in zip(model.trainable_variables, trained):
                        w.assign(value)
                    state = {"done": np.array(epoch + 1), "top": np.array(top)}
                    write_arrays(last, state | _arrays(model, optimizer))
                    if config.patience and epoch + 1 - improved >= config.patience:
                        log.print(f"  {stage.name}: no better for {config.patience} epochs")
                        break
        finally:
            epochs.close()
    _restore_best(best, model)


def _epoch(
    step: Any,
    optimizer: Any,
    stage: Stage,
    epoch: int,
    steps: int,
    batches: Iterator[Sequences],
    devices: int,
) -> tuple[float, float]:
    """One epoch at rates along a cosine; mean loss and accuracy."""
    sums = []
    for k, batch in enumerate(batches):
        at = epoch * steps + k
        part = 0.5 + 0.5 * np.cos(np.pi * at / (stage.epochs * steps))
        rate = stage.last_rate + (stage.rate - stage.last_rate) * part
        optimizer.learning_rate.assign(rate * min(1.0, (at + 1) / WARM_UP))
        sums.append(step(*spread(batch, devices)))
    return tuple(np.mean([(float(a), float(b)) for a, b in sums], axis=0))
