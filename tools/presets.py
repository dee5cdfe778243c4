# SPDX-License-Identifier: Apache-2.0
"""The shipped models side by side: size, memory, work, accuracy clean and in noise, false events;
and accuracy over size, with the peers.

    python tools/presets.py TESTING --noise DIR --positives DIR --negatives DIR --out PNG

Prints a table in Markdown, each number as the project's commands give it: `inspect` (bytes of the
file; RAM of the spotter on a board), `evaluate` (synaptic operations per second of sound, accuracy
with its 95 % interval), `calibrate` (false events an hour where one threshold for all keywords
misses a fifth of the words at 20 dB; behind a wake word its and the commands' at the model's
target). Peers: what peers.py printed on the same clips (docs/measured/peers.jsonl), and figures of
others' (docs/measured/published.csv), which are of nets trained on all of the data set.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

from edge_lp.errors import EdgeLpError
from edge_lp.measure import det
from edge_lp.measure.calibrate import Target, calibrate
from edge_lp.measure.corrupt import conditions
from edge_lp.measure.sweep import sweep
from edge_lp.model.find import read_model, shipped_models
from edge_lp.runtime import Model

MEASURED = Path(__file__).resolve().parents[1] / "docs" / "measured"
SNRS = (10.0, 0.0)  # dB, beside clean
MISSED = 0.2


def row(model: str, o: argparse.Namespace) -> dict[str, Any]:
    """One model's numbers."""
    data = read_model(model)
    found = sweep(model, o.testing, "snn", conditions(SNRS, (), (), False), o.noise)
    work = found.clean.counts
    return {
        "model": Path(model).stem,
        "bytes": len(data),
        "ram": Model(data).ram()["spotter"],
        "synops": round(work.synops / found.clean.n / found.clean.seconds) if work else None,
        "clips": found.clean.n,
        "accuracy": [r.accuracy for r in found.results],
        "ci95": [r.ci95 for r in found.results],
        **({"false": false_events(data, o)} if o.positives and o.negatives else {}),
    }


def false_events(data: bytes, o: argparse.Namespace) -> dict[str, Any]:
    """Of each group of keywords: false events an hour where MISSED of the words are missed."""
    target = Target(missed=MISSED)
    c = calibrate(data, o.positives, o.negatives, o.noise, target=target, worst=0)
    hours = round(c.both.speech_at.hours, 2)
    groups = det.groups(c)
    return {"hours": hours} | {g: det.false_at(c.both, k, MISSED) for g, k in groups.items()}


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    head = ["model", "bytes", "RAM", "synaptic operations a second", "clean, %"]
    head += [*(f"{s:g} dB" for s in SNRS), "false events an hour at 20 % missed"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for r in rows:
        shares = [
            f"{a:.1f} [{lo:.1f} to {hi:.1f}]" for a, (lo, hi) in zip(r["accuracy"], r["ci95"])
        ]
        cells = [r["model"], f"{r['bytes']:,}", f"{r['ram']:,}", f"{r['synops']:,}", *shares]
        lines.append("| " + " | ".join([*cells, _false(r.get("false"))]) + " |")
    return "\n".join(lines)


def _false(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    parts = []
    for name, x in found.items():
        if name != "hours":
            rate = f"{x['per_hour']:.1f} [{x['from']:.1f} to {x['to']:.1f}]" if x else "not reached"
            parts.append(rate if name == "all" else f"{name} {rate}")
    return f"{'; '.join(parts)} ({found['hours']} h)"


def apart(falling: list[float], least: float) -> list[float]:
    """Heights for names, from the highest down, each at its own or so far below the one before."""
    out: list[float] = []
    for y in falling:
        out.append(min(y, out[-1] - least) if out else y)
    return out


def beside(sizes: list[float]) -> list[float]:
    """Places on a logarithmic axis: what is of nearly one size stands side by side, 4 % apart."""
    near = [[i for i, b in enumerate(sizes) if abs(b / a - 1) < 0.1] for a in sizes]
    return [
        size * 1.04 ** (group.index(i) - (len(group) - 1) / 2)
        for i, (size, group) in enumerate(zip(sizes, near))
    ]


def draw(rows: list[dict[str, Any]], peers: list[dict[str, Any]], path: Path) -> None:
    """Accuracy over size; a colour an SNR."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, ax = pyplot.subplots(figsize=(9, 6), layout="constrained")
    colours = ("tab:blue", "tab:orange", "tab:red")
    at = dict(zip((r["model"] for r in rows), beside([r["bytes"] / 1e3 for r in rows])))
    for snr, i, colour in zip((None, *SNRS), range(len(SNRS) + 1), colours):
        name = "clean" if snr is None else f"{snr:g} dB"
        for r in rows:
            low, high = r["ci95"][i]
            bars = [[r["accuracy"][i] - low], [high - r["accuracy"][i]]]
            ax.errorbar(at[r["model"]], r["accuracy"][i], yerr=bars, fmt="o", color=colour,
                        capsize=3, label=f"edge-lp, {name}" if r is rows[0] else None)  # fmt: skip
        same = [p for p in peers if p["snr_db"] == snr and p["gain_db"] is None]
        for p in same:
            bars = [[p["accuracy"] - p["ci95"][0]], [p["ci95"][1] - p["accuracy"]]]
            ax.errorbar(p["bytes"] / 1e3, p["accuracy"], yerr=bars, fmt="s", color=colour,
                        capsize=3, mfc="none", label=f"same clips, {name}")  # fmt: skip
    ours = sorted(rows, key=lambda r: -r["accuracy"][0])
    for r, y in zip(ours, apart([r["accuracy"][0] + 1.5 for r in ours], 2.6)):
        ax.annotate(r["model"], (at[r["model"]], r["accuracy"][0]), (r["bytes"] / 1.14e3, y),
                    ha="right", va="center", fontsize=9,
                    arrowprops={"arrowstyle": "-", "color": "0.6", "lw": 0.8})  # fmt: skip
    for p in (p for p in peers if p["snr_db"] is None and p["gain_db"] is None):
        ax.annotate(p["engine"], (p["bytes"] / 1e3, p["accuracy"]), (8, -4),
                    textcoords="offset points", fontsize=9)  # fmt: skip
    with open(MEASURED / "published.csv", newline="", encoding="utf-8") as f:
        for p in csv.DictReader(f):
            size, y = float(p["bytes"]) / 1e3, float(p["accuracy"])
            # ours stand on its right: its name goes to the left
            left = any(size < r["bytes"] / 1e3 < 2 * size for r in rows)
            ax.plot(size, y, "x", color="0.5")
            ax.annotate(p["name"], (size, y), (-6 if left else 6, -3), fontsize=8, color="0.4",
                        textcoords="offset points", ha="right" if left else "left")  # fmt: skip
    ax.plot([], [], "x", color="0.5", label="others' figures, clean, other clips")
    ax.set(
        xscale="log",
        xlabel="size of the net, KB; those of one size side by side",
        ylabel="accuracy, 12 classes, %",
    )
    ticks = (5, 10, 20, 50, 100)
    ax.set_xticks(ticks, map(str, ticks))
    ax.set_xlim(4, 200)
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.legend(loc="lower left", fontsize=8)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def read_peers(path: Path) -> list[dict[str, Any]]:
    """Lines of JSON."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def main(arguments: list[str] | None = None) -> int:
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    a.add_argument("testing", help="folder of WORD/*, for accuracy")
    a.add_argument("--noise", required=True, help="recordings of noise")
    a.add_argument("--positives", action="append", default=[], help="WORD/*, for false events")
    a.add_argument("--negatives", action="append", default=[], help="ordinary speech")
    a.add_argument("--model", action="append", help="only these.  [default: all that ship]")
    a.add_argument("--peers", type=Path, default=MEASURED / "peers.jsonl")
    a.add_argument("--out", type=Path, default=Path("presets.png"), help="picture; rows beside it")
    o = a.parse_args(arguments)
    try:
        models = o.model or shipped_models()
        rows = [row(m, o) for m in models]
        draw(rows, read_peers(o.peers), o.out)
    except EdgeLpError as e:
        print(f"presets: {e}", file=sys.stderr)
        return 2
    print(table(rows))
    o.out.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
