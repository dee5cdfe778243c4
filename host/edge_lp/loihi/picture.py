# SPDX-License-Identifier: Apache-2.0
"""Result.plot(): what a run recorded, over one time axis."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.errors import MissingDependency
from edge_lp.files import write_file
from edge_lp.loihi.description import Connection, Group
from edge_lp.loihi.limits import LimitError, check_number
from edge_lp.loihi.recording import Probe

WINDOW = 20  # steps of a rate


def plot(result: Any, path: str | Path | None, groups: Sequence[Group] | None, units: int) -> Any:
    """What simulation.Result.plot does."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependency(
            "pictures need the Python package matplotlib: pip install 'edge-lp[plot]'"
        ) from None
    units = check_number("units of a trace", units, (1, 50))
    known = [g for g in dict.fromkeys((*result.spikes, *result.u, *result.v))]
    shown = known if groups is None else list(groups)
    if strangers := [g for g in shown if g not in known]:
        raise LimitError(f"{strangers[0]!r} was not recorded, expected a group of this result")
    panels: list[tuple[str, Any]] = []
    if spikes := {g: result.spikes[g] for g in shown if g in result.spikes and not g.silent}:
        panels += [("raster", spikes), ("rates", spikes)]
    for what in ("u", "v"):
        rows = getattr(result, what)
        panels += [(what, (g, rows[g][:, :units])) for g in shown if g in rows]
    panels += [("probe", (p, x)) for p, x in result.probes.items()]
    if not panels:
        raise LimitError("the result has no records, expected spikes, u, v or probes")
    if any(x.ndim != 2 for of in (result.spikes, result.u, result.v) for x in of.values()):
        raise LimitError("a batch's result has no picture, expected one sample's")
    heights = [3 if kind == "raster" else 1.4 for kind, _ in panels]
    figure = Figure(figsize=(9, sum(heights) + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(len(panels), sharex=True, squeeze=False, height_ratios=heights)
    for axes, (kind, data) in zip(all_axes[:, 0], panels):
        _PANELS[kind](axes, data)
    all_axes[-1, 0].set_xlabel("step")
    if path is not None:
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=110)
        write_file(path, png.getvalue())
    return figure


def _raster(axes: Any, spikes: dict[Group, np.ndarray]) -> None:
    """Group under group."""
    first, ticks = 0, []
    for k, (g, rows) in enumerate(spikes.items()):
        t, i = np.nonzero(rows)
        axes.plot(t, first + i, "|", color=f"C{k % 10}", markersize=3, rasterized=True)
        ticks.append(first + (g.n - 1) / 2)
        first += g.n
    axes.set_yticks(ticks, [g.name for g in spikes])
    axes.set_ylim(first - 0.5, -0.5)


def _rates(axes: Any, spikes: dict[Group, np.ndarray]) -> None:
    """Spikes per unit and step, over the last WINDOW steps."""
    for k, (g, rows) in enumerate(spikes.items()):
        mean = np.cumsum(np.concatenate([np.zeros(WINDOW), rows.mean(1)]))
        axes.plot((mean[WINDOW:] - mean[:-WINDOW]) / WINDOW, color=f"C{k % 10}", label=g.name)
    axes.set_ylabel("spikes a step")
    axes.legend(fontsize=7, loc="upper right")


def _trace(axes: Any, data: tuple[Group, np.ndarray], what: str) -> None:
    g, rows = data
    axes.plot(rows, linewidth=0.8)
    axes.set_ylabel(f"{what} of\n{g.name}")


def _probe(axes: Any, data: tuple[Probe, Any]) -> None:
    """Weights, tags, traces, u and v as lines, or as an image where they are many; events."""
    probe, values = data
    of = str(probe.group) if isinstance(probe.group, Connection) else probe.group.name
    axes.set_ylabel(f"{probe.what} of\n{of}", fontsize=8)
    if probe.events:
        axes.plot(*values, "|", markersize=3)
        return
    steps = probe.start + probe.every * np.arange(len(values))
    if values.shape[1] <= 16:
        axes.plot(steps, values, linewidth=0.8)
        return
    extent = (steps[0], steps[-1] + probe.every, values.shape[1] - 0.5, -0.5)
    image = axes.imshow(values.T, aspect="auto", extent=extent, interpolation="nearest")
    axes.figure.colorbar(image, ax=axes, pad=0.01)


_PANELS = {
    "raster": _raster,
    "rates": _rates,
    "u": lambda axes, data: _trace(axes, data, "u"),
    "v": lambda axes, data: _trace(axes, data, "v"),
    "probe": _probe,
}
