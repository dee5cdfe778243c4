# SPDX-License-Identifier: Apache-2.0
"""The page that collects pictures and verdicts: docs/REPRODUCTION.md."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from edge_lp.files import write_file

from edge_lp_papers.experiment import Experiment
from edge_lp_papers.run import age, read

UNKNOWN = "not at hand"
HEAD = """\
# The papers, reproduced

Written by `edge-lp reproduce`: every figure and table of the two papers that was run, with our
numbers beside the published ones. P1 is Nair & Indiveri, "High-performance RNNs with spiking
neurons"; P2 is Boeshertz, Indiveri, Nair, Renner, ICONS 2024 (arXiv 2407.13534). Times are seconds
of CPU, of one core; trainings and C run on all cores. "Not at hand" is what the papers do not give
as a number in a form that we have: it is only in a picture, or was not published.

"""


def write_page(experiments: list[Experiment], out: Path, page: Path) -> None:
    """All results in `out`; their pictures are linked where they are."""
    found = [(e, read(e, out)) for e in experiments]
    done = [(e, r) for e, r in found if r]
    text = HEAD + "| experiment | paper | verdict | size | time |\n|---|---|---|---|---|\n"
    for e, r in found:
        where = f"{e.paper} {e.figure}"
        if r:
            verdict = r["verdict"]["state"]
            text += f"| [{e.name}](#{e.name}) | {where} | {verdict} | {r['size']}{age(e, r)} | "
            text += f"{r['seconds']:.0f} s |\n"
        else:
            text += f"| {e.name} | {where} | not run | | |\n"
    folder = os.path.relpath(out, page.parent)
    text += "".join(section(e, r, folder) for e, r in done)
    write_file(page, text.encode())


def section(e: Experiment, r: dict[str, Any], folder: str) -> str:
    """A result: what it is, its picture, its verdict, its numbers."""
    chosen = ", ".join(f"{k} {shown(v)}" for k, v in r["parameters"].items())
    lines = [
        f"\n## {e.name}\n",
        f"{e.title} ({e.paper}, {e.figure}). {r['size'].capitalize()} size: {chosen}; "
        f"seed {r['seed']}.\n",
        f"![{e.title}]({folder}/{e.name}.png)\n",
        f"**{r['verdict']['state'].capitalize()}.** {r['verdict']['text']}\n",
        "| | published | ours |\n|---|---|---|",
    ]
    lines += [
        f"| {x['what']} | {shown(x['published']) or UNKNOWN} | {shown(x['ours']) or 'none'} |"
        for x in r["rows"]
    ]
    return "\n".join(lines) + "\n"


def shown(value: Any) -> str:
    """A number as a reader wants it; nothing for None."""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
    if isinstance(value, list):
        return " ".join(map(shown, value))
    return "" if value is None else str(value)
