# SPDX-License-Identifier: Apache-2.0
"""Accuracy and cost: evaluate, bench."""

from __future__ import annotations

import sys
from typing import Any

import click

from edge_lp.cli.common import (
    DECIBELS,
    JSON,
    OUTPUT,
    Number,
    Numbers,
    clip_options,
    detector_options,
    model_bytes,
    progress,
    report,
    show,
    show_json,
)

BACKENDS = click.Choice(["snn", "ann", "float"])
SHIFTS = (-2000, 2000)  # a clip has two seconds at most
BOARDS = ("m4", "m3", "m7", "m0", "rv32")  # of those whose instructions can be counted


@click.command()
@click.argument("model")
@click.argument("folder", metavar="DIR")
@click.option(
    "--backend",
    type=BACKENDS,
    default="snn",
    show_default=True,
    help="The spiking net in C; its 3-bit weights in float arithmetic; the float weights that "
    "training kept.",
)
@click.option(
    "--split",
    type=click.Choice(["training", "validation", "testing"]),
    help="Only the clips that `train` on DIR keeps for this.",
)
@click.option("--agreement", type=BACKENDS, help="Also how often this backend decides the same.")
@click.option("--snr", type=Numbers(*DECIBELS), default=(), metavar="N[,N...]",
              help="Also in noise, so many dB below the clip.")  # fmt: skip
@click.option("--noise", metavar="DIR", help="Recordings of noise, for --snr.")
@click.option("--gain", type=Numbers(*DECIBELS), default=(), metavar="N[,N...]",
              help="Also louder or softer, in dB.")  # fmt: skip
@click.option("--shift", type=Numbers(*SHIFTS), default=(), metavar="N[,N...]",
              help="Also later, in ms; < 0: earlier.")  # fmt: skip
@click.option("--rooms", metavar="DIR", help="Also in rooms, whose impulse responses are here.")
@click.option("--curve", metavar="PNG", help="Draw accuracy over these conditions.")
@click.option("--beside", metavar="FILE", help="Draw with it what `peers.py accuracy` printed.")
@click.option("--worst", type=click.IntRange(0), default=0, help="Clips to list for `explain`.")
@JSON
@OUTPUT
def evaluate(
    model: str,
    folder: str,
    backend: str,
    split: str | None,
    agreement: str | None,
    snr: tuple[float, ...],
    noise: str | None,
    gain: tuple[float, ...],
    shift: tuple[float, ...],
    rooms: str | None,
    curve: str | None,
    beside: str | None,
    worst: int,
    as_json: bool,
    output: str | None,
) -> None:
    """Accuracy of MODEL on a folder of clips.

    DIR holds one folder of clips per word.
    A word that is not a label counts as unknown, _silence_ as silence.
    Noise and rooms are drawn from each clip's name: the same in every run and for every engine.
    """
    from edge_lp import plots
    from edge_lp.files import check_writable
    from edge_lp.measure import accuracy, sweep
    from edge_lp.measure.corrupt import conditions

    for path in (output, curve):
        if path is not None:
            check_writable(path)
    if beside and not curve:
        raise click.UsageError("--beside is drawn with the curve: name a picture with --curve")
    others = sweep.peers(beside) if beside else []
    under = conditions(snr, gain, shift, rooms is not None)
    bar = progress("evaluating")
    found = sweep.sweep(model, folder, backend, under, noise, rooms, agreement, bar, split=split)
    if curve:
        plots.curve(found, curve, others)
    tables = [*accuracy.tables(found.clean), *sweep.tables(found, worst)]
    report(sweep.json(found, worst), tables, as_json, output)


@click.command()
@click.argument("model")
@clip_options
@click.option(
    "--negatives",
    multiple=True,
    required=True,
    metavar="DIR",
    help="Folder of ordinary speech; may be repeated.",
)
@click.option(
    "--target-fah",
    type=Number(0),
    help="False events an hour, at most; of a wake word, if there is one.  [default: 1]",
)
@click.option(
    "--missed",
    type=Number(0, 100),
    help="Percent of the words that may be missed, in place of a limit to false events; of the "
    "commands behind a wake word, if there is one.",
)
@click.option(
    "--worst", type=click.IntRange(0), default=20, show_default=True, help="False events to list."
)
@click.option("--det", metavar="PNG", help="Draw misses against false events an hour.")
@click.option("-o", "--output", metavar="LPB", help="Write the model with the thresholds found.")
@JSON
def calibrate(
    model: str,
    positives: tuple[str, ...],
    negatives: tuple[str, ...],
    noise: str | None,
    snr: float,
    target_fah: float | None,
    missed: float | None,
    each: int,
    worst: int,
    det: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Find thresholds: misses against false events an hour.

    The clips are put into streams, with noise under them if it is given.
    One half of the speakers chooses a threshold for each keyword, the other half reports.
    Logits are kept under XDG_CACHE_HOME: a second start goes on where the first one stopped.
    TRANSCRIPTS.tsv (file, text) in or above a folder of speech says what is really said there.
    """
    from edge_lp import plots
    from edge_lp.files import check_writable, write_file
    from edge_lp.measure import calibrate as measure
    from edge_lp.measure import det as curves

    for path in (det, output):
        if path is not None:
            check_writable(path)
    data = model_bytes(model)
    target = measure.Target.of(target_fah, missed)
    bar = progress("calibrating")
    found = measure.calibrate(data, positives, negatives, noise, snr, target, each, worst, bar)
    if output:
        write_file(output, measure.calibrated(data, found))
    if det:
        plots.det(found, det)
    if output == "-":
        return
    if as_json:
        show_json(curves.json(found))
    else:
        show(*curves.tables(found))


@click.command()
@click.argument("model")
@click.argument("clip")
@click.option(
    "--snr", type=Number(*DECIBELS), help="In noise, as `evaluate --snr` draws it for this clip."
)
@click.option("--noise", metavar="DIR", help="Recordings of noise, for --snr.")
@click.option("--gain", type=Number(*DECIBELS), help="Louder or softer, dB.")
@click.option("--shift", type=Number(*SHIFTS), default=0.0, help="Later, ms; < 0: earlier.")
@click.option("--rooms", metavar="DIR", help="In a room, as `evaluate --rooms` draws it.")
@click.option("-o", "--output", metavar="PNG", help="Draw it.")
@JSON
def explain(
    model: str,
    clip: str,
    snr: float | None,
    noise: str | None,
    gain: float | None,
    shift: float,
    rooms: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """What MODEL made of a recording, frame by frame.

    Each layer's float states beside what its spikes stand for; logits, posteriors; and for every
    frame which gate of the detector said no: not a keyword, below threshold, held, refractory, no
    wake word.
    """
    from edge_lp import plots
    from edge_lp.files import check_writable
    from edge_lp.measure import corrupt
    from edge_lp.measure import explain as measure

    if output:
        check_writable(output)
    condition = corrupt.Condition(snr, gain, shift, rooms is not None)
    pcm = corrupt.under(clip, condition, noise, rooms)
    found = measure.explain(model_bytes(model), pcm)
    if output:
        plots.explain(found, output)
    if as_json:
        show_json(measure.json(found))
    else:
        show(*measure.tables(found))


@click.group(invoke_without_command=True)
@click.option(
    "--model", default="commands12", show_default=True, help="File, run directory or shipped model."
)
@click.option(
    "--peers",
    metavar="PATH",
    help="Script whose `cost` measures other engines in this session; it is run.",
)
@click.option("--instructions", is_flag=True, help="Also count instructions, with valgrind.")
@click.option("--history", metavar="CSV", help="Append the numbers to this file.")
@JSON
@click.pass_context
def bench(
    ctx: click.Context,
    model: str,
    peers: str | None,
    instructions: bool,
    history: str | None,
    as_json: bool,
) -> None:
    """Measure CPU time and instructions.

    Without a sub-command: CPU ms per 1 s of audio of front end, network and detector, one thread.
    """
    if ctx.invoked_subcommand:
        return
    from edge_lp.board.count import host_instructions
    from edge_lp.measure import cost
    from edge_lp.runtime import Model

    script = cost.peers_script(peers) if peers else None
    opened = Model(model_bytes(model))
    own = cost.bench(opened)
    if instructions:
        own["instructions_per_s"] = host_instructions(opened.bytes)
    others = cost.peers(script) if script else []
    if history:
        cost.append(own, opened, history)
    if as_json:
        show_json({**own, "peers": others})
    else:
        show(*cost.tables(own, others))


@bench.command("core")
@click.option("--sizes", "by_size", is_flag=True,
              help="Networks of 128 to 16,384 compartments beside NumPy, in place of the standard "
              "one; some minutes.")  # fmt: skip
@click.option("--peers", multiple=True, is_flag=False, flag_value="this", metavar="[PYTHON]",
              help="Beside brian2-loihi, nengo-loihi and Lava, where this Python has them, or the "
              "one named; may be repeated.")  # fmt: skip
@click.option(
    "--learning", is_flag=True, help="A network that learns, in place of the standard one."
)
@JSON
def bench_core(by_size: bool, peers: tuple[str, ...], learning: bool, as_json: bool) -> None:
    """Steps and synaptic operations per second of the Loihi-1 core on the standard network; one
    thread, spikes recorded."""
    from edge_lp.loihi import bench as measure
    from edge_lp.loihi import peers as emulators
    from edge_lp.loihi import sizes

    if by_size:
        rows = sizes.sizes()
        if as_json:
            show_json(list(rows))
        else:
            for line in sizes.lines(rows):
                click.echo(line)
        return
    pythons = [sys.executable if p == "this" else p for p in peers]
    for p in pythons:
        emulators.installed(p)
    network = measure.plastic() if learning else measure.network()
    found = measure.bench(of=network)
    others = [] if learning else list(emulators.beside(*network[:2], pythons))
    if as_json:
        show_json({**found, "peers": others})
        return
    click.echo(
        f"{found['steps_per_s']:,} steps/s, {found['synaptic_ops_per_s']:,} synaptic "
        f"operations/s ({found['network']}, "
        f"{found['spikes_per_step']:.1f} spikes a step, median of {found['runs']} runs)"
    )
    if peers:
        for line in emulators.lines(found, others):
            click.echo(line)


@bench.command("board")
@click.argument("model", default="commands12")
@click.option(
    "--board",
    "boards",
    multiple=True,
    type=click.Choice(BOARDS),
    help="Only these; may be repeated.  [default: all]",
)
@click.option(
    "--audio", metavar="FILE", help="Recording to count on.  [default: 5 s of artificial babble]"
)
@JSON
def bench_board(model: str, boards: tuple[str, ...], audio: str | None, as_json: bool) -> None:
    """Instructions per second of audio on emulated boards, by part and by function; the same in
    every run."""
    from edge_lp.audio.files import read_file
    from edge_lp.board import count

    data, pcm = model_bytes(model), read_file(audio) if audio else None
    found = {name: count.count(name, data, pcm) for name in boards or BOARDS}
    if as_json:
        show_json(found)
    else:
        show(*count.table(found))


@bench.command("latency")
@click.argument("model", default="commands12")
@clip_options
@click.option(
    "--block",
    type=Number(1, 1000),
    default=20,
    show_default=True,
    metavar="MS",
    help="Samples are handed over in blocks of this length.",
)
@detector_options
@JSON
def bench_latency(
    model: str,
    positives: tuple[str, ...],
    noise: str | None,
    snr: float,
    each: int,
    block: float,
    as_json: bool,
    **tuning: Any,
) -> None:
    """Seconds from the end of a word to its event, by stage.

    On the same streams of clips as `calibrate`, with its cache; of the words that are hit. The
    buffers of a microphone come on top: the live view of `listen` shows them.
    """
    from edge_lp.measure import latency as measure

    found = measure.latency(
        model_bytes(model),
        positives,
        tuning,
        noise,
        snr,
        each,
        round(block * 16),
        progress("listening"),
    )
    if as_json:
        show_json(measure.json(found))
    else:
        show(*measure.tables(found))
