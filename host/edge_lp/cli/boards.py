# SPDX-License-Identifier: Apache-2.0
"""Boards, real and emulated: emulate, verify, new-project."""

from __future__ import annotations

import click

from edge_lp.cli.common import JSON, model_bytes


@click.command()
@click.option(
    "--board",
    default="m4",
    show_default=True,
    help="m3, m4, m7, m33, m55, microbit, iot01a, h405, rv32, xtensa, dc233c (QEMU), "
    "pico, pico-pdm (rp2040js), posix (a process), aarch64, s390x, mips (qemu-user; the last two "
    "big-endian).",
)
@click.option(
    "--microphone",
    metavar="RECORDING",
    help="What the board's own microphone hears: each time it is switched on, from the start.",
)
@click.argument("model", default="commands12")
def emulate(board: str, microphone: str | None, model: str) -> None:
    """Run the firmware on an emulated board.

    MODEL is in its flash; the port to use is printed. Ctrl-C stops it.
    """
    from edge_lp.audio.files import read_file
    from edge_lp.board.emulate import Emulator
    from edge_lp.text import notice

    pcm = read_file(microphone) if microphone else None
    with Emulator(board, model_bytes(model), pcm) as running:
        click.echo(f"serial:{running.port}")
        notice(
            f"{board} is running; in another terminal: edge-lp listen --device "
            f"serial:{running.port} --source {'board' if microphone else 'mic'}. Ctrl-C stops it."
        )
        running.wait()


@click.command()
@click.argument("model")
@click.argument("clips", nargs=-1, required=True, metavar="DIR|FILES...")
@click.option(
    "--device",
    required=True,
    help="serial:PORT[@BAUD], or a board that is built and started for this: qemu:m4, qemu:m3, "
    "qemu:m7, qemu:rv32, posix.",
)
@click.option(
    "--coding",
    type=click.Choice(["16", "8"]),
    default="16",
    show_default=True,
    help="Bits a sample on the line; 8 is mu-law, for slow lines.",
)
@JSON
@click.pass_context
def verify(
    ctx: click.Context, model: str, clips: tuple[str, ...], device: str, coding: str, as_json: bool
) -> None:
    """Compare a board with this machine, bit for bit.

    Sends it clips; features, logits, spike counts and events have to be those of MODEL here.
    One line a clip; exit code 0 only if all are equal.
    """
    import json
    from dataclasses import asdict

    from edge_lp.board.verify import run
    from edge_lp.measure.clips import reasons, recordings
    from edge_lp.runtime import Model
    from edge_lp.text import notice, plain

    opened, (files, skipped) = Model(model_bytes(model)), recordings(clips)
    if skipped:
        notice(f"note: skipped {reasons(skipped)}")
    differ = 0
    for verdict in run(opened, files, device, int(coding)):
        differ += verdict.difference is not None
        click.echo(
            json.dumps({**asdict(verdict), "equal": verdict.difference is None})
            if as_json
            else plain(verdict)
        )
    ctx.exit(1 if differ else 0)


@click.command("new-project")
@click.option(
    "--board",
    required=True,
    type=click.Choice(["pico", "zephyr", "esp32", "arduino", "cmake"]),
    help="pico: pico-sdk, with an I2S microphone; zephyr: its DMIC driver; esp32: ESP-IDF, "
    "with an I2S microphone; arduino: a sketch; cmake: anything else.",
)
@click.option("--model", default="commands12", show_default=True, help="The model in it.")
@click.argument("folder", metavar="DIR", type=click.Path())
def new_project(board: str, model: str, folder: str) -> None:
    """Write a project that spots keywords.

    DIR gets a program, the runtime, the model, what its build system reads and a README.md that
    says how to build it.
    """
    from edge_lp.board.project import new_project as make
    from edge_lp.text import notice

    make(board, folder, model_bytes(model))
    notice(f"{folder}: how to build it is in its README.md")
