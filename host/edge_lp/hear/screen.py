# SPDX-License-Identifier: Apache-2.0
"""What is heard, as it comes out: lines for a reader, lines of JSON, or the live view."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_lp.hear.detect import BoardEar, Heard, HostEar
from edge_lp.measure.stream import Detection
from edge_lp.text import console, notice, plain

if TYPE_CHECKING:
    from rich.text import Text

    from edge_lp.hear.view import View


def output(
    ear: HostEar | BoardEar, model: str, as_json: bool, as_lines: bool, folder: str = "."
) -> View | Lines | JsonLines:
    """The live view, whose keys write into folder, where stdout is a terminal that has a cursor, if
    nothing else is asked for."""
    if as_json:
        return JsonLines()
    lines = Lines()
    if as_lines or not sys.stdout.isatty():
        return lines
    out = lines.console
    if not out.is_terminal or out.is_dumb_terminal:
        return lines
    from edge_lp.hear.view import View

    return View(out, ear, model, lines.show, folder)


class JsonLines:
    """A line of JSON a detection. quiet: what a command says would disturb what is shown."""

    over = quiet = False
    source = ""
    buffer = 0.0

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def keep(self, pcm: np.ndarray) -> None:
        pass

    def take(self, pcm: np.ndarray, heard: Heard, work: float, lost: int) -> None:
        for d in heard.detections:
            self.show(d)

    def show(self, d: Detection) -> None:
        import json

        print(json.dumps(asdict(d)), flush=True)

    def note(self, line: str) -> None:
        notice(line)


class Lines(JsonLines):
    """A line for a reader a detection."""

    @cached_property
    def console(self) -> Any:
        """Made for the first line: rich takes a tenth of the time that listening takes to start."""
        return console()

    def show(self, d: Detection) -> None:
        self.console.print(_line(d), soft_wrap=True)


def _line(d: Detection) -> Text:
    from rich.text import Text

    bar = "█" * round(20 * d.score)
    return Text.assemble(
        f"{d.t:8.2f} s  ",
        (f"{plain(d.keyword):<12}", "bold"),
        " ",
        (f"{bar:<20}", "green"),
        f" {d.score:.2f}",
    )
