# SPDX-License-Identifier: Apache-2.0
"""P2's net, trained: features -> lpFF 128 -> 2 x lpRNN 512 -> linear, in float and then in 3 bits,
by the trainer's preset `paper`.

Where the paper has 80 log-mels of a whole clip, normalised by it, these are the 40 of the streaming
front end; where it feeds back once a frame, this net does so twice, as the core's feedback is
faster (DESIGN.md, "What is trained is what runs"). Best weights are chosen on validation speakers,
never on test clips."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from edge_lp.files import cache_folder, write_file
from edge_lp.measure.splits import VALIDATION, Clip, speaker_of

from edge_lp_papers.work import Part, Work

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
# validation clips of a keyword, and of another word: each check of the net hears all of them
CHECKED = (45, 8)
# What the preset has not: clips as they are tested, from a state of 0 and in moderate noise, and
# small batches, of which a short training has more steps.
CHANGES: dict[str, Any] = {
    "batch": 32,
    "context": 0,
    "rate": 1.5e-3,
    "noise_probability": 0.5,
    "snr": (0.0, 30.0),
    "held": 0.0,
}


def few_to_check(clips: list[Clip], words: tuple[str, ...]) -> list[Clip]:
    """The clips, with the first CHECKED validation clips of each word."""
    seen: Counter[str] = Counter()
    kept = []
    for c in clips:
        seen[c.word] += c.split == VALIDATION
        if c.split != VALIDATION or seen[c.word] <= CHECKED[c.word not in words]:
            kept.append(c)
    return kept


def view(clips: list[Clip], folder: Path) -> Path:
    """folder/SPLIT/WORD/NAME, links to the clips; a name begins with its speaker's, as that is
    how the trainer knows speakers."""
    for c in clips:
        own = "" if speaker_of(c.path) == c.speaker else f"{c.speaker}_"
        link = folder / c.split / c.word / f"{own}{c.path.name}"
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(c.path.resolve())
    return folder


def run_folder(name: str, clips: list[Clip], epochs: list[int], per_epoch: int, seed: int) -> Path:
    """Where the net of these clips and this size is kept between runs of `reproduce`."""
    names = "\n".join(sorted(f"{c.split}/{c.word}/{c.path.name}" for c in clips))
    key = hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    size = "-".join(map(str, [*epochs, per_epoch, seed]))
    return cache_folder("reproduce") / f"{name}-{size}-{key}"


def train_once(
    work: Work,
    name: str,
    clips: list[Clip],
    words: tuple[str, ...],
    epochs: list[int],
    per_epoch: int,
) -> Path:
    """The run's folder, with model.lpb and the float and the 3-bit weights in it; trained now, or
    by an earlier call with the same clips, size and seed, or gone on with where that was stopped.
    epochs: coarse, float in all, 3-bit; per_epoch: sequences. The folders background_noise and
    speech_commands_rebuilt of the user's data are used if they are there."""
    kept = few_to_check(clips, words)
    run = run_folder(name, kept, epochs, per_epoch, work.seed)
    folders = {"data": str(view(kept, run.with_name(run.name + "-data")))}
    for kind, folder in (("noise", "background_noise"), ("rebuilt", "speech_commands_rebuilt")):
        if work.data and (work.data / folder).is_dir():
            folders[kind] = str(work.data / folder)
    part = {
        "out": str(run),
        "folders": folders,
        "words": list(words),
        "epochs": epochs,
        "per_epoch": per_epoch,
        "seed": work.seed,
    }
    return Path(work.map("training", trained, [part], alone=True)[0])


def trained(
    out: str,
    folders: dict[str, str],
    words: list[str],
    epochs: list[int],
    per_epoch: int,
    seed: int,
    part: Part,
) -> str:
    """The trainer's part of train_once; `out`. What it took is kept in the run, and counts again
    where the net is found there."""
    from edge_lp_train.export import CONFIG, MODEL
    from edge_lp_train.fit import train

    run = Path(out)
    took = run / "seconds.txt"
    part.seconds = float(took.read_text()) if took.is_file() else 0.0
    if (run / MODEL).is_file():
        return out
    resume = (run / CONFIG).is_file()
    more = {"coarse_epochs": epochs[0], "clips_per_epoch": per_epoch, "seed": seed}
    train(
        run,
        {k: Path(v) for k, v in folders.items()},
        None if resume else "paper",
        None if resume else tuple(words),
        resume,
        (epochs[1], epochs[2]),
        **({} if resume else CHANGES | more),
    )
    write_file(took, str(part.spent()).encode())
    return out
