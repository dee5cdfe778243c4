# SPDX-License-Identifier: Apache-2.0
"""Before training: what there is to learn from, what was left out, and what that will cost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from edge_lp.measure.clips import SPLITS, near_misses, reasons
from edge_lp.runtime import SAMPLE_RATE
from edge_lp.text import plain
from rich.table import Table
from rich.text import Text

from edge_lp_train.data import Material
from edge_lp_train.presets import UNKNOWN, TrainConfig

FEW_CLIPS, FEW_SPEAKERS = 50, 5
# CPU ms: a fresh sequence, and a sequence in the coarse, float, 3-bit and spiking stage
# (docs/training.md)
COST_MS = (1.2, 0.8, 1.5, 1.9, 3.5)


def minutes(config: TrainConfig) -> float:
    """About how long training takes on one free core of 2025 at 128,128; larger nets longer."""
    epochs = config.stages
    model = sum(n * ms for n, ms in zip(epochs, COST_MS[1:]))
    fresh = COST_MS[0] * (sum(epochs) + config.reuse - 1) / config.reuse
    size = sum(n * n for n in config.hidden) / (2 * 128**2)
    return config.clips_per_epoch * (model * max(size, 0.3) + fresh) / 60_000


def summary(material: Material, config: TrainConfig) -> list[Any]:
    """Things to print, in order."""
    table = Table(title="clips (speakers)")
    for name in ("label", *SPLITS):
        table.add_column(name, justify="left" if name == "label" else "right")
    for label in (*config.words, UNKNOWN):
        row = []
        for s in SPLITS:
            here = [c for c in material.split(s) if _label(c.word, config) == label]
            row.append(f"{len(here)} ({len({c.speaker for c in here})})" if here else "-")
        table.add_row(Text(plain(label)), *row)
    t = material.training
    seconds = {k: sum(map(len, v)) / SAMPLE_RATE for k, v in (
        ("noise", t.noise), ("speech", t.speech), ("validation speech", material.validation.speech)
    )}  # fmt: skip
    made = len(t.clips) - len(material.split("training"))
    lines = [
        f"splits by {material.rule}; {made} clips more that were made or rebuilt; noise "
        f"{seconds['noise'] / 60:.0f} min, speech {seconds['speech'] / 60:.0f} min (validation "
        f"{seconds['validation speech'] / 60:.0f}), {len(t.rooms)} rooms; silence is made of noise"
    ]
    if material.cut:
        lines.append(f"{material.cut} clips are longer than {material.frames / 100:g} s: what lies "
                     "around the word is used")  # fmt: skip
    elif material.frames > 100:
        lines.append(f"the words are long: a clip has {material.frames / 100:g} s")
    if material.held.clips:
        lines.append(f"{len(material.held.clips)} training clips of some speakers are set aside to "
                     "be checked on")  # fmt: skip
    if material.skipped:
        lines.append(f"skipped: {reasons(material.skipped)}")
    lines += [f"warning: {w}" for w in warnings(material, config)]
    lines.append(f"about {np.ceil(minutes(config)):.0f} min on one free core")
    return [table, *(Text(plain(line)) for line in lines)]


def _label(word: str, config: TrainConfig) -> str:
    return word if word in config.words else UNKNOWN


def warnings(material: Material, config: TrainConfig) -> list[str]:
    """What makes a model worse than it could be."""
    out = []
    training, validation = material.split("training"), material.split("validation")
    heard = Counter(c.word for c in training)
    made = Counter(material.training.words) - heard
    few = [w for w in config.words if heard[w] + made[w] < FEW_CLIPS]
    if few:
        out.append(f"fewer than {FEW_CLIPS} training clips of {', '.join(few)}")
    if unheard := [w for w in config.words if not heard[w]]:
        out.append(f"no recordings of {', '.join(unheard)}, synthesised voices alone: people will "
                   "be missed more often (docs/training.md)")  # fmt: skip
    lonely = [w for w in config.words if w not in unheard
              and len({c.speaker for c in training if c.word == w}) < FEW_SPEAKERS]  # fmt: skip
    if lonely:
        out.append(f"fewer than {FEW_SPEAKERS} speakers of {', '.join(lonely)}: others may not be "
                   "understood")  # fmt: skip
    same = [
        w for w in config.words
        if {c.speaker for c in validation if c.word == w} & {c.speaker for c in training}
    ]  # fmt: skip
    if same:
        out.append(f"validation clips of {', '.join(same)} are of speakers that are trained on: "
                   "others are understood less well than it says")  # fmt: skip
    untested = [w for w in config.words if w not in {c.word for c in validation}]
    if untested:
        spoken = set(material.validation.words)
        by = ": voices stand in" if spoken.issuperset(untested) else ""
        out.append(f"no validation recordings of {', '.join(untested)}{by}")
    if not any(w not in config.words for w in material.training.words):
        out.append("no other words to tell the keywords from (unknown is made of keywords played "
                   "backwards)")  # fmt: skip
    if not material.training.speech:
        out.append("no continuous speech (--speech): expect false events")
    if not material.training.noise:
        out.append("no recorded noise (--noise): only generated noise is used")
    words = {c.word for c in material.clips}
    out += [f"the folder {w!r} counts as unknown; is it the word {label!r}?"
            for w, label in near_misses(words, config.words)]  # fmt: skip
    return out
