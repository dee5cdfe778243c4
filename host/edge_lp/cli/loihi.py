# SPDX-License-Identifier: Apache-2.0
"""The Loihi-1 core by itself."""

from __future__ import annotations

import click


@click.group("loihi")
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
    from edge_lp.text import plain

    differences = 0
    for path in cases:
        difference = replay(path)
        differences += difference is not None
        click.echo(f"{plain(Path(path).stem)} {difference or 'match'}")
    ctx.exit(1 if differences else 0)
