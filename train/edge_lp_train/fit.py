# SPDX-License-Identifier: Apache-2.0
"""Training: a float warm start, then 3-bit quantisation-aware fine-tuning, then the .lpb model
(edge-lp train)."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from edge_lp.errors import EdgeLpError
from edge_lp.files import check_writable, write_file
from edge_lp.model.format import pack
from edge_lp.runtime import Model, Net, version
from rich.console import Console

from edge_lp_train import data
from edge_lp_train.export import CONFIG, FLOAT, MODEL, QUANTISED, REPORT, finest_scale, to_spec
from edge_lp_train.layers import LowPassRNN, ReadOut, WindowMean, frame_alpha
from edge_lp_train.presets import TrainConfig, configure
from edge_lp_train.quantize import CodeQuantizer, best_scale

HISTORY, FOLDERS = "history.csv", "folders.json"
log = Console(stderr=True)


def build(config: TrainConfig, scales: dict[str, int] | None = None) -> keras.Model:
    """(batch, time, 40) features and (batch, time) window weights -> (batch, labels) logits. With
    scales: 3-bit weights."""
    quantizer = (lambda name: CodeQuantizer(scales[name])) if scales else (lambda name: None)
    x = features = keras.Input((None, data.FEATURES), name="features")
    weights = keras.Input((None,), name="weights")
    alpha = frame_alpha(config.delta, config.steps)
    for i, units in enumerate(config.hidden):
        x = LowPassRNN(
            units,
            alpha=alpha,
            sub_steps=config.sub_steps,
            return_sequences=True,
            kernel_quantizer=quantizer(f"w{i}"),
            recurrent_quantizer=quantizer(f"u{i}"),
            kernel_initializer=keras.initializers.GlorotUniform(config.seed + i),
            recurrent_initializer=keras.initializers.Orthogonal(seed=config.seed + i),
            name=f"lp{i}",
        )(x)
    logits = ReadOut(
        len(config.labels),
        kernel_quantizer=quantizer(f"w{len(config.hidden)}"),
        seed=config.seed,
        name="readout",
    )(x)
    return keras.Model([features, weights], WindowMean(name="window")(logits, weights))


def weights_of(model: keras.Model, config: TrainConfig) -> dict[str, np.ndarray]:
    """w0, u0, b0, ... of the hidden layers, wN, bN of the output, alpha and sub_steps."""
    out: dict[str, np.ndarray] = {}
    for i in range(len(config.hidden)):
        cell = model.get_layer(f"lp{i}").cell
        out |= {
            f"w{i}": np.array(cell.kernel),
            f"u{i}": np.array(cell.recurrent_kernel),
            f"b{i}": np.array(cell.bias),
        }
    n, last = len(config.hidden), model.get_layer("readout")
    return out | {
        f"w{n}": np.array(last.kernel),
        f"b{n}": np.array(last.bias),
        "alpha": np.array(frame_alpha(config.delta, config.steps)),
        "sub_steps": np.array(config.sub_steps),
    }


class Keeper(keras.callbacks.Callback):
    """After every epoch: balanced validation accuracy, history, the best weights, and all that
    --resume needs."""

    def __init__(self, run: Path, stage: str, x: np.ndarray, y: np.ndarray) -> None:
        super().__init__()
        self.run, self.stage, self.y = run, stage, y
        self.x = [x.astype(np.float32) * data.FEATURE_SCALE, np.ones(x.shape[:2], np.float32)]
        self.best = max([r["balanced"] for r in history(run, stage)], default=-1.0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        hit = self.model.predict(self.x, batch_size=256, verbose=0).argmax(1) == self.y
        balanced = float(np.mean([hit[self.y == c].mean() for c in np.unique(self.y)]))
        if balanced > self.best:
            self.best = balanced
            _save(self.model.save_weights, self.run / f"{self.stage}.best.weights.h5")
        _save(self.model.save, self.run / f"{self.stage}.last.keras")
        new = not (self.run / HISTORY).exists()
        with open(self.run / HISTORY, "a", newline="") as f:
            row = csv.writer(f)
            if new:
                row.writerow(["stage", "epoch", "loss", "accuracy", "validation", "balanced"])
            row.writerow(
                [
                    self.stage,
                    epoch + 1,
                    round(logs["loss"], 4),
                    round(logs["accuracy"], 4),
                    round(float(hit.mean()), 4),
                    round(balanced, 4),
                ]
            )
        log.print(
            f"  validation accuracy {100 * hit.mean():.1f} %, class mean {100 * balanced:.1f} % "
            f"(best {100 * self.best:.1f})"
        )


def _save(save: Any, path: Path) -> None:
    """To a temporary name with the same endings, then renamed."""
    temporary = path.with_name("." + path.name)
    save(temporary)
    os.replace(temporary, path)


def history(run: Path, stage: str | None = None) -> list[dict[str, Any]]:
    if not (run / HISTORY).exists():
        return []
    with open(run / HISTORY, newline="") as f:
        rows = [
            {k: v if k == "stage" else float(v) for k, v in r.items()} for r in csv.DictReader(f)
        ]
    return [r for r in rows if stage is None or r["stage"] == stage]


def _stage(
    run: Path,
    stage: str,
    model: keras.Model,
    sampler: data.Sampler,
    validation: tuple[np.ndarray, np.ndarray],
    epochs: int,
    rate: float,
    config: TrainConfig,
    offset: int,
) -> keras.Model:
    """Trains (or goes on training) one stage and returns the model with its best weights."""
    done = len(history(run, stage))
    steps = config.clips_per_epoch // config.batch
    if done and (run / f"{stage}.last.keras").exists():
        model = keras.models.load_model(run / f"{stage}.last.keras")
    else:
        model.compile(
            keras.optimizers.Adam(
                keras.optimizers.schedules.CosineDecay(rate, epochs * steps), clipnorm=1.0
            ),
            loss=keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=config.label_smoothing
            ),
            metrics=["accuracy"],
        )
    if done < epochs:
        log.print(
            f"[bold]{stage}[/bold]: {epochs} epochs of {config.clips_per_epoch} sequences"
            + (f", going on after {done}" if done else "")
        )
        model.fit(
            sampler.dataset(offset + done),
            epochs=epochs,
            initial_epoch=done,
            steps_per_epoch=steps,
            callbacks=[Keeper(run, stage, *validation)],
            shuffle=False,
            verbose=1 if log.is_terminal else 2,
        )
    model.load_weights(run / f"{stage}.best.weights.h5")
    return model


def spiking_labels(model: bytes, x: np.ndarray) -> np.ndarray:
    """(clips,) the label that each clip's mean logits over all frames name, on the C core. x:
    (clips, frames, 40) int16."""
    from concurrent.futures import ThreadPoolExecutor

    opened = Model(model)
    with ThreadPoolExecutor() as pool:
        return np.array(list(pool.map(lambda f: int(Net(opened).push(f).sum(axis=0).argmax()), x)))


def load_corpus(
    root: Path, noise: Path | None, speech: Path | None, config: TrainConfig
) -> tuple[data.Corpus, data.Corpus, list[data.Clip]]:
    """Training material, validation material, and the recordings that both come from."""
    clips = data.find_clips(root)
    data.check_words(config, clips)
    recordings = data.find_noise(root, noise)
    parts = []
    background = np.concatenate([np.zeros(0, np.int16), *data.read_all(recordings, "noise")])
    for split in ("training", "validation"):
        chosen = [c for c in clips if c.split == split and c.word != "_silence_"]
        if not chosen:
            raise EdgeLpError(
                f"{root}: no recordings fall into the {split} split; expected some in "
                f"{root / split}, "
                "or enough for the data set's own rule"
            )
        parts.append(
            data.Corpus(
                data.read_all([c.path for c in chosen], split),
                [c.word for c in chosen],
                background,
                np.zeros(0, np.int16),
            )
        )
    talk = data.read_all(data.find_recordings(speech, "--speech"), "speech") if speech else []
    if config.synth_clips:
        from edge_lp_train.voices import synthesise

        words, extra, phrases = synthesise(config)
        parts[0].words.extend(words)
        parts[0].clips.extend(extra)
        talk += phrases
    parts[0].speech = np.concatenate([np.zeros(0, np.int16), *talk])
    return parts[0], parts[1], [c for c in clips if c.split == "training"]


def _check_run(out: Path) -> None:
    """Before the long work: that `out` can be made and written to. EdgeLpError where not."""
    there = next(p for p in (out, *out.absolute().parents) if p.exists())
    if not there.is_dir():
        raise EdgeLpError(f"{there} is a file, expected a folder for the run; choose another --out")
    check_writable(there / CONFIG)


def _folders(out: Path) -> dict[str, Path]:
    """What an earlier call was given."""
    try:
        return {k: Path(v) for k, v in json.loads((out / FOLDERS).read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError) as e:
        raise EdgeLpError(
            f"{out / FOLDERS} does not name the run's folders ({e}); name them anew: --resume "
            "--data DIR"
        ) from None


def train(
    out: Path,
    folders: dict[str, Path],
    preset: str | None = None,
    words: tuple[str, ...] | None = None,
    resume: bool = False,
    epochs: tuple[int, int] | None = None,
    **changes: Any,
) -> Path:
    """Trains on the folders "data" (one sub-folder per word) and, if given, "noise" and "speech"
    (without keywords), and writes into `out`: config.json, history.csv, weights, learning curve,
    confusion matrix, model.lpb.

    resume goes on where an earlier call stopped: its configuration holds, and its folders unless a
    "data" folder is given. Ctrl-C leaves the best weights so far in `out`.
    """
    out = Path(out)
    if resume:
        config = TrainConfig.read(out / CONFIG)
        folders = folders if "data" in folders else _folders(out) | folders
    else:
        if (out / CONFIG).exists():
            raise EdgeLpError(
                f"{out} already holds a run; go on with it by --resume, or choose another --out"
            )
        _check_run(out)
        config = configure(
            preset,
            words,
            float_epochs=epochs[0] if epochs else None,
            qat_epochs=epochs[1] if epochs else None,
            **changes,
        )
    training, validation, recordings = load_corpus(
        folders["data"], folders.get("noise"), folders.get("speech"), config
    )
    out.mkdir(parents=True, exist_ok=True)
    write_file(
        out / FOLDERS, json.dumps({k: str(Path(v).absolute()) for k, v in folders.items()}).encode()
    )
    write_file(out / CONFIG, config.to_json().encode())
    keras.utils.set_random_seed(config.seed)
    isolated, continuous = (
        data.Sampler(training, config),
        data.Sampler(training, config, config.speech_share),
    )
    check = data.validation_set(validation.clips, validation.words, validation.noise, config)
    try:
        model = _stage(
            out,
            "float",
            build(config),
            isolated,
            check,
            config.float_epochs,
            config.rate,
            config,
            0,
        )
        weights = weights_of(model, config)
        _save(lambda p: np.savez(p, **weights), out / FLOAT)  # type: ignore[arg-type]
        scales = {
            k: best_scale(w, finest_scale(config)) for k, w in weights.items() if k[0] in "wu"
        }
        quantised = build(config, scales)
        quantised.set_weights(model.get_weights())
        quantised = _stage(
            out,
            "3-bit",
            quantised,
            continuous,
            check,
            config.qat_epochs,
            config.qat_rate,
            config,
            config.float_epochs,
        )
    except KeyboardInterrupt:
        log.print(
            f"\nstopped; the best weights so far are in {out}; go on with: edge-lp train --resume "
            f"--out {out}",
            soft_wrap=True,
        )
        raise
    final = weights_of(quantised, config) | {f"s_{k}": np.array(s) for k, s in scales.items()}
    _save(lambda p: np.savez(p, **final), out / QUANTISED)  # type: ignore[arg-type]
    _report(out, config, final, check, recordings, len(training.clips) - len(recordings))
    return out


def _report(
    out: Path,
    config: TrainConfig,
    weights: dict[str, np.ndarray],
    check: tuple[np.ndarray, np.ndarray],
    recordings: list[data.Clip],
    synthesised: int,
) -> None:
    """The model with its provenance, the learning curve and the confusion matrix on the validation
    clips."""
    from edge_lp.plots import confusion, learning_curve

    x, truth = check
    found = spiking_labels(pack(to_spec(config, weights, {})), x)
    accuracy = np.mean(found == truth)
    matrix = np.zeros((len(config.labels),) * 2, int)
    np.add.at(matrix, (truth, found), 1)
    provenance = {
        "name": out.name,
        "trained with": f"edge-lp {version()}",
        "words": " ".join(config.words),
        "recordings": f"{len(recordings)} and {synthesised} synthesised",
        "data sha256": data.fingerprint(recordings),
        "validation accuracy": f"{100 * accuracy:.1f} % of {len(truth)} clips, spiking",
        "seed": str(config.seed),
    }
    if config.licence:
        provenance["licence"] = config.licence
    write_file(out / REPORT, (json.dumps({"provenance": provenance}, indent=1) + "\n").encode())
    write_file(out / MODEL, pack(to_spec(config, weights, provenance)))
    learning_curve(history(out), out / "learning_curve.png")
    confusion(matrix, config.labels, out / "confusion.png")
    log.print(f"{out / MODEL}: spiking validation accuracy {100 * accuracy:.1f} %")
