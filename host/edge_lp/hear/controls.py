# SPDX-License-Identifier: Apache-2.0
"""What the keys of the live view do. Each has an option that does the same without a view:
`--threshold`, `--record`; what `s` saves, `--record` and `edge-lp explain` give."""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_lp.audio.record import Recorder, wav_header
from edge_lp.errors import EdgeLpError
from edge_lp.files import write_file
from edge_lp.hear.detect import BoardEar, BoardMicrophone, HostEar
from edge_lp.runtime import SAMPLE_RATE
from edge_lp.text import Notice

if TYPE_CHECKING:
    import subprocess
    import tempfile

STEP = 0.01  # of a posterior, by which + and - move a threshold
LAST = 10  # seconds that `s` saves
HELP = (
    ("↑ ↓", "select a keyword"),
    ("+ -", f"its threshold, by {STEP}"),
    ("space", "hold the picture; listening goes on"),
    ("r", "record to a file; r again ends it"),
    ("s", f"save the last {LAST} seconds: the sound and a picture of it"),
    ("?", "this help, and back"),
    ("q", "quit, with the summary and the thresholds that were changed"),
)


@dataclass(frozen=True)
class _Drawing:
    process: subprocess.Popen[bytes]
    folder: tempfile.TemporaryDirectory[str]
    picture: Path


class Controls:
    """press() each key, take() each block that was heard, close() at the end. selected: the keyword
    of + and -, by index; over, paused, help: what the view is to be. What cannot be written is a
    notice and nothing else: listening goes on."""

    def __init__(self, ear: HostEar | BoardEar, folder: str, note: Notice) -> None:
        self._ear, self._folder, self._note = ear, Path(folder), note
        self.selected = 0
        self.over = self.paused = self.help = False
        self._last: deque[np.ndarray] = deque()
        self._held = 0  # samples in _last
        self._recorder: Recorder | None = None
        self._drawing: _Drawing | None = None

    @property
    def recorded(self) -> float | None:
        """Seconds in the recording that goes on; None: none does."""
        return self._recorder.samples / SAMPLE_RATE if self._recorder else None

    def take(self, pcm: np.ndarray) -> None:
        self._last.append(pcm)
        self._held += len(pcm)
        while self._held - len(self._last[0]) >= LAST * SAMPLE_RATE:
            self._held -= len(self._last.popleft())
        if self._recorder:
            self._recorder.write(pcm)
        if self._drawing and self._drawing.process.poll() is not None:
            self._drawn()

    def press(self, key: str) -> None:
        """What is no key of ours does nothing."""
        n = len(self._ear.keywords)
        if key == "q":
            self.over = True
        elif key == " ":
            self.paused = not self.paused
        elif key == "?":
            self.help = not self.help
        elif key in ("up", "down") and n:
            self.selected = (self.selected + (1 if key == "down" else -1)) % n
        elif key in ("+", "=", "-", "_") and n:
            self._move(STEP if key in "+=" else -STEP)
        elif key in ("r", "s") and isinstance(self._ear, BoardMicrophone):
            self._note("note: the samples stay on the board: there is nothing to record here")
        elif key == "r":
            self._record()
        elif key == "s":
            self._save()

    def _move(self, by: float) -> None:
        config = self._ear.config
        values = np.resize(config.thresholds, len(self._ear.keywords))
        values[self.selected] = round(min(1.0, max(0.0, values[self.selected] + by)), 2)
        self._ear.configure(replace(config, thresholds=tuple(values.tolist())))

    def _name(self, suffix: str) -> Path:
        """A name that nothing has yet."""
        stem, n = time.strftime("edge-lp-%Y%m%d-%H%M%S"), 1
        while (path := self._folder / f"{stem}{f'-{n}' if n > 1 else ''}{suffix}").exists():
            n += 1
        return path

    def _record(self) -> None:
        if self._recorder:
            recorder, self._recorder = self._recorder, None
            recorder.__exit__(None, None, None)
            seconds = recorder.samples / SAMPLE_RATE
            self._note(f"{recorder.path}: {seconds:.1f} s recorded")
            return
        try:
            self._recorder = Recorder(str(self._name(".wav")), self._note)
        except EdgeLpError as e:
            self._note(f"note: {e}")

    def _save(self) -> None:
        if self._drawing:
            self._note("note: still drawing the last picture; press s again in a moment")
            return
        pcm = np.concatenate([*self._last, np.zeros(0, np.int16)])
        path = self._name(".wav")
        try:
            write_file(path, wav_header(2 * len(pcm)) + pcm.astype("<i2").tobytes())
        except EdgeLpError as e:
            self._note(f"note: {e}")
            return
        self._note(f"{path}: the last {len(pcm) / SAMPLE_RATE:.1f} s")
        if isinstance(self._ear, BoardEar):
            self._note("note: no picture: the network is on the board")
            return
        self._draw(self._ear.data, path)

    def _draw(self, data: bytes, path: Path) -> None:
        """By a process of its own: listening would stand still for seconds."""
        import subprocess
        import tempfile

        folder = tempfile.TemporaryDirectory(prefix="edge-lp-")
        model, picture = Path(folder.name, "model.lpb"), path.with_suffix(".png")
        words = [sys.executable, "-m", "edge_lp", "explain", str(model), str(path)]
        try:
            write_file(model, data)
            process = subprocess.Popen(
                [*words, "-o", str(picture)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C ends the listening, not the picture
            )
        except (OSError, EdgeLpError) as e:
            folder.cleanup()
            self._note(f"note: no picture: {e}")
            return
        self._drawing = _Drawing(process, folder, picture)

    def _drawn(self) -> None:
        """What became of the picture, once it is done; waits for it."""
        if not self._drawing:
            return
        done, self._drawing = self._drawing, None
        _, said = done.process.communicate()
        done.folder.cleanup()
        if done.process.returncode:
            last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
            self._note(f"note: no picture: {last}")
        else:
            self._note(f"{done.picture}: a picture of them")

    def close(self) -> None:
        """Ends a recording that goes on, and waits for a picture."""
        if self._recorder:
            self._record()
        self._drawn()
