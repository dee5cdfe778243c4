# SPDX-License-Identifier: Apache-2.0
"""Keywords as they are spoken: listen, devices, demo."""

from __future__ import annotations

from typing import Any

import click

from edge_lp.cli.common import JSON, detector_options, show


@click.command()
@click.option(
    "--device",
    default="mic",
    show_default=True,
    help="mic, mic:NAME, mic:INDEX, a recording, - (raw int16 PCM, 16 kHz, on stdin), or "
    "serial:PORT[@BAUD]: a board that listens for us.",
)
@click.option("--model", help="File, run directory or shipped model.  [default: commands12]")
@click.option("--source", metavar="DEVICE", help="What a board is sent.  [default: mic]")
@detector_options
@click.option(
    "--speed",
    type=click.Choice(["real", "max"]),
    default="max",
    show_default=True,
    help="Pace of a recording or a pipe.",
)
@click.option("--record", metavar="WAV", help="Also write what is heard to this file.")
@JSON
def listen(**options: Any) -> None:
    """Print keywords as they are spoken. Ctrl-C stops.

    --json prints one line a detection: {"t": seconds, "keyword": word, "score": posterior}.
    """
    from edge_lp.hear.listen import listen as run

    run(**options)


@click.command()
def devices() -> None:
    """List boards and microphones."""
    from edge_lp.audio import microphone
    from edge_lp.board.discover import find_boards
    from edge_lp.text import device_table

    boards = [
        (f"serial:{port}", info.name, f"edge-lp {info.version}, model {info.model_id:08x}")
        for port, info in find_boards()
    ]
    if boards:
        show(device_table(boards))
    microphones = [m.row() for m in microphone.microphones()]
    show(device_table(microphones) if microphones else "no microphones")


@click.command()
@click.option(
    "--out",
    default="demo-out",
    show_default=True,
    type=click.Path(),
    help="Folder for the picture and the sound.",
)
@click.option(
    "--model", default="commands12", show_default=True, help="File, run directory or shipped model."
)
def demo(out: str, model: str) -> None:
    """Listen to synthesised commands; draw a picture.

    The picture shows audio, features, spikes and posteriors of the stream; the sound is saved
    beside it.
    """
    from edge_lp.hear import demo

    rows, files = demo.run(model, out)
    show(*demo.table(rows))
    for path in files:
        click.echo(path)
