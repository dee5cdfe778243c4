# SPDX-License-Identifier: Apache-2.0
"""Misses against false events an hour of several models, or of one with other windows.

    python tools/detectors.py --positives WORDS --negatives SPEECH --noise DIR --out PNG \\
        "before=old.lpb" "now=commands12" "longer=commands12@0.15,0.6,1.04" \\
        "every fourth frame=commands12@0.16,0.6,1.04/4"

Each is NAME=MODEL, with windows in seconds behind an @ in place of the model's own, and a stride in
frames behind a / (1 if there is none). Prints a table in Markdown, false events an hour where so
many words are missed, and draws the curves: each with one threshold for all keywords, as `edge-lp
calibrate` measures it (the table "one threshold for all", and its DET picture), over all speakers.
Choose windows with this on other speech than what they are reported on. Of a model with a wake
word, its commands without the gate.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from edge_lp.errors import EdgeLpError
from edge_lp.measure import det
from edge_lp.measure.calibrate import Calibration, Target, calibrate
from edge_lp.model.find import read_model
from edge_lp.model.format import pack, unpack
from edge_lp.model.spec import ModelSpec
from edge_lp.model.tune import tuned


@dataclass(frozen=True)
class Detectors:
    """What calibrate measured of one model and its windows."""

    name: str
    windows: tuple[int, ...]
    stride: int
    found: Calibration

    @property
    def keywords(self) -> range:
        return list(det.groups(self.found).values())[-1]

    @property
    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """(thresholds,) misses in percent and false events an hour, at least 3 / T."""
        missed, false = det.curve(self.found.both, self.keywords)
        asked = self.found.both.words[0].asked[list(self.keywords)].sum()
        hours = self.found.both.speech[0].hours
        return 100 * missed / asked, np.maximum(false, 3) / hours

    def row(self) -> str:
        at = [det.false_at(self.found.both, self.keywords, share) for share in det.MISSED]
        cells = [
            f"{x['per_hour']:.1f} [{x['from']:.1f} to {x['to']:.1f}] at {x['threshold']:.3f}"
            if x
            else "not reached"
            for x in at
        ]
        windows = ", ".join(f"{w / 100:g}" for w in self.windows)
        every = f", every {self.stride}" if self.stride > 1 else ""
        return f"| {self.name} | {windows}{every} | {' | '.join(cells)} |"


def named(text: str) -> tuple[str, ModelSpec]:
    """NAME=MODEL[@WINDOWS[/STRIDE]]. EdgeLpError: no such model, windows that cannot be."""
    name, _, rest = text.partition("=")
    model, _, changed = rest.partition("@")
    windows, _, stride = changed.partition("/")
    if not model or not (stride or "1").isdecimal():
        raise EdgeLpError(f"{text!r}: expected NAME=MODEL or NAME=MODEL@WINDOWS[/STRIDE]")
    spec = unpack(read_model(model))
    if windows:
        keywords = spec.labels[: spec.n_keywords]
        detector = tuned(spec.detector, keywords, window=windows, stride=int(stride or 1))
        spec = replace(spec, detector=detector)
    return name, spec


def measure(name: str, spec: ModelSpec, o: argparse.Namespace) -> Detectors:
    target = Target(missed=0.2)
    found = calibrate(pack(spec), o.positives, o.negatives, o.noise, o.snr, target, worst=0)
    return Detectors(name, spec.detector.windows, spec.detector.stride, found)


def table(rows: list[Detectors]) -> str:
    """Markdown."""
    half = rows[0].found.both
    shares = " | ".join(f"{100 * s:.0f} %" for s in det.MISSED)
    return "\n".join(
        [
            f"{half.words[0].asked.sum()} words, {half.speech[0].hours:.2f} h",
            f"| false events an hour where so many words are missed | windows, s | {shares} |",
            "|---" * (2 + len(det.MISSED)) + "|",
            *(r.row() for r in rows),
        ]
    )


def draw(rows: list[Detectors], path: Path) -> None:
    """Every curve; a dotted line where T hours exclude no more."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, ax = pyplot.subplots(figsize=(8, 5), layout="constrained")
    for r in rows:
        missed, false = r.curve
        ax.plot(false, missed, linewidth=2 if r is rows[-1] else 1.4, label=r.name)
    half = rows[0].found.both
    hours: Any = half.speech[0].hours
    ax.axvline(3 / hours, color="0.6", linestyle=":", linewidth=0.9)
    ax.set(xscale="log", ylim=(0, 60), xlabel=f"false events an hour, on {hours:.2f} h of speech",
           ylabel=f"missed, % of {half.words[0].asked.sum()} words")  # fmt: skip
    ax.xaxis.set_major_formatter("{x:g}")  # the default one needs mathematical text
    ax.grid(alpha=0.3, which="both")
    ax.legend(fontsize=9)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main(arguments: list[str] | None = None) -> int:
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    a.add_argument("detectors", nargs="+", metavar="NAME=MODEL[@WINDOWS[/STRIDE]]")
    a.add_argument("--positives", action="append", required=True, help="folder of WORD/*")
    a.add_argument("--negatives", action="append", required=True, help="ordinary speech")
    a.add_argument("--noise", help="recordings of noise, to lie under the words")
    a.add_argument("--snr", type=float, default=20.0, help="dB below them.  [default: 20]")
    a.add_argument("--out", type=Path, help="picture")
    o = a.parse_args(arguments)
    try:
        rows = [measure(*d, o) for d in [named(d) for d in o.detectors]]
    except EdgeLpError as e:
        print(f"detectors: {e}", file=sys.stderr)
        return 2
    print(table(rows))
    if o.out:
        draw(rows, o.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
