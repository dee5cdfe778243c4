# SPDX-License-Identifier: Apache-2.0
"""After training: the model with its provenance, pictures, and what the held-out recordings say."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from edge_lp.files import write_file
from edge_lp.measure.clips import label_of
from edge_lp.measure.splits import TESTING
from edge_lp.model.format import pack
from edge_lp.runtime import HOP, Model, Net, version

from edge_lp_train import data
from edge_lp_train.check import Check, features, to_clip
from edge_lp_train.export import MODEL, REPORT, to_spec
from edge_lp_train.files import log
from edge_lp_train.presets import TrainConfig
from edge_lp_train.stage import history


def spiking_labels(model: bytes, x: np.ndarray) -> np.ndarray:
    """(clips,) the label that each clip's mean logits over all frames name, on the C core. x:
    (clips, frames, 40) int16."""
    opened = Model(model)
    with ThreadPoolExecutor() as pool:
        return np.array(list(pool.map(lambda f: int(Net(opened).push(f).sum(axis=0).argmax()), x)))


def report(
    out: Path,
    config: TrainConfig,
    weights: dict[str, np.ndarray],
    check: Check,
    material: data.Material,
) -> None:
    """Writes report.json, model.lpb and the pictures; prints how many of the held-out clips the
    spiking net decides right."""
    from edge_lp.plots import confusion, learning_curve

    model = pack(to_spec(config, weights, {}))
    truth, found = check.labels, spiking_labels(model, check.x[0])
    accuracy = float(np.mean(found == truth))
    matrix = np.zeros((len(config.labels),) * 2, int)
    np.add.at(matrix, (truth, found), 1)
    recorded = sum(c.split == "training" for c in material.clips)
    provenance = {
        "name": out.name,
        "trained with": f"edge-lp {version()}",
        "words": " ".join(config.words),
        "recordings": f"{recorded} and {len(material.training.clips) - recorded} made",
        "data sha256": data.fingerprint(material.files),
        "validation accuracy": f"{100 * accuracy:.1f} % of {len(truth)} clips, spiking",
        "seed": str(config.seed),
    }
    if config.licence:
        provenance["licence"] = config.licence
    write_file(out / REPORT, (json.dumps({"provenance": provenance}, indent=1) + "\n").encode())
    write_file(out / MODEL, pack(to_spec(config, weights, provenance)))
    learning_curve(history(out), out / "learning_curve.png")
    confusion(matrix, config.labels, out / "confusion.png")
    speakers = len({c.speaker for c in material.split("validation")})
    by = f"{speakers} speakers" if speakers else "synthesised voices that were kept aside"
    log.print(f"validation: {100 * accuracy:.1f} % of {len(truth)} clips of {by}, spiking")
    _held_out(model, config, material)


def _held_out(model: bytes, config: TrainConfig, material: data.Material) -> None:
    clips = material.split(TESTING)
    if not clips:
        log.print("no clips were held out for testing")
        return
    found = data.read_all([c.path for c in clips], "testing")
    pairs = [(c, x) for c, x in zip(clips, found) if not isinstance(x, str) and len(x)]
    n = config.clip * HOP
    x = features(to_clip(r.around(n)[:], n) for _, r in pairs)
    truth = np.array([label_of(c.word, config.labels) for c, _ in pairs])
    right = float(np.mean(spiking_labels(model, x) == truth))
    speakers = len({c.speaker for c, _ in pairs})
    log.print(
        f"held-out testing clips: {100 * right:.1f} % of {len(pairs)} of {speakers} speakers, "
        "spiking; none was used in training"
    )
