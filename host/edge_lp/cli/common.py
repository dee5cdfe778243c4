# SPDX-License-Identifier: Apache-2.0
"""What the commands share: the group that turns failures into one line, options, tables, bars."""

from __future__ import annotations

import sys
from typing import Any

import click

from edge_lp.errors import EdgeLpError


class Cli(click.Group):
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
            code = fail(f"{path}: {e.format_message()} Try '{path} --help'.")
        except click.ClickException as e:
            code = fail(f"edge-lp: {e.format_message()}")
        except EdgeLpError as e:
            code = fail(f"edge-lp: {e}")
        except click.Abort:
            code = 130
        except OSError as e:
            code = fail(f"edge-lp: {e.filename}: {e.strerror}" if e.filename else f"edge-lp: {e}")
        sys.exit(code if isinstance(code, int) else 0)


def fail(line: str) -> int:
    click.echo(line, err=True)
    return 2


MODEL = click.argument("model", default="commands12")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON in place of text.")


def show(*things: Any) -> None:
    """Rich tables and lines on stdout, an empty line between them; where stdout is no terminal,
    wide enough not to fold."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    for i, thing in enumerate(things):
        console.print(*([""] if i else []), thing, sep="\n")


def progress(what: str) -> Any:
    """A function (iterable, n) -> iterable that draws a bar on stderr, if that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    err = Console(stderr=True)
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


class _Numbers(click.ParamType):
    """Numbers with commas between them, as a tuple of floats."""

    name = "N[,N...]"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(x) for x in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 20,10,0", param, ctx)


NUMBERS = _Numbers()


def model_bytes(model: str) -> bytes:
    from edge_lp.model.find import read_model

    return read_model(model)
