# SPDX-License-Identifier: Apache-2.0
"""Training: a float net, coarse in time and then fine, then 3-bit quantisation-aware fine-tuning,
at last in spikes, then the .lpb model (edge-lp train)."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from edge_lp.errors import EdgeLpError
from edge_lp.files import check_writable, write_file
from edge_lp.model.find import float_weights
from edge_lp.model.format import pack
from edge_lp.runtime import FEATURES

if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
    raise EdgeLpError(
        f"KERAS_BACKEND is {os.environ['KERAS_BACKEND']!r}; training runs on tensorflow: unset it "
        "(the layers alone run on any backend)"
    )

import keras

from edge_lp_train import data
from edge_lp_train.check import Check
from edge_lp_train.distribute import place
from edge_lp_train.export import CONFIG, FLOAT, QUANTISED, finest_scale, to_spec
from edge_lp_train.files import log, read_arrays, write_arrays
from edge_lp_train.mine import hard_places
from edge_lp_train.net import build, keep_alpha, scales_of, start_from, weights_of
from edge_lp_train.presets import TrainConfig, configure
from edge_lp_train.quantize import best_scale
from edge_lp_train.report import report
from edge_lp_train.sampler import Sampler
from edge_lp_train.stage import Stage, infer, run_stage
from edge_lp_train.summary import summary

FOLDERS = "folders.json"
# may change on --resume
EPOCHS = ("coarse_epochs", "float_epochs", "qat_epochs", "spiking_epochs", "patience")


def _check_run(out: Path) -> None:
    """Before the long work: that `out` can be made and written to. EdgeLpError where not."""
    there = next(p for p in (out, *out.absolute().parents) if p.exists())
    if not there.is_dir():
        raise EdgeLpError(f"{there} is a file, expected a folder for the run; choose another --out")
    check_writable(there / CONFIG)


def check_config(config: TrainConfig) -> None:
    """Packs a net of zeros of this shape: what the model file cannot hold is found before the
    training. EdgeLpError."""
    config.check()
    try:
        pack(to_spec(config, zeros(config), {}))
    except ValueError as e:
        raise EdgeLpError(f"no model file can hold this net: {e}") from None


def zeros(config: TrainConfig) -> dict[str, np.ndarray]:
    """The weights and scales of a net of this shape, all 0."""
    sizes = [FEATURES, *config.hidden, len(config.labels)]
    weights: dict[str, np.ndarray] = {}
    for i, (below, n) in enumerate(zip(sizes, sizes[1:])):
        weights |= {f"w{i}": np.zeros((below, n)), f"b{i}": np.zeros(n), f"s_w{i}": np.array(3)}
        if config.feed_forward <= i < len(config.hidden):
            weights |= {f"u{i}": np.zeros((n, n)), f"s_u{i}": np.array(3)}
    return weights


def _folders(out: Path) -> dict[str, Path]:
    """What an earlier call was given."""
    try:
        return {k: Path(v) for k, v in json.loads((out / FOLDERS).read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError) as e:
        raise EdgeLpError(
            f"{out / FOLDERS} does not name the run's folders ({e}); name them anew: --resume "
            "--data DIR"
        ) from None


def _resumed(
    out: Path, preset: str | None, words: tuple[str, ...] | None, changes: dict[str, Any]
) -> TrainConfig:
    """The run's configuration, with other epochs if wanted. EdgeLpError: anything else would make
    another net of it."""
    config = TrainConfig.read(out / CONFIG)
    quick = changes.pop("quick", False)
    changes = {k: v for k, v in changes.items() if v is not None and v != getattr(config, k)}
    fixed = [k for k in changes if k not in EPOCHS]
    if words and tuple(words) != config.words:
        fixed.append("words")
    if quick:
        fixed.append("quick")
    if fixed or preset:
        raise EdgeLpError(
            f"{out} was begun with other settings ({', '.join(fixed) or 'its own preset'}): only "
            "--epochs and --patience can change on --resume; begin anew in another --out"
        )
    return dataclasses.replace(config, **changes)


def train(
    out: Path,
    folders: dict[str, Path],
    preset: str | None = None,
    words: tuple[str, ...] | None = None,
    resume: bool = False,
    epochs: tuple[int, int] | None = None,
    strategy: str = "auto",
    **changes: Any,
) -> Path:
    """Trains on the folders "data" (one sub-folder per word) and, if given, "noise", "speech",
    "rooms", "rebuilt", "teacher" (data.load_corpus), "start" (weights to begin with) and "guide"
    (of a float net that guides 3 bits), each a file or the model that it belongs to, and writes
    into `out`: config.json, history.csv, weights, learning curve, confusion matrix, model.lpb.
    strategy: distribute.place. changes: fields of TrainConfig, None for the preset's.

    resume goes on where an earlier call stopped: its configuration holds, but for the epochs, and
    its folders unless a "data" folder is given. Keywords that voices speak ("said" in changes) need
    no "data". Ctrl-C leaves a model of the best weights so far.
    """
    where, out = place(strategy), Path(out)
    if where.worker:
        out = out / f"worker-{where.worker}"
    for net in ("start", "guide"):
        if net in folders and not folders[net].is_file():  # a run, or a shipped model
            folders = folders | {net: float_weights(folders[net])}
    if epochs:
        changes |= {"float_epochs": epochs[0], "qat_epochs": epochs[1]}
        if not epochs[0] and changes.get("rate"):  # the one stage that there is
            changes["qat_rate"] = changes.pop("rate")
    if resume:
        config = _resumed(out, preset, words, changes)
        folders = folders if "data" in folders else _folders(out) | folders
    else:
        if (out / CONFIG).exists():
            raise EdgeLpError(
                f"{out} already holds a run; go on with it by --resume, or choose another --out"
            )
        _check_run(out)
        config = configure(preset, words, **changes)
    if not config.float_epochs and "start" not in folders:
        raise EdgeLpError("0 float epochs: what are 3 bits to begin from? Name a model by --start")
    if config.float_epochs and "guide" in folders:
        raise EdgeLpError("--guide is for 3 bits alone (--epochs 0 N): else the float net guides")
    check_config(config)
    where.share(config).check()
    material = data.load_corpus(folders, config, where.worker, where.workers)
    config = dataclasses.replace(config, clip=material.frames)
    log.print(*summary(material, config), sep="\n")
    out.mkdir(parents=True, exist_ok=True)
    named = {k: str(Path(v).absolute()) for k, v in folders.items()}
    write_file(out / FOLDERS, json.dumps(named).encode())
    write_file(out / CONFIG, config.to_json().encode())
    keras.utils.set_random_seed(config.seed)
    sampler = Sampler(material.training, where.share(config))
    check = Check(material.validation, config, material.held)
    try:
        with where.strategy.scope():
            nets = folders.get("start"), folders.get("guide")
            weights = _stages(out, config, sampler, check, *nets)
    except KeyboardInterrupt:
        best = best_so_far(out, config)
        if best:
            write_arrays(out / QUANTISED, best)
            report(out, config, best, check, material)
        log.print(
            f"\nstopped; {'a model of the best weights so far is' if best else 'nothing yet'} in "
            f"{out}; go on with: edge-lp train --resume --out {out}",
            soft_wrap=True,
        )
        raise
    write_arrays(out / QUANTISED, weights)
    report(out, config, weights, check, material)
    return out


def _plan(config: TrainConfig) -> list[Stage]:
    coarse, floating, rounded, spiking = config.stages
    between = config.rate / 3 if coarse else config.rate
    return [
        Stage("coarse", coarse, config.rate, between, 0, 1.0),
        Stage("float", floating, between, 0.0, coarse, 1.6),
        Stage("3-bit", rounded, config.qat_rate, 0.0, coarse + floating, 2.2),
        Stage("spiking", spiking, config.qat_rate / 2, 0.0, coarse + floating + rounded, 4.0),
    ]


def _stages(
    out: Path,
    config: TrainConfig,
    sampler: Sampler,
    check: Check,
    start: Path | None,
    guide: Path | None,
) -> dict[str, np.ndarray]:
    """The four stages; returns the quantised net's weights and scales. What guides the last two is
    a float net: the one that was trained here or, with no float epochs, the one of `guide` (of
    `start` where there is none) with the alpha that it was trained with."""
    plan = _plan(config)
    coarse, fine = build(config, sub_steps=1), build(config)
    if start is not None:
        start_from(coarse, config, start)
    if plan[0].epochs:
        run_stage(out, plan, 0, coarse, sampler, check, config)
    fine.set_weights(coarse.get_weights())
    if plan[1].epochs:
        run_stage(out, plan, 1, fine, sampler, check, config)
    weights = weights_of(fine, config)
    write_arrays(out / FLOAT, weights)
    scales = _scales(weights, config)
    if start is not None and not plan[1].epochs:
        scales |= scales_of(start)
    quantised = build(config, scales)
    quantised.set_weights(fine.get_weights())
    if start is not None and not plan[1].epochs:
        start_from(fine, config, guide or start)
        keep_alpha(fine, guide or start)
    if config.wake:
        sampler.hard = hard_places(sampler.long_speech, config, infer(fine))
    run_stage(out, plan, 2, quantised, sampler, check, config, guide=fine)
    spiking = build(config, scales, spiking=True)
    spiking.set_weights(quantised.get_weights())
    if plan[3].epochs:
        run_stage(out, plan, 3, spiking, sampler, check, config, guide=fine)
    _fit_biases(spiking, config, check)
    return weights_of(spiking, config) | {f"s_{k}": np.array(s) for k, s in scales.items()}


def _scales(weights: dict[str, np.ndarray], config: TrainConfig) -> dict[str, int]:
    finest = finest_scale(config)
    return {k: best_scale(w, finest) for k, w in weights.items() if k[0] in "wu"}


def best_so_far(out: Path, config: TrainConfig) -> dict[str, np.ndarray] | None:
    """Weights and scales of a run that was stopped: of the furthest stage that has any, rounded to
    3 bits if that is a float stage."""
    for stage in reversed(_plan(config)):
        path = out / f"{stage.name}.best.npz"
        if path.exists():
            model = build(config)
            f = read_arrays(path, [f"w{i}" for i in range(len(model.weights))])
            for i, w in enumerate(model.weights):
                w.assign(f[f"w{i}"])
            weights = weights_of(model, config)
            in_codes = stage.name in ("3-bit", "spiking")
            scales = _scales(read_arrays(out / FLOAT, []) if in_codes else weights, config)
            return weights | {f"s_{k}": np.array(s) for k, s in scales.items()}
    return None


def _fit_biases(model: keras.Model, config: TrainConfig, check: Check) -> None:
    """Moves the logits of unknown and of silence to where they decide best."""
    bias, look = model.get_layer("readout").bias, infer(model)
    shift = check.shift([look(x).mean(axis=1) for x in check.x])
    bias.assign_add(shift)
    for name, by in zip(config.labels[-2:], shift[-2:]):
        log.print(f"bias of {name} moved by {by:+.3f}")
