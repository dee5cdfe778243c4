# SPDX-License-Identifier: Apache-2.0
"""Detections for a reader: lines, and on a terminal a level meter below them."""

from __future__ import annotations

import contextlib
import math

import numpy as np

from edge_lp.hear.detect import Detection
from edge_lp.text import console, plain


class Screen:
    """Detections for a reader: one line each, and on a terminal a level meter below them."""

    def __init__(self) -> None:
        from rich.live import Live

        self.console = console()
        self.live = (
            Live(console=self.console, refresh_per_second=10, transient=True)
            if self.console.is_terminal
            else None
        )

    def start(self) -> None:
        if self.live:
            self.live.start()

    def stop(self) -> None:
        """Takes the meter away and shows the cursor again, if the terminal is still there."""
        if self.live:
            with contextlib.suppress(OSError):
                self.live.stop()

    def meter(self, t: float, pcm: np.ndarray) -> None:
        """The level of a block, -60 to 0 dB of full scale."""
        if self.live and len(pcm):
            from rich.text import Text

            db = 20 * math.log10(
                max(1.0, float(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)))) / 32768
            )
            filled = round(max(0.0, 1 + db / 60) * 30)
            bar = "▮" * filled + "▯" * (30 - filled)
            self.live.update(Text(f"{t:8.2f} s  {bar} {db:4.0f} dB", "dim"))

    def show(self, d: Detection) -> None:
        from rich.text import Text

        bar = "█" * round(20 * d.score)
        self.console.print(
            Text.assemble(
                f"{d.t:8.2f} s  ",
                (f"{plain(d.keyword):<12}", "bold"),
                " ",
                (f"{bar:<20}", "green"),
                f" {d.score:.2f}",
            ),
            soft_wrap=True,
        )
