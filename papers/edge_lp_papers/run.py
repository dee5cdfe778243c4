# SPDX-License-Identifier: Apache-2.0
"""From an experiment to its files: OUT/NAME.json (our numbers, the published ones beside them, the
verdict, and all that the picture shows) and OUT/NAME.png."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge_lp.errors import EdgeLpError, MissingDependency
from edge_lp.files import write_file

from edge_lp_papers.experiment import Experiment
from edge_lp_papers.work import Work


def run(
    experiment: Experiment, out: Path, full: bool = False, seed: int = 0, data: Path | None = None
) -> dict[str, Any]:
    """The result, from its file if an earlier run has finished it with the same size and seed."""
    before = read(experiment, out)
    size = experiment.size(full)
    if before and (before["parameters"], before["seed"]) == (_plain(size), seed):
        return before
    picture(experiment, None)  # matplotlib is missed before the work, not after it
    folder = out / "parts" / f"{experiment.name}{'-full' if full else ''}"
    work = Work(folder, seed, data)
    found = _plain(experiment.measure(work, **size))
    result = {
        "name": experiment.name,
        "paper": experiment.paper,
        "figure": experiment.figure,
        "title": experiment.title,
        "size": "full" if full else "default",
        "parameters": _plain(size),
        "seed": seed,
        "version": version("edge-lp"),
        "seconds": round(work.seconds(), 1),
        "rows": [asdict(row) for row in experiment.compare(found)],
        "verdict": asdict(experiment.judge(found)),
        "data": found,
    }
    write_file(out / f"{experiment.name}.png", picture(experiment, found))
    write_file(out / f"{experiment.name}.json", json.dumps(result, indent=1).encode())
    work.clear()
    return result


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
        return f"{found['verdict']['state']} ({found['size']} size)"
    folders = (out / "parts" / f"{experiment.name}{end}" for end in ("", "-full"))
    parts = sum(len(list(folder.glob("*.json"))) for folder in folders)
    return f"stopped, {parts} parts done" if parts else "not run"


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
