# SPDX-License-Identifier: Apache-2.0
"""What P1's curricula share (Figs. H.5, H.6): a recurrent layer and a Dense one are trained on
sequences of one length until they are good enough, then on longer ones, with the weights and the
optimiser's state that they have, for a number of epochs in all.

A net that does not pass a length in `patience` epochs is stuck, and has reached what it can.

The layers are ours and Keras's own. lpRNN: eq. 6 with clip(0, 6), or with tanh as in the authors'
code, and alpha drawn from U(.1, 1), and kept (the code draws it anew in every stage, as it is no
weight there). SimpleRNN: the same with alpha 0. LSTM and lpLSTM (eq. 24): tanh and hard_sigmoid, as
the code has them whatever it is told; the lpLSTM's alpha as the lpRNN's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lp_papers.experiments import training
from edge_lp_papers.work import Part

KINDS = ("lpRNN", "SimpleRNN", "LSTM", "lpLSTM")
ALPHAS = (0.1, 0.999)
GATES: dict[str, Any] = {"activation": "tanh", "recurrent_activation": "hard_sigmoid"}


@dataclass(frozen=True)
class Task:
    """sequences(rng, n, length) -> x (n, steps, inputs), y; scores(model, x, y) -> what is kept of
    an epoch; passed(scores): go on to longer(length). optimiser() and loss: of Keras. whole: the
    net answers at every step, not at the last one. tanh: in place of clip(0, 6)."""

    inputs: int
    outputs: int
    sequences: Callable[[np.random.Generator, int, int], tuple[np.ndarray, np.ndarray]]
    scores: Callable[[Any, np.ndarray, np.ndarray], dict[str, float]]
    passed: Callable[[dict[str, float]], bool]
    longer: Callable[[int], int]
    optimiser: Callable[[], Any]
    loss: str | Callable[..., Any]
    start: int
    batch: int
    tests: int
    whole: bool = False
    tanh: bool = False


def recurrent(kind: str, units: int, seed: int, task: Task) -> Any:
    """A layer of KINDS: (batch, time, inputs) -> (batch, time, units), or of the last step."""
    import keras
    from edge_lp_train.lowpass import LowPass, LowPassLSTM
    from edge_lp_train.scan import low_pass_layer

    drawn: dict[str, Any] = {"alpha_range": ALPHAS, "seed": seed}
    weights: dict[str, Any] = {
        "kernel_initializer": keras.initializers.GlorotUniform(seed),
        "recurrent_initializer": keras.initializers.Orthogonal(seed=seed),
    }
    given = {**weights, "return_sequences": task.whole}
    if kind == "LSTM":
        return keras.layers.LSTM(units, use_cudnn=False, **GATES, **given)
    if kind == "lpLSTM":
        return LowPassLSTM(units, **GATES, **drawn, **given)
    if task.tanh and kind == "SimpleRNN":
        return keras.layers.SimpleRNN(units, **given)
    if task.tanh:
        cell = keras.layers.SimpleRNNCell(units, **weights)
        return LowPass(cell, return_sequences=task.whole, **drawn)
    given["return_sequences"] = True
    layer = low_pass_layer(True)(units, **(drawn if kind == "lpRNN" else {"alpha": 0.0}), **given)
    return layer if task.whole else lambda x: layer(x)[:, -1]


def network(kind: str, units: int, seed: int, task: Task) -> Any:
    """The compiled model."""
    import keras

    x = keras.Input((None, task.inputs))
    h = recurrent(kind, units, seed, task)(x)
    last = keras.layers.Dense(
        task.outputs, kernel_initializer=keras.initializers.GlorotUniform(seed + 1)
    )
    model = keras.Model(x, last(h))
    model.compile(task.optimiser(), task.loss)
    return model


def climb(
    task: Task,
    model: Any,
    name: str,
    seed: int,
    epochs: int,
    until: int,
    n: int,
    part: Part,
    patience: int | None = None,
) -> list[dict[str, Any]]:
    """One dict an epoch: length, loss, the task's scores on unseen sequences, and whether that was
    enough. Ends after `epochs` of them, when length `until` is passed, or after `patience` epochs
    at a length. A stopped run goes on
    behind the last epoch that it finished."""
    records = training.resume(model, part, name)
    length, of = task.start, None
    for r in records:
        length = task.longer(int(r["length"])) if r["passed"] else int(r["length"])
    while len(records) < epochs and length <= until and not stuck(records, patience):
        if of != length:
            x, y = task.sequences(np.random.default_rng([seed, 0, length]), n, length)
            test = task.sequences(np.random.default_rng([seed, 1, length]), task.tests, length)
            of = length
        order = np.random.default_rng([seed, 2, len(records)]).permutation(n)
        done = model.fit(x[order], y[order], task.batch, shuffle=False, verbose=0)
        scores = task.scores(model, *test)
        loss, passed = float(done.history["loss"][-1]), task.passed(scores)
        records.append({"length": length, "loss": loss, **scores, "passed": passed})
        shown = ", ".join(f"{k} {v:.4f}" for k, v in scores.items())
        part.say(f"{name}, length {length}: {shown}", len(records), epochs)
        training.keep(model, part, name, records)
        length = task.longer(length) if passed else length
    return records


def stuck(records: list[dict[str, Any]], patience: int | None) -> bool:
    """Whether none of the last `patience` epochs was enough."""
    last = records[-patience:] if patience else []
    return len(last) == patience and not any(r["passed"] for r in last)


def reached(records: list[dict[str, float]]) -> int:
    """The longest length that was passed; 0: none."""
    return int(max((r["length"] for r in records if r["passed"]), default=0))


def epochs_to(records: list[dict[str, float]], length: int) -> int | None:
    """Epochs until this length was passed; None: it never was."""
    found = (i for i, r in enumerate(records, 1) if r["passed"] and r["length"] >= length)
    return next(found, None)


def curves(figure: Any, data: dict[str, Any], score: str, label: str, log: bool) -> None:
    """As H.5 and H.6: the error over the epochs, stages in bands with their length on top."""
    nets = data["nets"]
    axes = figure.subplots(len(nets), 1, sharex=False)
    for a, (kind, records) in zip(np.atleast_1d(axes), nets.items(), strict=True):
        lengths = [int(r["length"]) for r in records]
        edges = [i for i in range(len(records)) if i == 0 or lengths[i] != lengths[i - 1]]
        for k, begin in enumerate(edges):
            end = edges[k + 1] if k + 1 < len(edges) else len(records)
            a.axvspan(begin, end, color=f"C{k % 10}", alpha=0.25, lw=0)
            a.text((begin + end) / 2, 1.02, lengths[begin], transform=a.get_xaxis_transform(),
                   ha="center", fontsize=7)  # fmt: skip
        a.plot(np.arange(len(records)) + 0.5, [r[score] for r in records], "k.-", ms=3, lw=0.8)
        if log:
            a.set_yscale("log")
        a.set_xlim(0, max(1, len(records)))
        a.set_ylabel(f"{kind}\n{label}", fontsize=8)
        a.tick_params(labelsize=7)
    np.atleast_1d(axes)[-1].set_xlabel("epoch (on top: length of the task)")
