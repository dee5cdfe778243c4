# SPDX-License-Identifier: Apache-2.0
"""edge-lp train."""

from __future__ import annotations

from typing import Any

import click

from edge_lp.cli.common import Number, numbers_of, words_of
from edge_lp.errors import MissingDependency
from edge_lp.text import without_descriptor_2


@click.command()
@click.option(
    "--data",
    type=click.Path(),
    help="Folder of words, wav/flac/ogg; sub-folders training, validation, testing are the split.",
)
@click.option(
    "--download",
    type=click.Choice(["speech-commands"]),
    help="Fetch this data set into --data first (resumes; checksum).",
)
@click.option("--preset", help="Words and settings under one name.  [default: commands12]")
@click.option("--words", help="Keywords, separated by commas, in place of the preset's.")
@click.option(
    "--wake",
    help="Keywords that are wake words: the others count only in the seconds behind one.",
)
@click.option("--wake-seconds", type=Number(0, 655), help="These seconds.  [default: 5]")
@click.option(
    "--noise",
    type=click.Path(),
    help="Folder of background noise.  [default: _background_noise_ in --data]",
)
@click.option(
    "--speech",
    type=click.Path(),
    help="Folder of ordinary speech without the keywords: fewer false detections.",
)
@click.option(
    "--rooms", type=click.Path(), help="Folder of room impulse responses that clips are heard in."
)
@click.option(
    "--rebuilt",
    type=click.Path(),
    help="Folder of words whose sound was rebuilt or made: mixed into every word's training clips.",
)
@click.option(
    "--teacher",
    type=click.Path(),
    help="Another net's posteriors of the training clips, an .npz (docs/training.md).",
)
@click.option(
    "--start",
    type=click.Path(),
    help="A model of as many layers to begin with, widened if it has fewer units: a run, a shipped "
    "one, or weights (.npz).",
)
@click.option(
    "--guide",
    type=click.Path(),
    help="With --epochs 0 N: a float net of the same size whose posterior guides 3 bits.  "
    "[default: that of --start]",
)
@click.option(
    "--out",
    default="runs/latest",
    show_default=True,
    type=click.Path(),
    help="Run directory: configuration, weights, model, pictures.",
)
@click.option(
    "--epochs",
    nargs=2,
    type=click.IntRange(0),
    metavar="FLOAT QAT",
    help="Epochs in float (0: begin in 3 bits from what --start has), then with 3-bit weights.",
)
@click.option(
    "--spiking-epochs",
    type=click.IntRange(0),
    help="Epochs behind these, of the net as the core runs it.  [default: 0]",
)
@click.option(
    "--activity",
    type=Number(0),
    help="Weight in the loss of the synapses that a step works on: fewer spikes.  [default: 0]",
)
@click.option(
    "--hidden", help="Units of the recurrent layers, separated by commas.  [default: 128,128]"
)
@click.option(
    "--say",
    multiple=True,
    metavar="TEXT",
    help="A keyword that needs no recordings: synthesised voices say it, and much that is nearly "
    "it; may be repeated.",
)
@click.option(
    "--synth",
    type=click.IntRange(0),
    help="Synthesised clips a keyword mixed into training.  [default: 0; with --say 400]",
)
@click.option("--clips-per-epoch", type=click.IntRange(1), help="[default: 12800]")
@click.option("--batch", type=click.IntRange(1), help="Sequences a step.  [default: 128]")
@click.option(
    "--rate",
    type=Number(0, min_open=True),
    help="Adam's rate at first, in float (with --epochs 0 N: in 3 bits).  [default: 0.003]",
)
@click.option(
    "--patience",
    type=click.IntRange(0),
    help="Ends a stage after so many epochs without a better check; 0: never.  [default: 0]",
)
@click.option(
    "--strategy",
    type=click.Choice(["auto", "mirrored", "multiworker"]),
    default="auto",
    show_default=True,
    help="Several GPUs, or several machines named in TF_CONFIG (docs/training.md).",
)
@click.option("--held", type=Number(0, 0.5), help="Share of training speakers only checked on.")
@click.option("--quick", is_flag=True, help="A first model in some five minutes.")
@click.option("--seed", type=click.IntRange(0), help="Of everything that is drawn.")
@click.option(
    "--resume", is_flag=True, help="Go on with the run in --out, with other --epochs if given."
)
def train(
    data: str | None,
    download: str | None,
    preset: str | None,
    words: str | None,
    wake: str | None,
    wake_seconds: float | None,
    noise: str | None,
    speech: str | None,
    rooms: str | None,
    rebuilt: str | None,
    teacher: str | None,
    start: str | None,
    guide: str | None,
    out: str,
    epochs: tuple[int, int] | None,
    spiking_epochs: int | None,
    activity: float | None,
    hidden: str | None,
    say: tuple[str, ...],
    synth: int | None,
    clips_per_epoch: int | None,
    batch: int | None,
    rate: float | None,
    patience: int | None,
    strategy: str,
    held: float | None,
    quick: bool,
    seed: int | None,
    resume: bool,
) -> None:
    """Train a net on recordings of words, or on words that voices say.

    Float weights first, then 3-bit ones.
    Ctrl-C leaves a model of the best weights so far; --resume goes on.
    """
    from pathlib import Path

    if download:
        from edge_lp_train.download import speech_commands

        data = str(speech_commands(data or "speech_commands"))
    if not (data or resume or say):
        raise click.UsageError(
            "--data DIR is missing: a folder with one folder of recordings per word. Or --say a "
            "word."
        )
    settings: dict[str, Any] = {
        "spiking_epochs": spiking_epochs,
        "activity": activity,
        "seed": seed,
        "hidden": numbers_of(hidden),
        "said": tuple(w.strip() for w in say) or None,
        "synth_clips": synth,
        "clips_per_epoch": clips_per_epoch,
        "batch": batch,
        "rate": rate,
        "patience": patience,
        "held": held,
        "quick": quick,
        "wake": words_of(wake),
        "wake_seconds": wake_seconds,
    }
    if not resume:  # before TensorFlow, which takes seconds
        from edge_lp_train.presets import configure

        configure(preset, words_of(words), **settings).check()
    try:
        with without_descriptor_2():
            from edge_lp_train.fit import train as fit
    except ModuleNotFoundError as e:
        raise MissingDependency(
            f"training needs the Python package {e.name}: pip install 'edge-lp[train]'"
        ) from None
    given = {
        "data": data,
        "noise": noise,
        "speech": speech,
        "rooms": rooms,
        "rebuilt": rebuilt,
        "teacher": teacher,
        "start": start,
        "guide": guide,
    }
    folders = {name: Path(path) for name, path in given.items() if path}
    run = fit(
        Path(out), folders, preset, words_of(words), resume, epochs, strategy=strategy, **settings
    )
    click.echo(run / "model.lpb")
