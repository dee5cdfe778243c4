# SPDX-License-Identifier: Apache-2.0
"""What is heard, as a picture on a terminal: level, log-mels, layers, posteriors, detections."""

from __future__ import annotations

import contextlib
import functools
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_lp.hear.controls import HELP, Controls
from edge_lp.hear.detect import BoardEar, Heard, HostEar
from edge_lp.hear.terminal import Cell, Row, Terminal
from edge_lp.measure.stream import Detection
from edge_lp.runtime import FEATURES, SAMPLE_RATE
from edge_lp.text import notice, plain

if TYPE_CHECKING:
    from rich.style import Style
    from rich.text import Text

PERIOD = 0.15  # seconds between two pictures, at least,
SHARE = 0.25  # and of the time that may go into them: a slow machine listens, and draws less often
LINE = 18_000  # bytes a second that a line has for pictures, at most
COLUMN = 5  # frames in a column of the log-mels
HISTORY = 1024  # columns that are kept
LABEL = 8  # cells in front of each line
DARK, LIGHT = -5.5, 4.0  # log-mels, level removed: between them lie the colours
FLOOR = -60.0  # dB of full scale, left end of the meter
SILENT = 1.0  # seconds of exact zeros that are marked
MARKED = 2.0  # seconds for which clipping and a detection stand out
# from silence to sound: of 256 colours and of 16, and where there are none
COLORS = [f"color({c})" for c in (16, 17, 53, 54, 90, 126, 162, 197, 203, 209, 215, 222, 230)]
SIXTEEN = ["black", "blue", "magenta", "red", "yellow", "bright_white"]
NEURONS = [f"color({c})" for c in (16, 17, 18, 25, 32, 39, 81, 123, 195, 231)]
NEURONS_SIXTEEN = ["black", "blue", "cyan", "bright_cyan", "bright_white"]
DEEP = 6  # rows of a layer's neurons over time, at most, where there is room
SHADES = " .:-=+*#%@"
LEVELS = "▁▂▃▄▅▆▇█"
HALF = "▀"


class View:
    """A context manager: keep() each block that was heard, take() it with what it gave, note() each
    notice; `over` is set when q was pressed. buffer: seconds that a sample takes to get here. When
    the screen is as it was before, every detection is said by `show`, and every notice: they are
    not lost with the picture."""

    quiet = True  # what a command says would disturb the picture

    def __init__(
        self,
        console: Any,
        ear: HostEar | BoardEar,
        model: str,
        show: Callable[[Detection], None],
        folder: str = ".",
    ) -> None:
        self.terminal, self.ear, self._show = Terminal(console), ear, show
        self.model, self.source, self.buffer = plain(model), "", 0.0
        self.controls = Controls(ear, folder, self.note)
        self._open = False
        self.seconds, self.lost = 0.0, 0
        self.found: list[tuple[Detection, float]] = []  # and how long after it was said
        self.notes: list[str] = []
        n = len(ear.keywords)
        self.best = np.zeros(n)
        self._columns: deque[np.ndarray] = deque(maxlen=HISTORY)
        self._frames, self._new = np.zeros((0, FEATURES)), 0
        self._layers: list[np.ndarray] = []
        self._fired: list[np.ndarray] = []  # the most of each neuron since the last column
        self._past: deque[list[np.ndarray]] = deque(maxlen=HISTORY)  # and that in each column
        self._awake = False
        self._power = self._peak = self._load = self._delay = 0.0
        self._zeros, self._clipped = 0, -MARKED
        self._drawn, self._start = -PERIOD, float("inf")
        self._fresh = True

    @property
    def over(self) -> bool:
        return self.controls.over

    def __enter__(self) -> View:
        self.terminal.__enter__()
        self._open = True
        return self

    def __exit__(self, *exc: object) -> None:
        self.terminal.__exit__(*exc)
        self._open = False
        for line in self.notes:
            notice(line)
        for d, _ in self.found:
            if not self.terminal.gone:
                self._show(d)
        self.controls.close()

    # -------------------------------------------------------------------------- what is heard --

    def keep(self, pcm: np.ndarray) -> None:
        self.controls.take(pcm)

    def take(self, pcm: np.ndarray, heard: Heard, work: float, lost: int) -> None:
        """A block, what it gave, the seconds this took, samples lost so far; then keys, and a new
        picture if it is time."""
        length = len(pcm) / SAMPLE_RATE
        self.seconds += length
        self.lost = lost
        if len(pcm):
            heard_here = pcm if heard.peak is None else np.full(len(pcm), heard.peak)
            self._level(heard_here.astype(np.float64))
            self._load += (work / length - self._load) * min(1.0, length / 2)
        now = time.monotonic()
        if self.seconds:  # a source may take its time to begin
            self._start = min(self._start, now - self.seconds)
        self._delay = now - self._start - self.seconds
        self._layers = [np.sqrt(np.clip(a, 0, 1)) for a in heard.layers]  # faint ones are seen too
        self._fired = [np.maximum(*p) for p in zip(self._fired, self._layers)] or self._layers
        self._awake = heard.awake > 0
        if len(heard.posteriors):
            best = heard.posteriors[:, : len(self.best)].max(axis=0)
            self.best = best if self._fresh else np.maximum(self.best, best)
            self._fresh = False
        frames = np.concatenate([self._frames, heard.features / 1024])
        n = len(frames) // COLUMN
        self._columns.extend(frames[: n * COLUMN].reshape(n, COLUMN, FEATURES).max(axis=1))
        self._frames, self._new = frames[n * COLUMN :], self._new + n
        if n:
            self._past.extend([self._fired] * n)
            self._fired = self._layers
        for d in heard.detections:
            self.found.append((d, self.seconds - d.t))
        self._keys()
        if not self.controls.paused and now - self._drawn >= PERIOD:
            sent = self.draw()
            took = time.monotonic() - now
            self._drawn = now + max(0.0, took / SHARE - PERIOD, sent / LINE - PERIOD)

    def note(self, line: str) -> None:
        if self._open:
            self.notes.append(line)
        else:
            notice(line)

    def _level(self, x: np.ndarray) -> None:
        top = np.abs(x).max()
        self._power, self._peak = float(np.mean(x**2)), float(top)
        if (x == 32767).any() or (x == -32768).any():
            self._clipped = self.seconds
        self._zeros = 0 if top else self._zeros + len(x)

    def _keys(self) -> None:
        while key := self.terminal.key():
            self.controls.press(key)
            self.draw()

    # --------------------------------------------------------------------------- the picture --

    def draw(self) -> int:
        """-> the bytes that were sent."""
        width, height = self.terminal.console.size
        rows, moving = self.rows(width, height)
        by = min(self._new, max(0, width - LABEL))
        self._new, self._fresh = 0, True
        return self.terminal.draw(rows, moving, LABEL, by)

    def rows(self, width: int, height: int) -> tuple[list[Row], range]:
        """The picture, a line a row, and which of them scroll. The keywords come first, then the
        log-mels; then there are layers over time in place of the last one, and more detections."""
        if self.controls.help:
            shown: list[Row] = [self._header(width), *self._help(), self._footer()]
            return shown[:height], range(0)
        n = len(self._layers)
        words = max(1, min(len(self.best), height - 4 - n))
        tall = max(0, min(FEATURES // 2, height - 4 - n - words))
        deep = min(DEEP, (height - 5 - words - tall) // n) if n else 0
        deep = deep if deep > 1 and self._palette(NEURONS) else 0
        layers: list[Row] = []
        for i, a in enumerate(self._layers):
            layers += self._past_layer(i, deep, width) if deep else [self._layer(i, a, width)]
        words = max(1, height - 4 - len(layers) - tall)
        left, right = self._bars(words, width // 2), self._detections(words)
        return [
            self._header(width),
            self._meter(width),
            *self._mels(tall, width),
            *layers,
            *(_fit(a, width // 2).append_text(b) for a, b in zip(left, right)),
            self._note(),
            self._footer(),
        ], range(2, 2 + tall + deep * n)

    def _header(self, width: int) -> Text:
        paused, recorded = self.controls.paused, self.controls.recorded
        state = "paused: still listening" if paused else "listening"
        style = "bold yellow" if paused else "green"
        if wake := self.ear.keywords[: self.ear.config.wake_words]:
            state += ", awake" if self._awake else f", say {plain(' or '.join(wake))}"
            style = "bold reverse green" if self._awake and not paused else style
        if recorded is not None:
            state, style = f"recording {recorded:.1f} s", "bold red"
        clock = f"{int(self.seconds) // 60:d}:{self.seconds % 60:04.1f} "
        left = _text(
            (" edge-lp ", "bold reverse"), f" {self.model} ", ("· ", "dim"), plain(self.source)
        )
        return _fit(left, width - len(state) - len(clock) - 3).append_text(
            _text("  ", (state, style), f" {clock}")
        )

    def _meter(self, width: int) -> Text:
        rms, peak = _db(self._power**0.5), _db(self._peak)
        size = max(8, width - LABEL - 34)
        at, top = (round(size * min(1.0, max(0.0, 1 - x / FLOOR))) for x in (rms, peak))
        color = "red" if peak > -1 else "yellow" if peak > -6 else "green"
        mark: tuple[str, str] = ("", "")
        if self.seconds - self._clipped < MARKED and self._clipped >= 0:
            mark = ("CLIPPED", "bold red")
        elif self._zeros >= SILENT * SAMPLE_RATE:
            mark = ("SILENCE: muted?", "bold yellow")
        return _text(
            ("level   ", "dim"),
            ("▮" * at, color),
            ("▯" * max(0, top - at), color),
            (" " * (size - max(at, top)), ""),
            f" {rms:4.0f} dB, peak {peak:3.0f}  ",
            mark,
        )

    def _mels(self, tall: int, width: int) -> list[Row]:
        """The newest columns, low bands at the bottom."""
        if not tall:
            return []
        names = ["high", *[""] * (tall - 2), "low"][:tall]
        if tall > 2:
            names[tall // 2] = "mel"
        mel = _newest(self._columns, width - LABEL, FEATURES, DARK)[:, ::-1]
        value = (mel - DARK) / (LIGHT - DARK)
        return self._raster(value, names, self._palette(COLORS))

    def _past_layer(self, layer: int, deep: int, width: int) -> list[Row]:
        """A layer's neurons in the columns of the log-mels, several a band."""
        activity = self._layers[layer]
        past = [columns[layer] for columns in self._past]
        value = _newest(past, width - LABEL, len(activity), 0.0) ** 2  # the most of several is seen
        names = [f"layer {layer + 1}", f"{_active(activity)} %", *[""] * (deep - 2)]
        return self._raster(value, names, self._palette(NEURONS))

    def _raster(self, value: np.ndarray, names: list[str], colors: list[str]) -> list[Row]:
        """(cells, bands) 0..1 in as many rows as there are names, the first band at the top. Two
        bands a cell where there are colours: the upper one is the character's, the lower one the
        background's."""
        n, rows = len(colors or SHADES), len(names)
        edges = np.linspace(0, value.shape[1], (2 if colors else 1) * rows + 1).astype(int)[:-1]
        level = np.clip(np.maximum.reduceat(value, edges, axis=1).T * n, 0, n - 1).astype(int)
        out: list[Row] = []
        for i, name in enumerate(names):
            name = f"{name:>{LABEL - 1}} "
            if colors:
                row: list[Cell] = [(c, _style("dim")) for c in name]
                pairs = zip(level[2 * i].tolist(), level[2 * i + 1].tolist())
                out.append(row + [(HALF, _style(f"{colors[a]} on {colors[b]}")) for a, b in pairs])
            else:
                out.append(_text((name, "dim"), "".join(SHADES[a] for a in level[i])))
        return out

    def _palette(self, colors: list[str]) -> list[str]:
        """These, or what a terminal of 16 colours, or of none, has for them."""
        console = self.terminal.console
        if console.no_color or not console.color_system or not _has(console, HALF):
            return []
        few = SIXTEEN if colors is COLORS else NEURONS_SIXTEEN
        return few if console.color_system in ("standard", "windows") else colors

    def _layer(self, index: int, activity: np.ndarray, width: int) -> Text:
        """A layer's neurons side by side, several a cell where there is no room for all."""
        size = max(1, min(len(activity), width - LABEL - 13))
        edges = np.linspace(0, len(activity), size + 1).astype(int)[:-1]
        top = np.maximum.reduceat(activity, edges)
        marks = " " + LEVELS if _has(self.terminal.console, LEVELS) else SHADES
        n = len(marks)
        bars = "".join(marks[int(min(n - 1, max(0.0, a * n)))] for a in top)
        return _text(
            (f"layer {index + 1} ", "dim"),
            (bars, "magenta"),
            f" {_active(activity)} % active",
        )

    def _bars(self, count: int, width: int) -> list[Text]:
        """The best posterior of each keyword since the last picture, against its threshold. Where
        there is no room for all, the selected one and the likeliest."""
        order, selected = list(range(len(self.best))), self.controls.selected
        if len(self.best) > count:
            first = -self.best - 2 * (np.arange(len(self.best)) == selected)
            order = sorted(int(k) for k in np.argsort(first, kind="stable")[:count])
        size = max(4, width - 26)
        thresholds = np.resize(self.ear.config.thresholds, len(self.best))
        rows = []
        for k in order:
            p, t = self.best[k], thresholds[k]
            over, at, cut = p >= t, round(2 * size * p), min(size - 1, round(size * t))
            bar = f"{'━' * (at // 2) + '╸' * (at % 2):<{size}}"
            style = "bold green" if over else "cyan"
            rows.append(
                _fit(self._name(k, over), 11)
                .append(bar[:cut], style)
                .append("│", "bold green" if over else "yellow")
                .append(bar[cut + 1 :], style)
                .append(f" {p:.2f}", "bold" if over else "")
                .append(f" ≥{t:.2f}" if k == selected else "", "yellow")
            )
        return rows + [_text("") for _ in range(count - len(rows))]

    def _name(self, keyword: int, over: bool) -> Text:
        selected = keyword == self.controls.selected
        style = ("bold " if over else "") + ("reverse" if selected else "")
        return _text(">" if selected else " ", (plain(self.ear.keywords[keyword]), style.strip()))

    def _help(self) -> list[Text]:
        return [
            _text(""),
            *(_text((f"{key:>9}   ", "bold"), what) for key, what in HELP),
            _text(""),
        ]

    def _detections(self, count: int) -> list[Text]:
        rows = [
            _text((f"{'time':>9}   {'word':<11} score   after", "dim")),
        ]
        for d, after in self.found[:-count:-1]:
            new = self.seconds - d.t - after < MARKED
            word = _fit(_text((f" {plain(d.keyword)} ", "bold reverse green" if new else "")), 12)
            rows.append(
                _text(f"{d.t:7.2f} s  ")
                .append_text(word)
                .append(f"  {d.score:.2f}  {after:5.2f} s")
            )
        if not self.found:
            rows.append(_text(("            nothing yet", "dim")))
        return (rows + [_text("") for _ in range(count)])[:count]

    def _note(self) -> Text:
        return _text((plain(self.notes[-1]) if self.notes else "", "yellow"))

    def _footer(self) -> Text:
        return _text(
            f" {100 * self._load:.1f} % of real time · ",
            f"{1000 * (self.buffer + max(0, self._delay)):.0f} ms behind · ",
            (f"{self.lost} samples lost", "bold red" if self.lost else ""),
            (" · ", "dim"),
            ("?", "bold"),
            " help  ",
            ("q", "bold"),
            " quit",
        )


def _db(amplitude: float) -> float:
    """Of full scale, down to one count."""
    return 20 * float(np.log10(max(1.0, amplitude) / 32768))


def _active(activity: np.ndarray) -> str:
    """Percent of the neurons; activity: roots."""
    return f"{100 * float((activity > 0.1).mean()):3.0f}"


def _newest(columns: Iterable[np.ndarray], cells: int, bands: int, empty: float) -> np.ndarray:
    """(cells, bands), the newest column at the right."""
    value = np.full((max(0, cells), bands), empty)
    shown = list(columns)[-cells:] if cells > 0 else []
    if shown:
        value[-len(shown) :] = shown
    return value


def _has(console: Any, marks: str) -> bool:
    with contextlib.suppress(UnicodeError, LookupError):
        return bool(marks.encode(console.encoding))
    return False


@functools.cache
def _style(words: str) -> Style:
    from rich.style import Style

    return Style.parse(words)


def _text(*parts: Any) -> Text:
    from rich.text import Text

    return Text.assemble(*parts, no_wrap=True, overflow="crop", end="")


def _fit(text: Text, cells: int) -> Text:
    """Exactly so wide."""
    text.truncate(max(0, cells), pad=True)
    return text
