# SPDX-License-Identifier: Apache-2.0
"""The command line: parse, call, print. No logic lives here, and nothing imports it.

Exit codes: 0 done; 1 the command ran and its answer is no (replay, verify); 2 bad input, one line on stderr says what and what to do;
130 stopped with Ctrl-C. Imports are inside the commands, so that `edge-lp --help` answers at once.
"""
from __future__ import annotations

import sys
from typing import Any

import click

from edge_lp.errors import EdgeLpError


class _Cli(click.Group):
    """A click group whose every failure that the user can mend is one line on stderr and exit code 2."""

    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> Any:
        try:
            code = super().main(*args, standalone_mode=False, **kwargs)
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


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(None, "--version", package_name="edge-lp", message="edge-lp %(version)s")
def main() -> None:
    """Keyword spotting with spiking low-pass recurrent networks, in integers: train, export, run, listen.

    MODEL is an .lpb file, a run directory of `edge-lp train`, or the name of a shipped model.
    """


@main.group("loihi")
def loihi_group() -> None:
    """The Loihi-1 core by itself."""


@loihi_group.command("replay")
@click.argument("cases", nargs=-1, required=True, type=click.Path(), metavar="CASE.npz...")
@click.pass_context
def loihi_replay(ctx: click.Context, cases: tuple[str, ...]) -> None:
    """Run golden cases and compare every spike, current and voltage. Exit code 0 if all match, 1 if not, 2 if a file is no golden case."""
    from pathlib import Path

    from edge_lp.loihi.replay import replay
    differences = 0
    for path in cases:
        difference = replay(path)
        differences += difference is not None
        click.echo(f"{Path(path).stem} {difference or 'match'}")
    ctx.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
