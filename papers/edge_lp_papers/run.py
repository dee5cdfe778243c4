# SPDX-License-Identifier: Apache-2.0
"""From an experiment to its files: OUT/NAME.json (our numbers, the published ones beside them, the
verdict, and all that the picture shows) and OUT/NAME.png."""

from __future__ import annotations

import io
import json
import shutil
import textwrap
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge_lp.errors import EdgeLpError, MissingDependency
from edge_lp.files import write_file

from edge_lp_papers.experiment import Experiment
from edge_lp_papers.rests import digests, key, measured, rests_on
from edge_lp_papers.work import PARTS, Work


def run(
    experiment: Experiment, out: Path, full: bool = False, seed: int = 0, data: Path | None = None
) -> dict[str, Any]:
    """The result. Of one that an earlier run has finished, what is still as it would be measured
    now is kept; what it is compared with, and how it is drawn, is always of now."""
    size = _plain(experiment.size(full))
    now = rests_on(experiment, size, seed, data)
    before = read(experiment, out)
    valid = before is not None and measured(before, now)
    if before and valid and before["looks"] == now["looks"]:
        return before
    picture(experiment, None)  # matplotlib is missed before the work, not after it
    if before and valid:
        return _finish(experiment, out, {**before, **now, "inputs": before["inputs"]})
    work = Work(_parts(experiment, out, full, now), seed, data)
    try:
        found = _plain(experiment.measure(work, **experiment.size(full)))
    finally:
        work.tidy()
    result = {
        "name": experiment.name,
        "paper": experiment.paper,
        "figure": experiment.figure,
        "title": experiment.title,
        "size": "full" if full else "default",
        **now,
        "version": version("edge-lp"),
        "seconds": round(work.seconds(), 1),
        "rows": [],
        "verdict": {},
        "data": found,
    }
    made = _finish(experiment, out, result)
    work.clear()
    return made


def _finish(experiment: Experiment, out: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Compared, judged, drawn and written."""
    found = result["data"]
    result["title"], result["figure"] = experiment.title, experiment.figure
    result["rows"] = [asdict(row) for row in experiment.compare(found)]
    result["verdict"] = asdict(experiment.judge(found))
    write_file(out / f"{experiment.name}.png", picture(experiment, found))
    write_file(out / f"{experiment.name}.json", (lines(result) + "\n").encode())
    return _plain(result)


def lines(value: Any, indent: int = 0) -> str:
    """JSON in which all that fits is on one line, of 100 columns; lists of numbers fill theirs."""
    flat, margin = json.dumps(value), " " * (indent + 1)
    if not isinstance(value, (dict, list)) or indent + len(flat) <= 100:
        return flat
    if isinstance(value, dict):
        parts = [f"{json.dumps(k)}: {lines(v, indent + 1)}" for k, v in value.items()]
    elif any(isinstance(v, (dict, list, str)) for v in value):
        parts = [lines(v, indent + 1) for v in value]
    else:
        parts = [textwrap.fill(flat[1:-1], 100 - len(margin), subsequent_indent=margin)]
    inside = f",\n{margin}".join(parts)
    return f"{flat[0]}\n{margin}{inside}\n{margin[1:]}{flat[-1]}"


def _parts(experiment: Experiment, out: Path, full: bool, now: dict[str, Any]) -> Path:
    """The folder for the parts of this size. Those of other code or inputs are of no use any
    more."""
    size, folder = "full" if full else "default", out / "parts" / experiment.name
    ours = folder / f"{size}-{key(now)}"
    for other in folder.glob(f"{size}-*"):
        if other != ours:
            shutil.rmtree(other, ignore_errors=True)
    return ours


def _plain(found: Any) -> Any:
    """As it comes back from a file: tuples are lists, keys are text, NaN is not taken."""
    return json.loads(json.dumps(found, allow_nan=False))


def read(experiment: Experiment, out: Path) -> dict[str, Any] | None:
    """A finished result, or None. EdgeLpError: a file that is none."""
    path = out / f"{experiment.name}.json"
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
        assert {"parameters", "seed", "verdict", "rows", "data"} <= set(found)
        return found
    except (ValueError, AssertionError, TypeError):
        raise EdgeLpError(
            f"{path}: not a result of reproduce; remove it, and it is made anew"
        ) from None


def state(experiment: Experiment, out: Path) -> str:
    """For the list: the verdict, how many parts are done, or that nothing was run."""
    if found := read(experiment, out):
        return f"{found['verdict']['state']} ({found['size']} size{age(experiment, found)})"
    parts = len(list((out / "parts" / experiment.name).glob(f"*/{PARTS}")))
    return f"stopped, {parts} parts done" if parts else "not run"


def age(experiment: Experiment, found: dict[str, Any]) -> str:
    """Behind the size of a result whose numbers today's code has not measured."""
    return "" if found.get("code") == digests(experiment)[0] else ", of older code"


def picture(experiment: Experiment, data: dict[str, Any] | None) -> bytes:
    """The PNG; without data only that it could be made."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise MissingDependency(
            "pictures need the Python package matplotlib: pip install 'edge-lp[papers]'"
        ) from None
    if data is None:
        return b""
    figure = Figure(figsize=experiment.inches, layout="constrained")
    FigureCanvasAgg(figure)
    experiment.draw(figure, data)
    png = io.BytesIO()
    figure.savefig(png, dpi=110, metadata={"Software": None})
    return png.getvalue()
