# SPDX-License-Identifier: Apache-2.0
"""Detections for a reader: lines, and on a terminal a level meter below them."""

from __future__ import annotations

import math

import numpy as np

from edge_lp.hear.detect import Detection


class Screen:
    """Detections for a reader: one line each, and on a terminal a level meter below them."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self.console = Console(highlight=False)
        self.live = (
            Live(console=self.console, refresh_per_second=10, transient=True)
            if self.console.is_terminal
            else None
        )

    def __enter__(self) -> Screen:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.live:
            self.live.stop()

    def meter(self, t: float, pcm: np.ndarray) -> None:
        """The level of a block, -60 to 0 dB of full scale."""
        if self.live and len(pcm):
            db = 20 * math.log10(
                max(1.0, float(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)))) / 32768
            )
            filled = round(max(0.0, 1 + db / 60) * 30)
            self.live.update(
                f"[dim]{t:8.2f} s  {'▮' * filled}{'▯' * (30 - filled)} {db:4.0f} dB[/dim]"
            )

    def show(self, d: Detection) -> None:
        bar = "█" * round(20 * d.score)
        self.console.print(
            f"{d.t:8.2f} s  [bold]{d.keyword:<12}[/bold] [green]{bar:<20}[/green] {d.score:.2f}"
        )
