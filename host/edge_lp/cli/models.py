# SPDX-License-Identifier: Apache-2.0
"""What is in a model, and other forms of it: inspect, export."""

from __future__ import annotations

from typing import Any

import click

from edge_lp.cli.common import JSON, MODEL, detector_options, model_bytes, show, show_json


@click.command()
@MODEL
@click.option(
    "--cores",
    is_flag=True,
    help="Also lay MODEL out on Loihi-1 cores and show what it takes of each.",
)
@JSON
def inspect(model: str, cores: bool, as_json: bool) -> None:
    """Show what is in MODEL.

    Labels, layers, bytes, memory, operating point, detector, what a chip could hold, provenance.
    """
    from edge_lp.model.describe import describe, tables

    data = model_bytes(model)
    found: dict[str, Any] = describe(data)
    more: list[Any] = []
    if cores:
        from edge_lp.model import cores as chip
        from edge_lp.model.format import unpack

        found["cores"] = chip.layout(unpack(data))
        more = chip.tables(found["cores"])
    if as_json:
        show_json(found)
    else:
        show(*tables(found), *more)


@click.command()
@click.argument("model")
@click.option(
    "--format",
    "form",
    type=click.Choice(["bin", "c", "nir"]),
    default="bin",
    show_default=True,
    help="An .lpb file, C source, or NIR.",
)
@click.option("-o", "--output", required=True, type=click.Path(), help="File; - is stdout.")
def export(model: str, form: str, output: str) -> None:
    """Write MODEL as .lpb, C source or NIR."""
    from edge_lp.files import write_file
    from edge_lp.text import notice

    data = model_bytes(model)
    if form == "nir":
        from edge_lp.model.nir import NOT_IN_NIR, to_nir

        data = to_nir(data)
        for line in NOT_IN_NIR:
            notice(line)
    elif form == "c":
        from edge_lp.model.carray import to_c

        data = to_c(data).encode()
    write_file(output, data)
    notice(f"{output}: {len(data)} bytes")


@click.command()
@MODEL
@click.option(
    "--wake-word",
    multiple=True,
    metavar="WORD",
    help="A keyword behind which alone the others count; may be repeated.",
)
@detector_options
@click.option(
    "-o", "--output", required=True, type=click.Path(), help="File to write; - is stdout."
)
def tune(model: str, output: str, **changes: Any) -> None:
    """Write MODEL with another detector.

    What `listen` was given with these options, for good: on a board too.
    """
    from edge_lp.files import write_file
    from edge_lp.model.tune import tune as run
    from edge_lp.text import notice

    data = run(model_bytes(model), **changes)
    write_file(output, data)
    notice(f"{output}: {len(data)} bytes")
