# SPDX-License-Identifier: Apache-2.0
"""Pictures: a stream with what the net made of it, a learning curve, a confusion matrix. Each
function writes one PNG."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from edge_lp.errors import MissingDependency
from edge_lp.files import write_file
from edge_lp.measure.intervals import poisson, wilson
from edge_lp.runtime import FRAME_SECONDS, SAMPLE_RATE
from edge_lp.text import plain

if TYPE_CHECKING:
    from edge_lp.measure.calibrate import Calibration
    from edge_lp.measure.explain import Explanation
    from edge_lp.measure.stream import Said
    from edge_lp.measure.sweep import Sweep
    from edge_lp.measure.trace import Trace


Picture = TypeVar("Picture", bound=Callable[..., Path])


def _picture(draw: Picture) -> Picture:
    """A picture whose words are other people's: "$" begins no formula, and a character that the
    font does not have is an empty box without a warning."""

    @functools.wraps(draw)
    def quietly(*args: Any, **kwargs: Any) -> Path:
        try:
            import matplotlib
        except ModuleNotFoundError:
            raise MissingDependency(
                "pictures need the Python package matplotlib: pip install 'edge-lp[plot]'"
            ) from None
        with warnings.catch_warnings(), matplotlib.rc_context({"text.parse_math": False}):
            warnings.filterwarnings("ignore", "Glyph")
            return draw(*args, **kwargs)

    return cast(Picture, quietly)


def _figure(width: float, height: float, rows: int = 1, **kwargs: Any) -> tuple[Any, Any]:
    """A figure of its own, apart from pyplot's state, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, **kwargs)


def _save(figure: Any, path: str | Path) -> Path:
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    return write_file(path, png.getvalue())


@_picture
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
            plain(s.word),
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
            label=plain(label).strip("_"),
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
            plain(trace.labels[e.label]),
            ha="center",
            va="bottom",
            color=colours[e.label],
            fontweight="bold",
        )
    for threshold in set(trace.thresholds):
        post.axhline(threshold, color="0.5", linewidth=0.8, linestyle="--")
    post.set(ylabel="posterior", ylim=(0, 1.25), yticks=[0, 0.5, 1], xlabel="seconds")
    post.legend(
        loc="upper left", bbox_to_anchor=(1.0, 1.05), fontsize=8, frameon=False
    ).set_in_layout(False)
    return _save(figure, path)


def _colours(n: int) -> list[Any]:
    from matplotlib import colormaps

    table = colormaps["tab10" if n <= 10 else "tab20"]
    return [table(i % table.N) for i in range(n)]


@_picture
def learning_curve(history: Sequence[dict[str, Any]], path: str | Path) -> Path:
    """history: one row a check, in order, with stage, epoch of the stage, loss, accuracy,
    validation, balanced (the last three as shares of 1)."""
    figure, (loss, accuracy) = _figure(9, 6, 2, sharex=True, height_ratios=[1, 2])
    begins: list[tuple[float, str]] = []  # epochs before a stage, its name
    epochs: list[float] = []
    for row in history:
        if not begins or row["stage"] != begins[-1][1]:
            begins.append((epochs[-1] if epochs else 0.0, str(row["stage"])))
        epochs.append(begins[-1][0] + float(row["epoch"]))
    column = lambda name: [float(row[name]) for row in history]
    loss.plot(epochs, column("loss"), color="0.3")
    loss.set(ylabel="loss (training)", ylim=(0, None), xlim=(0, epochs[-1] + 1))
    for name, text, style in (
        ("accuracy", "training, augmented", "0.6"),
        ("validation", "validation", "tab:blue"),
        ("balanced", "validation, mean over classes", "tab:orange"),
    ):
        accuracy.plot(epochs, 100 * np.array(column(name)), color=style, label=text)
    accuracy.set(ylabel="accuracy, %", xlabel="epoch")
    accuracy.xaxis.get_major_locator().set_params(integer=True)
    accuracy.legend(loc="best")
    accuracy.grid(alpha=0.3)
    for at, name in begins:
        for axes in (loss, accuracy):
            axes.axvline(at, color="0.7", linewidth=0.8)
        loss.text(at, 1.02, name, transform=loss.get_xaxis_transform())
    return _save(figure, path)


@_picture
def confusion(matrix: np.ndarray, labels: Sequence[str], path: str | Path) -> Path:
    """matrix: (labels, labels) clips, row true, column decided. Shaded by the share of the row."""
    labels = [plain(label) for label in labels]
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
        range(n),
        [f"{v}  {100 * share[i, i]:.1f} %" if matrix[i].any() else f"{v}  –"
         for i, v in enumerate(labels)],
    )  # fmt: skip
    axes.set(
        xlabel="decided",
        ylabel="true, with recall",
        title=f"{100 * np.trace(matrix) / max(1, matrix.sum()):.1f} % of {matrix.sum()} clips",
    )
    return _save(figure, path)


@_picture
def det(c: Calibration, path: str | Path) -> Path:
    """Detection error trade-off over all speakers: misses against false events an hour with one
    threshold for all keywords, with 95 % bounds; each keyword by itself; and the thresholds that
    each half of the speakers chose, on the other half (Calibration.crosswise).
    Where no event was heard a curve stands at 3 / T an hour, the most that T hours exclude."""
    from edge_lp.measure.det import curve, groups

    half, hours = c.both, c.both.speech[0].hours
    words, speech = c.crosswise
    figure, axes = _figure(9, 6)
    colours = _colours(len(c.keywords))
    floor = 3 / hours

    def line(keywords: Sequence[int], **style: Any) -> None:
        asked = int(half.words[0].asked[list(keywords)].sum())
        missed, false = curve(half, keywords)
        if not asked:
            return
        rates = np.maximum(false / hours, floor)
        axes.plot(rates, 100 * missed / asked, **style)
        if style.get("linewidth", 1) > 2:
            low, high = np.array([wilson(int(m), asked) for m in missed]).T
            axes.fill_between(rates, 100 * low, 100 * high, color=style["color"], alpha=0.15, lw=0)

    for i, word in enumerate(c.keywords):
        line([i], color=colours[i], linewidth=0.9, alpha=0.8, label=plain(word))
    for k, (name, keywords) in enumerate(groups(c).items()):
        colour = ("black", "tab:red")[k]
        line(keywords, color=colour, linewidth=2.5, label=name)
        keys = list(keywords)
        asked, missed = (int(getattr(words, x)[keys].sum()) for x in ("asked", "missed"))
        events = int(speech.false[keys].sum())
        if asked:
            low, high = (100 * x for x in wilson(missed, asked))
            at, (least, most) = max(events / hours, floor), (x / hours for x in poisson(events))
            axes.errorbar(
                at,
                100 * missed / asked,
                xerr=[[at - min(at, least)], [max(at, most) - at]],
                yerr=[[100 * missed / asked - low], [high - 100 * missed / asked]],
                fmt="o",
                color=colour,
                markeredgecolor="white",
                capsize=3,
                zorder=5,
                label=f"{name}: chosen by the other half",
            )
    axes.axvline(floor, color="0.6", linestyle=":", linewidth=0.9)
    axes.text(floor, 101, f" 3 / {hours:.2f} h", color="0.4", fontsize=8, va="bottom")
    axes.set(
        xscale="log",
        xlabel=f"false events an hour, on {hours:.2f} h of speech",
        ylabel=f"missed, % of {int(half.words[0].asked.sum())} words",
        ylim=(0, 100),
    )
    axes.xaxis.set_major_formatter("{x:g}")  # the default one needs mathematical text
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9, frameon=False)
    return _save(figure, path)


_AXES = {
    "snr": ("signal to noise, dB", "snr_db"),
    "gain": ("gain, dB", "gain_db"),
    "shift": ("shifted by, ms", ""),  # peers.py does not shift
}


@_picture
def curve(s: Sweep, path: str | Path, peers: Sequence[dict[str, Any]] = ()) -> Path:
    """Accuracy with its 95 % interval over signal to noise, gain and shift, as far as they were
    measured; each label's recall; other engines on the same clips (measure.sweep.peers)."""
    names = [n for n in _AXES if any(getattr(r.condition, n) for r in s.results[1:])]
    names = names or ["snr"]
    figure, axes = _figure(
        1.5 + 5 * len(names), 5.5, 1, ncols=len(names), squeeze=False, sharey=True
    )
    colours = _colours(len(s.clean.labels))
    for axis, name in zip(axes[0], names):
        _one_curve(axis, name, s, peers, colours)
    axes[0][0].set_ylabel(f"accuracy, % of {s.clean.n} clips; thin: recall of a label")
    for r in s.results:
        if r.condition.room:
            text = f"edge-lp, {r.backend}, in rooms"
            axes[0][0].axhline(r.accuracy, color="black", linestyle="-.", lw=1, label=text)
            axes[0][0].axhspan(*r.ci95, color="black", alpha=0.06, lw=0)
    handles, labels = axes[0][0].get_legend_handles_labels()
    axes[0][-1].legend(
        handles, labels, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8, frameon=False
    )
    return _save(figure, path)


def _one_curve(
    axis: Any, name: str, s: Sweep, peers: Sequence[dict[str, Any]], colours: list[Any]
) -> None:
    text, key = _AXES[name]
    kept = [i for i, r in enumerate(s.results) if i == 0 or getattr(r.condition, name)]
    kept += [i for i, r in enumerate(s.results) if i and name == "snr" and r.condition.snr == 0]
    values = {i: getattr(s.results[i].condition, name) for i in kept}
    clean = 0.0 if name != "snr" else max((v for v in values.values() if v), default=0) + 10
    x = {i: clean if i == 0 else float(values[i]) for i in kept}
    order = sorted(set(kept), key=lambda i: x[i])
    xs = [x[i] for i in order]
    for j, label in enumerate(s.clean.labels):
        recall = [s.results[i].per_class[label] for i in order]
        if recall[0] is not None:
            axis.plot(
                xs,
                recall,
                color=colours[j],
                linewidth=0.7,
                alpha=0.7,
                label=plain(label).strip("_"),
            )

    def bars(at: Sequence[float], share: Sequence[float], ci: Sequence[Any], **style: Any) -> None:
        low, high = np.array(ci, float).T
        y = np.array(share, float)
        axis.errorbar(at, y, yerr=[y - low, high - y], capsize=3, marker="o", ms=4, **style)

    for results, style in (
        (s.results, {"color": "black", "linewidth": 2.2}),
        (s.other, {"color": "tab:gray", "linestyle": "--"}),
    ):
        if results:
            rows = [results[i] for i in order]
            style = {**style, "label": f"edge-lp, {rows[0].backend}"}
            bars(xs, [r.accuracy for r in rows], [r.ci95 for r in rows], **style)
    for k, engine in enumerate(dict.fromkeys(p["engine"] for p in peers)):
        other_key = "gain_db" if key == "snr_db" else "snr_db"
        others = [p for p in peers if key and p["engine"] == engine and p[other_key] is None]
        others = sorted(others, key=lambda p: clean if p[key] is None else p[key])
        if others:
            at = [clean if p[key] is None else p[key] for p in others]
            style = {"color": f"C{k + 3}", "linewidth": 1.8, "label": engine}
            bars(at, [p["accuracy"] for p in others], [p["ci95"] for p in others], **style)
    axis.set(xlabel=text, ylim=(None, 101))
    if name == "snr":
        axis.set_xticks(xs, [*(f"{v:g}" for v in xs[:-1]), "clean"])
    axis.grid(alpha=0.3)


_GATES = {
    "detected": "tab:green",
    "candidate": "yellowgreen",
    "held": "gold",
    "below threshold": "tab:orange",
    "no wake word before it": "tab:purple",
    "refractory": "tab:gray",
    "not a keyword": "0.9",
}


@_picture
def explain(e: Explanation, path: str | Path) -> Path:
    """Features; of each hidden layer the float states, what the spikes stand for, and the spikes;
    logits, spiking and float; posteriors and the detector's gates; over one time axis."""
    t, n = e.trace, len(e.reference)
    figure, axes = _figure(
        13, 7 + 4.5 * n, 3 * n + 4, sharex=True, height_ratios=[1, *[1, 1, 1] * n, 1.3, 1.3, 0.2]
    )
    end = len(t.features) * FRAME_SECONDS

    def image(axis: Any, x: np.ndarray, text: str, bar: str, **style: Any) -> None:
        extent = (0, end, x.shape[1] - 0.5, -0.5)
        style = {"aspect": "auto", "interpolation": "nearest", "extent": extent, **style}
        shown = axis.imshow(x.T, **style)
        axis.set_ylabel(text, fontsize=9)
        figure.colorbar(shown, ax=axis, pad=0.01).set_label(bar, fontsize=8)

    mel = t.features / 1024
    low, high = np.percentile(mel, (1, 99.5))
    image(axes[0], mel, "mel band", "log2 power", cmap="magma", vmin=low, vmax=high)
    axes[0].invert_yaxis()  # low bands below
    at = 0
    for i, (layer, quality) in enumerate(zip(e.reference, e.nmse)):
        own = slice(at, at + layer.shape[1])
        top = max(0.1, float(np.percentile(layer, 99.5)))
        style = {"cmap": "viridis", "vmin": 0, "vmax": top}
        name = f"layer {i + 1}\n"
        image(axes[3 * i + 1], layer, name + "float", "activation", **style)
        spiking = f"{name}spikes decoded\nNMSE {quality:.3f}"
        image(axes[3 * i + 2], t.decoded[:, own], spiking, "activation", **style)
        image(axes[3 * i + 3], t.spikes[:, own], name + "spikes", "in 10 ms", cmap="Greys")
        at += layer.shape[1]
    logits, post, gate = axes[-3:]
    time, colours = (np.arange(len(t.features)) + 1) * FRAME_SECONDS, _colours(len(t.labels))
    for j, label in enumerate(t.labels):
        style = {"color": colours[j], "linewidth": 1.3 if j < t.n_keywords else 0.8}
        logits.plot(time, t.logits[:, j] / 256, **style)
        logits.plot(time, e.reference_logits[:, j], linestyle=":", alpha=0.7, **style)
        post.plot(time, t.posteriors[:, j], label=plain(label).strip("_"), **style)
    for j in range(t.n_keywords):
        threshold = t.thresholds[j if len(t.thresholds) > 1 else 0]
        shown = t.posteriors[:, j].max() > 0.2
        if shown:
            post.axhline(threshold, color=colours[j], linewidth=0.8, linestyle="--")
    logits.set_ylabel("logits\n(float: dotted)", fontsize=9)
    post.set(ylabel="posterior", ylim=(0, 1.05))
    post.legend(loc="upper left", bbox_to_anchor=(1, 1.1), fontsize=7, frameon=False).set_in_layout(
        False
    )
    from matplotlib.colors import to_rgb

    strip = np.array([[to_rgb(_GATES[g]) for g in e.gates]])
    gate.imshow(strip, aspect="auto", interpolation="nearest", extent=(0, end, 0, 1))
    gate.set(yticks=[], xlabel="seconds", ylabel="gate")
    from matplotlib.patches import Patch

    used = [Patch(color=c, label=g) for g, c in _GATES.items() if g in e.gates]
    gate.legend(handles=used, loc="upper center", bbox_to_anchor=(0.5, -2), ncols=7, frameon=False)
    return _save(figure, path)
