# SPDX-License-Identifier: Apache-2.0
"""Keywords as they are spoken: listen, record, serve, devices, demo."""

from __future__ import annotations

from typing import Any

import click

from edge_lp.cli.common import JSON, Number, detector_options, show, show_json


@click.command()
@click.option(
    "--device",
    default="mic",
    show_default=True,
    help="mic, mic:NAME, mic:INDEX, a recording or a folder of them, - (raw int16 PCM, 16 kHz, on "
    "stdin), or serial:PORT[@BAUD]: a board that listens for us.",
)
@click.option("--model", help="File, run directory or shipped model.  [default: commands12]")
@click.option(
    "--source",
    metavar="DEVICE",
    help="What a board is sent, or board: it listens by itself.  [default: mic]",
)
@detector_options
@click.option(
    "--speed",
    type=click.Choice(["real", "max"]),
    help="Pace of a recording or a pipe.  [default: max; real with --web]",
)
@click.option("--record", metavar="WAV", help="Also write what is heard to this file.")
@click.option(
    "--channel",
    type=click.IntRange(1),
    help="The channel to listen to, from 1.  [default: a recording's mean, a microphone's first]",
)
@click.option("--gain", type=Number(-60, 60), default=0, metavar="DB", help="Amplify.")
@click.option("--reconnect", is_flag=True, help="Wait for a microphone that is unplugged.")
@click.option("--plain", "as_lines", is_flag=True, help="Lines on a terminal too, no live view.")
@click.option(
    "--web",
    is_flag=False,
    flag_value="8765",
    metavar="[HOST:PORT]",
    help="Show it in a web page at this PORT of this machine (8765), or of a HOST that is named; "
    "the address that is printed lets in.",
)
@click.option(
    "--exec",
    "command",
    metavar="CMD",
    help="Run this on each detection: EDGE_LP_KEYWORD, EDGE_LP_SCORE and EDGE_LP_TIME are in its "
    "environment; no shell; one at a time, up to 8 wait.",
)
@click.option(
    "--exec-timeout",
    "timeout",
    type=Number(0.1),
    default=10,
    show_default=True,
    metavar="S",
    help="Seconds after which it is ended.",
)
@click.option(
    "--folder",
    default=".",
    show_default=True,
    help="Where the keys r and s of the live view write.",
)
@JSON
def listen(**options: Any) -> None:
    """Show keywords as they are spoken: live on a terminal, else a line each. Ctrl-C stops.

    In the live view the key ? shows what the keys do: thresholds, recordings, the last seconds. Its
    screen goes away with it; the detections are printed then.

    --json prints one line a detection: {"t": seconds, "keyword": word, "score": posterior}.
    """
    from edge_lp.hear.listen import listen as run

    run(**options)


@click.command()
@click.argument("word")
@click.option("--out", required=True, type=click.Path(), help="Folder that holds a folder a word.")
@click.option("--speaker", help="Name in the files' names.  [default: the login]")
@click.option(
    "--takes",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Takes of this word by this speaker, those that are there included.",
)
@click.option(
    "--device",
    default="mic",
    show_default=True,
    help="mic, mic:NAME, mic:INDEX, a recording, or - (raw int16 PCM, 16 kHz, on stdin).",
)
@click.option("--channel", type=click.IntRange(1), help="The channel to listen to, from 1.")
@click.option("--play", is_flag=True, help="Play each take and ask whether to keep it.")
def record(word: str, play: bool, **options: Any) -> None:
    """Record takes of WORD to train with: a countdown, two seconds to say it, a verdict.

    A take that is silent, clipped, cut off or lost in noise is asked for again. The others are cut
    to the word and written to OUT/WORD/SPEAKER_NN.wav at once: Ctrl-C loses none, the same command
    goes on, nothing is ever overwritten. Say the word as you will later: near, far, fast, slow.
    """
    from edge_lp.hear.takes import record as run

    def ask() -> bool:
        return click.confirm("keep it?", default=True, err=True)

    click.echo(run(word, ask=ask if play else None, **options))


@click.command()
@click.option(
    "--wyoming",
    "uri",
    default="tcp://127.0.0.1:10400",
    show_default=True,
    metavar="tcp://HOST:PORT",
    help="Where to serve; another HOST than this machine has to be named.",
)
@click.option("--model", help="File, run directory or shipped model.  [default: commands12]")
@detector_options
def serve(**options: Any) -> None:
    """Serve keywords to Home Assistant. Ctrl-C stops.

    A wake-word service of the Wyoming protocol, for any number of satellites. One line a connection
    on stderr, when it ends.
    """
    from edge_lp.hear.serve import serve as run

    run(**options)


@click.command()
@click.option(
    "--no-probe", is_flag=True, help="List serial ports without opening them or asking for a board."
)
@JSON
def devices(no_probe: bool, as_json: bool) -> None:
    """List boards and microphones.

    Opens every serial port and says hello, which may disturb what else is connected (an Arduino
    restarts); --no-probe does not. --json prints a list of objects: "device" is what --device
    takes, "kind" is "board", "port" or "microphone".
    """
    from dataclasses import asdict

    from edge_lp.errors import EdgeLpError
    from edge_lp.hear import devices as found
    from edge_lp.text import device_table

    failed = None
    lines, microphones = found.lines(probe=not no_probe), []
    try:
        microphones = found.microphones()
    except EdgeLpError as e:  # the boards are told all the same
        failed = e
    if as_json:
        show_json([asdict(d) for d in lines + microphones])
    else:
        for some in filter(None, (lines, microphones)):
            show(device_table(d.row() for d in some))
        if not microphones and not failed:
            show("no microphones")
    if failed:
        raise failed


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
