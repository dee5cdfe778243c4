# SPDX-License-Identifier: Apache-2.0
"""The command line: parse, call, print. No logic lives here, and nothing imports it.

Exit codes: 0 done; 1 the command ran and its answer is no (replay, verify); 2 bad input, one line
on stderr says what and what to do; 130 stopped with Ctrl-C. Imports are inside the commands, so
that `edge-lp --help` answers at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from edge_lp.errors import EdgeLpError, MissingDependency


class _Cli(click.Group):
    """A click group whose every failure that the user can mend is one line on stderr and exit code
    2."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as e:
            e.show()
            code = 2
        except click.UsageError as e:
            path = e.ctx.command_path if e.ctx else "edge-lp"
            code = _fail(f"{path}: {e.format_message()} Try '{path} --help'.")
        except click.ClickException as e:
            code = _fail(f"edge-lp: {e.format_message()}")
        except EdgeLpError as e:
            code = _fail(f"edge-lp: {e}")
        except click.Abort:
            code = 130
        except OSError as e:
            code = _fail(f"edge-lp: {e.filename}: {e.strerror}" if e.filename else f"edge-lp: {e}")
        sys.exit(code if isinstance(code, int) else 0)


def _fail(line: str) -> int:
    click.echo(line, err=True)
    return 2


@click.group(
    cls=_Cli, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.version_option(None, "--version", package_name="edge-lp", message="edge-lp %(version)s")
def main() -> None:
    """Keyword spotting with spiking low-pass recurrent networks, in integers: train, export, run,
    listen.

    MODEL is an .lpb file, a run directory of `edge-lp train`, or the name of a shipped model.
    """


@main.group("loihi")
def loihi_group() -> None:
    """The Loihi-1 core by itself."""


@loihi_group.command("replay")
@click.argument("cases", nargs=-1, required=True, type=click.Path(), metavar="CASE.npz...")
@click.pass_context
def loihi_replay(ctx: click.Context, cases: tuple[str, ...]) -> None:
    """Run golden cases and compare every spike, current and voltage. Exit code 0 if all match, 1 if
    not, 2 if a file is no golden case."""
    from pathlib import Path

    from edge_lp.loihi.replay import replay

    differences = 0
    for path in cases:
        difference = replay(path)
        differences += difference is not None
        click.echo(f"{Path(path).stem} {difference or 'match'}")
    ctx.exit(1 if differences else 0)


_MODEL = click.argument("model", default="commands12")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON in place of text.")


def _print(*things: Any) -> None:
    """Rich tables and lines on stdout, an empty line between them; where stdout is no terminal,
    wide enough not to fold."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    for i, thing in enumerate(things):
        console.print(*([""] if i else []), thing, sep="\n")


def _progress(what: str) -> Any:
    """A function (iterable, n) -> iterable that draws a bar on stderr, if that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    err = Console(stderr=True)
    return lambda it, n: track(
        it, what, total=n, console=err, transient=True, disable=not err.is_terminal
    )


@main.command()
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
    "--out",
    default="runs/latest",
    show_default=True,
    type=click.Path(),
    help="Run directory: configuration, weights, model, pictures.",
)
@click.option(
    "--epochs",
    nargs=2,
    type=click.IntRange(1),
    metavar="FLOAT QAT",
    help="Epochs in float, then with 3-bit weights.",
)
@click.option(
    "--hidden", help="Units of the recurrent layers, separated by commas.  [default: 128,128]"
)
@click.option(
    "--synth",
    type=click.IntRange(0),
    help="Synthesised clips a keyword mixed into training.  [default: 60]",
)
@click.option("--seed", type=int, help="Of everything that is drawn.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
def train(
    data: str | None,
    download: str | None,
    preset: str | None,
    words: str | None,
    noise: str | None,
    speech: str | None,
    out: str,
    epochs: tuple[int, int] | None,
    hidden: str | None,
    synth: int | None,
    seed: int | None,
    resume: bool,
) -> None:
    """Train a net on recordings of words.

    Float weights first, then 3-bit ones.
    Ctrl-C keeps the best weights so far; --resume goes on.
    """
    from pathlib import Path

    if download:
        from edge_lp_train.download import speech_commands

        data = str(speech_commands(data or "speech_commands"))
    units = _numbers(hidden)
    if not (data or resume):
        raise click.UsageError(
            "--data DIR is missing: a folder with one folder of recordings per word."
        )
    try:
        with _quiet():
            from edge_lp_train.fit import train as fit
    except ModuleNotFoundError as e:
        raise MissingDependency(
            f"training needs the Python package {e.name}: pip install 'edge-lp[train]'"
        ) from None
    folders = {
        name: Path(path)
        for name, path in (("data", data), ("noise", noise), ("speech", speech))
        if path
    }
    run = fit(
        Path(out),
        folders,
        preset,
        _list(words),
        resume,
        epochs,
        seed=seed,
        hidden=units,
        synth_clips=synth,
    )
    click.echo(run / "model.lpb")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what TensorFlow's C++ says on stderr while it is imported; its own switch for that
    has no effect on these lines."""
    sys.stderr.flush()
    keep, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(keep, 2)
        os.close(keep)
        os.close(null)


def _list(text: str | None) -> tuple[str, ...] | None:
    return tuple(w.strip() for w in text.split(",") if w.strip()) if text else None


def _numbers(text: str | None) -> tuple[int, ...] | None:
    try:
        return tuple(int(n) for n in _list(text) or ()) or None
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of numbers such as 128,128") from None


@main.command()
@click.argument("model")
@click.option(
    "--format",
    "form",
    type=click.Choice(["bin", "c", "nir"]),
    default="bin",
    show_default=True,
    help="An .lpb file, C source, or NIR.",
)
@click.option("-o", "--output", required=True, type=click.Path(), help="File to write.")
def export(model: str, form: str, output: str) -> None:
    """Write MODEL as .lpb, C source or NIR."""
    from edge_lp.files import write_file

    data = _model_bytes(model)
    if form == "nir":
        from edge_lp.nir_export import write_nir

        for line in write_nir(data, output):
            click.echo(line, err=True)
    elif form == "c":
        from edge_lp.carray import to_c

        write_file(output, to_c(data).encode())
    else:
        write_file(output, data)
    click.echo(f"{output}: {_size(output)} bytes", err=True)


def _model_bytes(model: str) -> bytes:
    from edge_lp.image import read_model

    return read_model(model)


def _size(path: str) -> int:
    from pathlib import Path

    return Path(path).stat().st_size


@main.command()
@_MODEL
@click.option(
    "--cores",
    is_flag=True,
    help="Also lay MODEL out on Loihi-1 cores and show what it takes of each.",
)
@_JSON
def inspect(model: str, cores: bool, as_json: bool) -> None:
    """Show what is in MODEL.

    Labels, layers, bytes, memory, operating point, detector, what a chip could hold, provenance.
    """
    from edge_lp.describe import describe, tables
    from edge_lp.image import read_model, unpack
    from edge_lp.loihi import cores as loihi

    data = read_model(model)
    found = describe(data)
    on_cores = loihi.layout(unpack(data)) if cores else None
    if as_json:
        click.echo(
            json.dumps(
                {**found, "cores": on_cores} if on_cores else found, indent=1, ensure_ascii=False
            )
        )
    else:
        _print(*tables(found), *(loihi.tables(on_cores) if on_cores else []))


@main.command()
@click.argument("model")
@click.argument("folder", metavar="DIR")
@click.option(
    "--backend",
    type=click.Choice(["snn", "ann", "float"]),
    default="snn",
    show_default=True,
    help="The spiking net in C; its 3-bit weights in float arithmetic; the float weights that "
    "training kept.",
)
@click.option(
    "--json", "output", metavar="OUT", help="Write the result to this file as JSON; - is stdout."
)
def evaluate(model: str, folder: str, backend: str, output: str | None) -> None:
    """Accuracy of MODEL on a folder of clips.

    DIR holds one folder of clips per word.
    A word that is not a label counts as unknown, _silence_ as silence.
    """
    from edge_lp import evaluate as ev
    from edge_lp.files import check_writable, write_file

    if output not in (None, "-"):
        check_writable(output)
    result = ev.evaluate(model, folder, backend, _progress("evaluating"))
    text = json.dumps(result.json(), indent=1, ensure_ascii=False) + "\n"
    if output == "-":
        click.echo(text, nl=False)
        return
    if output:
        # before anything is printed: a reader that hangs up does not cost the result
        write_file(output, text.encode())
    _print(*ev.tables(result))


@main.command()
@click.option(
    "--device",
    default="mic",
    show_default=True,
    help="mic, mic:NAME, mic:INDEX, a recording, - (raw int16 PCM, 16 kHz, on stdin), or "
    "serial:PORT[@BAUD]: a board that listens for us.",
)
@click.option("--model", help="File, run directory or shipped model.  [default: commands12]")
@click.option("--source", metavar="DEVICE", help="What a board is sent.  [default: mic]")
@click.option(
    "--threshold",
    type=float,
    help="Posterior from which a word counts, 0 to 1.  [default: the model's]",
)
@click.option(
    "--window", type=float, help="Seconds over which logits are averaged.  [default: the model's]"
)
@click.option(
    "--refractory",
    type=float,
    help="Seconds after a detection in which none follows.  [default: the model's]",
)
@click.option(
    "--speed",
    type=click.Choice(["real", "max"]),
    default="max",
    show_default=True,
    help="Pace of a recording or a pipe.",
)
@click.option("--record", metavar="WAV", help="Also write what is heard to this file.")
@_JSON
def listen(**options: Any) -> None:
    """Print keywords as they are spoken. Ctrl-C stops.

    --json prints one line a detection: {"t": seconds, "keyword": word, "score": posterior}.
    """
    from edge_lp.listen import listen as run

    run(**options)


@main.command()
def devices() -> None:
    """List boards and microphones."""
    from edge_lp import sources
    from edge_lp.board import find_boards

    boards = [
        (f"serial:{port}", info.name, f"edge-lp {info.version}, model {info.model_id:08x}")
        for port, info in find_boards()
    ]
    if boards:
        _print(sources.table(boards))
    microphones = [m.row() for m in sources.microphones()]
    _print(sources.table(microphones) if microphones else "no microphones")


@main.group(invoke_without_command=True)
@click.option(
    "--model", default="commands12", show_default=True, help="File, run directory or shipped model."
)
@click.option(
    "--peers",
    metavar="PATH",
    help="Script whose `cost` measures other engines in this session.  [default: ../shared/bench, "
    "if there]",
)
@_JSON
@click.pass_context
def bench(ctx: click.Context, model: str, peers: str | None, as_json: bool) -> None:
    """Measure CPU time and instructions.

    Without a sub-command: CPU ms per 1 s of audio of front end, network and detector, one thread.
    """
    if ctx.invoked_subcommand:
        return
    from edge_lp import bench as b
    from edge_lp.runtime import Model

    script = b.peers_script(peers)
    own = b.bench(Model(_model_bytes(model)))
    others = b.peers(script) if script else []
    if as_json:
        click.echo(json.dumps({**own, "peers": others}))
    else:
        _print(*b.tables(own, others))


@bench.command("core")
@_JSON
def bench_core(as_json: bool) -> None:
    """Steps and synaptic operations per second of the Loihi-1 core on the standard network; one
    thread, spikes recorded."""
    from edge_lp.loihi.bench import bench as measure

    found = measure()
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(
            f"{found['steps_per_s']:,} steps/s, {found['synaptic_ops_per_s']:,} synaptic "
            f"operations/s ({found['network']}, "
            f"{found['spikes_per_step']:.1f} spikes a step, median of {found['runs']} runs)"
        )


@bench.command("board")
@click.argument("model", default="commands12")
@click.option(
    "--board",
    "boards",
    multiple=True,
    type=click.Choice(["m4", "m3", "m7", "rv32"]),
    help="Only these; may be repeated.  [default: all]",
)
@click.option(
    "--audio", metavar="FILE", help="Recording to count on.  [default: 5 s of artificial babble]"
)
@_JSON
def bench_board(model: str, boards: tuple[str, ...], audio: str | None, as_json: bool) -> None:
    """Instructions per second of audio on emulated boards, by part and by function; the same in
    every run."""
    from edge_lp import count as c
    from edge_lp.sources import read_file

    data, pcm = _model_bytes(model), read_file(audio) if audio else None
    found = {name: c.count(name, data, pcm) for name in boards or ("m4", "m3", "m7", "rv32")}
    if as_json:
        click.echo(json.dumps(found))
    else:
        _print(*c.table(found))


@main.command()
@click.option(
    "--board",
    default="m4",
    show_default=True,
    help="m3, m4, m7, rv32 (QEMU), posix (a process), s390x, mips (big-endian, qemu-user).",
)
@click.argument("model", default="commands12")
def emulate(board: str, model: str) -> None:
    """Run the firmware on an emulated board.

    MODEL is in its flash; the port to use is printed. Ctrl-C stops it.
    """
    from edge_lp.emulate import Emulator

    with Emulator(board, _model_bytes(model)) as running:
        click.echo(f"serial:{running.port}")
        click.echo(
            f"{board} is running; in another terminal: edge-lp listen --device "
            f"serial:{running.port} --source mic. Ctrl-C stops it.",
            err=True,
        )
        try:
            running.wait()
        except KeyboardInterrupt:
            pass


@main.command()
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
@_JSON
@click.pass_context
def verify(
    ctx: click.Context, model: str, clips: tuple[str, ...], device: str, coding: str, as_json: bool
) -> None:
    """Compare a board with this machine, bit for bit.

    Sends it clips; features, logits, spike counts and events have to be those of MODEL here.
    One line a clip; exit code 0 only if all are equal.
    """
    from dataclasses import asdict

    from edge_lp.runtime import Model
    from edge_lp.verify import run

    differ = 0
    for verdict in run(Model(_model_bytes(model)), clips, device, int(coding)):
        differ += verdict.difference is not None
        click.echo(
            json.dumps({**asdict(verdict), "equal": verdict.difference is None})
            if as_json
            else str(verdict)
        )
    ctx.exit(1 if differ else 0)


@main.command()
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
    from edge_lp import demo as d

    rows, labels, files = d.run(model, out)
    _print(*d.table(rows, labels))
    for path in files:
        click.echo(path)


if __name__ == "__main__":
    main()
