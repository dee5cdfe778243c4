# SPDX-License-Identifier: Apache-2.0
"""edge-lp reproduce."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edge_lp.cli.common import console, fail
from edge_lp.errors import EdgeLpError, MissingDependency

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME... | all]")
@click.option("--full", is_flag=True, help="The paper's size, not one of minutes.")
@click.option(
    "--out",
    default="reproduction",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Folder of the results; what is there already is not done again.",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Of everything that is drawn.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False),
    help="Folder with the data sets that experiments on speech or text name.",
)
@click.option(
    "--page",
    type=click.Path(dir_okay=False),
    help="The page with all pictures and verdicts.  [default: REPRODUCTION.md in --out]",
)
def reproduce(
    names: tuple[str, ...], full: bool, out: str, seed: int, data: str | None, page: str | None
) -> int:
    """Figures and tables of the papers, re-run beside the published numbers.

    Without a name: the list. Each experiment leaves a picture, a JSON and a verdict in --out; a
    stopped run goes on where it was.
    """
    from pathlib import Path

    from edge_lp.files import make_folder

    try:
        from edge_lp_papers.page import write_page
        from edge_lp_papers.registry import chosen, experiments
        from edge_lp_papers.run import run
    except ModuleNotFoundError as e:
        raise MissingDependency(
            f"reproduce needs the Python package {e.name}: pip install 'edge-lp[papers]'"
        ) from None
    if not names:
        console().print(_listed(experiments().values(), Path(out)))
        return 0
    code, wanted = 0, chosen(names)
    folder, recordings = make_folder(out), Path(data) if data else None
    for experiment in wanted:
        try:
            verdict = run(experiment, folder, full, seed, recordings)["verdict"]
            click.echo(f"{experiment.name}: {verdict['state']}. {verdict['text']}")
        except EdgeLpError as e:  # the others can still be run
            code = fail(f"edge-lp reproduce: {experiment.name}: {e}")
        except KeyboardInterrupt:
            fail(f"stopped in {experiment.name}; the same command goes on where it was")
            raise
    written = Path(page) if page else folder / "REPRODUCTION.md"
    write_page(list(experiments().values()), folder, written)
    return code


def _listed(experiments, out: Path):
    from edge_lp_papers.run import state
    from rich.table import Table

    t = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("name", "paper", "what", "state", "time", "time, --full"):
        t.add_column(column)
    for e in experiments:
        t.add_row(e.name, f"{e.paper} {e.figure}", e.title, state(e, out), *e.times)
    return t
