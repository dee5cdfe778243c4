# SPDX-License-Identifier: Apache-2.0
"""Pictures: a stream with what the net made of it, a learning curve, a confusion matrix. Each
function writes one PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_lp.errors import MissingDependency
from edge_lp.files import write_file
from edge_lp.runtime import FRAME_SECONDS, SAMPLE_RATE

if TYPE_CHECKING:
    from edge_lp.measure.stream import Said
    from edge_lp.measure.trace import Trace


def _figure(width: float, height: float, rows: int = 1, **kwargs: Any) -> tuple[Any, Any]:
    """A figure of its own, apart from pyplot's state, and its axes."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise MissingDependency(
            "pictures need the Python package matplotlib: pip install 'edge-lp[plot]'"
        ) from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, **kwargs)


def _save(figure: Any, path: str | Path) -> Path:
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    return write_file(path, png.getvalue())


def stream(pcm: np.ndarray, trace: Trace, said: Sequence[Said], path: str | Path) -> Path:
    """Audio, features, spikes and posteriors over one time axis; what was said above, what was
    detected below. pcm: (n,) int16."""
    end = len(pcm) / SAMPLE_RATE
    figure, (audio, mel, raster, post) = _figure(
        14, 10, 4, sharex=True, height_ratios=[1, 1.2, 2, 1.6]
    )
    audio.plot(np.arange(len(pcm)) / SAMPLE_RATE, pcm / 32768, color="0.3", linewidth=0.4)
    audio.set(ylabel="audio", xlim=(0, end), yticks=[])
    for s in said:
        audio.axvspan(
            s.start, s.end, color="tab:blue" if s.keyword else "0.6", alpha=0.2, linewidth=0
        )
        audio.text(
            (s.start + s.end) / 2,
            1.02,
            s.word,
            transform=audio.get_xaxis_transform(),
            ha="center",
            va="bottom",
            color="tab:blue" if s.keyword else "0.4",
        )
    extent = lambda n: (0, len(trace.features) * FRAME_SECONDS, -0.5, n - 0.5)
    low, high = np.percentile(trace.features, (1, 99.5)) / 1024
    image = mel.imshow(
        trace.features.T / 1024,
        aspect="auto",
        origin="lower",
        extent=extent(trace.features.shape[1]),
        cmap="magma",
        vmin=low,
        vmax=high,
        interpolation="nearest",
    )
    mel.set(ylabel="mel band")
    figure.colorbar(image, ax=mel, pad=0.01, label="log2 power,\nlevel removed")
    image = raster.imshow(
        trace.spikes.T,
        aspect="auto",
        extent=(*extent(0)[:2], trace.spikes.shape[1] - 0.5, -0.5),
        cmap="Greys",
        vmax=max(1, trace.steps / 2),
        interpolation="nearest",
    )
    for edge in np.cumsum(trace.layers)[:-1]:
        raster.axhline(edge - 0.5, color="tab:blue", linewidth=0.8)
    raster.set(ylabel="neuron, layer by layer")
    figure.colorbar(image, ax=raster, pad=0.01, label="spikes in 10 ms", extend="max")
    t = (np.arange(len(trace.posteriors)) + 1) * FRAME_SECONDS
    colours = _colours(trace.n_keywords)
    for i, label in enumerate(trace.labels):
        keyword = i < trace.n_keywords
        post.plot(
            t,
            trace.posteriors[:, i],
            color=colours[i] if keyword else "0.75",
            linewidth=1.4 if keyword else 0.8,
            zorder=2 if keyword else 1,
            linestyle="-" if keyword or i == trace.n_keywords else ":",
            label=label.strip("_"),
        )
    for e in trace.events:
        at = (e.frame + 1) * FRAME_SECONDS
        post.plot(
            at,
            e.score,
            "v",
            color=colours[e.label],
            markersize=8,
            markeredgecolor="black",
            clip_on=False,
            zorder=3,
        )
        post.text(
            at,
            1.08,
            trace.labels[e.label],
            ha="center",
            va="bottom",
            color=colours[e.label],
            fontweight="bold",
        )
    post.axhline(trace.threshold, color="0.5", linewidth=0.8, linestyle="--")
    post.set(ylabel="posterior", ylim=(0, 1.25), yticks=[0, 0.5, 1], xlabel="seconds")
    post.legend(
        loc="upper left", bbox_to_anchor=(1.0, 1.05), fontsize=8, frameon=False
    ).set_in_layout(False)
    return _save(figure, path)


def _colours(n: int) -> list[Any]:
    from matplotlib import colormaps

    table = colormaps["tab10" if n <= 10 else "tab20"]
    return [table(i % table.N) for i in range(n)]


def learning_curve(history: Sequence[dict[str, Any]], path: str | Path) -> Path:
    """history: one row an epoch, in order, with stage, loss, accuracy, validation, balanced (the
    last three as shares of 1)."""
    figure, (loss, accuracy) = _figure(9, 6, 2, sharex=True, height_ratios=[1, 2])
    epochs = np.arange(1, len(history) + 1)
    column = lambda name: [float(row[name]) for row in history]
    loss.plot(epochs, column("loss"), color="0.3")
    loss.set(ylabel="loss (training)", ylim=(0, None), xlim=(0.5, len(history) + 0.5))
    for name, text, style in (
        ("accuracy", "training, augmented", "0.6"),
        ("validation", "validation", "tab:blue"),
        ("balanced", "validation, mean over classes", "tab:orange"),
    ):
        accuracy.plot(epochs, 100 * np.array(column(name)), color=style, label=text)
    accuracy.set(ylabel="accuracy, %", xlabel="epoch")
    accuracy.legend(loc="lower right")
    accuracy.grid(alpha=0.3)
    stages = [str(row["stage"]) for row in history]
    for i in range(len(stages)):
        if i == 0 or stages[i] != stages[i - 1]:
            for axes in (loss, accuracy):
                axes.axvline(i + 0.5, color="0.7", linewidth=0.8)
            loss.text(i + 0.5, 1.02, stages[i], transform=loss.get_xaxis_transform())
    return _save(figure, path)


def confusion(matrix: np.ndarray, labels: Sequence[str], path: str | Path) -> Path:
    """matrix: (labels, labels) clips, row true, column decided. Shaded by the share of the row."""
    n = len(labels)
    figure, axes = _figure(2.5 + 0.55 * n, 2 + 0.5 * n)
    share = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in zip(*np.nonzero(matrix)):
        axes.text(
            j,
            i,
            str(matrix[i, j]),
            ha="center",
            va="center",
            color="white" if share[i, j] > 0.5 else "black",
            fontsize=9,
        )
    axes.set_xticks(range(n), labels, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(
        range(n), [f"{label}  {100 * share[i, i]:.1f} %" for i, label in enumerate(labels)]
    )
    axes.set(
        xlabel="decided",
        ylabel="true, with recall",
        title=f"{100 * np.trace(matrix) / max(1, matrix.sum()):.1f} % of {matrix.sum()} clips",
    )
    return _save(figure, path)
