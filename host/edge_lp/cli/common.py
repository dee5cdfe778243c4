# SPDX-License-Identifier: Apache-2.0
"""What the commands share: the group that turns failures into one line, options, tables, bars."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import click

from edge_lp.cli.process import finish_stdout, prepare_streams, stops_as_by_ctrl_c
from edge_lp.errors import EdgeLpError
from edge_lp.text import console, notice


class Cli(click.Group):
    """A click group whose every failure that the user can mend is one line on stderr and exit code
    2."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        prepare_streams()
        with stops_as_by_ctrl_c():
            code = self._run(args, {**kwargs, "standalone_mode": False})
        sys.exit(finish_stdout(code))

    def invoke(self, ctx: click.Context) -> Any:
        try:  # here, for click would add an empty line to the one and an exit code 1 to the other
            return super().invoke(ctx)
        except KeyboardInterrupt:
            return 130
        except BrokenPipeError:
            return 141  # as SIGPIPE would end it

    def _run(self, args: Any, kwargs: Any) -> int:
        try:
            code = super().main(*args, **kwargs)
            return code if isinstance(code, int) else 0
        except click.exceptions.NoArgsIsHelpError as e:
            e.show()
            return 2
        except click.UsageError as e:
            path = e.ctx.command_path if e.ctx else "edge-lp"
            return fail(f"{path}: {e.format_message()} Try '{path} --help'.")
        except click.ClickException as e:
            return fail(f"edge-lp: {e.format_message()}")
        except EdgeLpError as e:
            return fail(f"edge-lp: {e}")
        except click.Abort:
            return 130
        except OSError as e:
            # our own files and devices have said what is wrong: what is left is a stream
            return fail(f"edge-lp: {e.filename or 'stdout'}: {e.strerror or e}")


def fail(line: str) -> int:
    notice(line)
    return 2


class Number(click.FloatRange):
    """A number of a range. Nan is in every range of click's, and inf in those without an end."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        x = float(super().convert(value, param, ctx))
        if not math.isfinite(x):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return x


class Numbers(Number):
    """Such numbers with commas between them, as a tuple."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(
                super(Numbers, self).convert(float(x), param, ctx) for x in value.split(",")
            )
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 20,10,0", param, ctx)


DECIBELS = (-100, 100)  # beyond, nothing is left of the other sound in 16 bits
MODEL = click.argument("model", default="commands12")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON in place of text.")
OUTPUT = click.option(
    "-o", "--output", type=click.Path(), help="Also write the JSON to this file; - is stdout."
)


_DETECTOR = (
    click.option(
        "--threshold",
        multiple=True,
        metavar="[WORD=]P",
        help="Posterior from which a word counts, 0 to 1, of all words or of one; may be repeated.",
    ),
    click.option(
        "--window",
        metavar="S[,S...]",
        help="Seconds over which logits are averaged; of several windows the posteriors are "
        "multiplied (their geometric mean counts).",
    ),
    click.option(
        "--stride",
        type=click.IntRange(1),
        metavar="N",
        help="Decide every Nth frame of 10 ms; windows are multiples of it.",
    ),
    click.option(
        "--refractory", type=float, help="Seconds after a detection in which none follows."
    ),
    click.option(
        "--hold", type=float, help="Seconds for which a guess must stay the best one to count."
    ),
    click.option(
        "--wake-seconds",
        type=float,
        help="Seconds behind the wake word in which the other words count.",
    ),
)


_CLIPS = (
    click.option(
        "--positives",
        multiple=True,
        required=True,
        metavar="DIR",
        help="Folder of clips of the keywords, a folder a word; may be repeated.",
    ),
    click.option(
        "--noise", metavar="DIR", help="Recordings to lie under the clips.  [default: none]"
    ),
    click.option(
        "--snr",
        type=Number(*DECIBELS),
        default=20,
        show_default=True,
        help="dB by which they lie below.",
    ),
    click.option(
        "--each",
        type=click.IntRange(1),
        default=100,
        show_default=True,
        help="Clips of a word, at most.",
    ),
)


def _with(options: Sequence[Any], command: Any) -> Any:
    for option in reversed(options):
        command = option(command)
    return command


def detector_options(command: Any) -> Any:
    """The options of model.tune.tuned. What is not given stays the model's."""
    return _with(_DETECTOR, command)


def clip_options(command: Any) -> Any:
    """Clips of the keywords, as measure.streams puts them into streams."""
    return _with(_CLIPS, command)


def show(*things: Any) -> None:
    """Rich tables and lines on stdout, an empty line between them."""
    out = console()
    for i, thing in enumerate(things):
        out.print(*([""] if i else []), thing, sep="\n")


def show_json(found: Any) -> None:
    """One document on stdout, in ASCII."""
    click.echo(json_text(found), nl=False)


def json_text(found: Any) -> str:
    import json

    return json.dumps(found, indent=1) + "\n"


def report(found: Any, for_a_reader: Sequence[Any], as_json: bool, output: str | None) -> None:
    """A result as --json and --output ask for it. The file is written before anything is printed:
    a reader that hangs up does not cost the result."""
    from edge_lp.files import STDOUT, write_file

    if output:
        write_file(output, json_text(found).encode())
    if output != STDOUT:
        if as_json:
            show_json(found)
        else:
            show(*for_a_reader)


def progress(what: str) -> Any:
    """A function (iterable, n) -> iterable that draws a bar on stderr, if that is a terminal."""
    from rich.progress import track

    err = console(stderr=True)
    return lambda it, n: track(
        it, what, total=n, console=err, transient=True, disable=not err.is_terminal
    )


def words_of(text: str | None) -> tuple[str, ...] | None:
    return tuple(w.strip() for w in text.split(",") if w.strip()) if text else None


def numbers_of(text: str | None) -> tuple[int, ...] | None:
    try:
        return tuple(int(n) for n in words_of(text) or ()) or None
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of numbers such as 128,128") from None


def model_bytes(model: str) -> bytes:
    from edge_lp.model.find import read_model

    return read_model(model)
