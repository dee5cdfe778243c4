# SPDX-License-Identifier: Apache-2.0
"""A terminal as a grid of cells, of which only those that change are sent; and its keys.

rich makes the styles and knows the terminal; its own Live would send the whole screen each time.
What scrolls is moved by the terminal itself (DCH,
ECMA-48 8.3.26), so that only the new columns are sent."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import select
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from rich.text import Text

# empty when it is left: of a window that grew meanwhile, tmux keeps lines of the other screen
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[0m\x1b[1;1H\x1b[2J\x1b[?25h\x1b[?1049l"
BRIDGE = 6  # cells of one style that are cheaper to send again than to jump over
# what a key sends: an escape sequence (ECMA-48 5.4), or a character
KEY = re.compile(r"\x1b[\[O][0-?]*[ -/]*[@-~]|.", re.DOTALL)
ARROWS = {
    f"\x1b{c}{k}": name for c in "[O" for k, name in zip("ABCD", ("up", "down", "right", "left"))
}
# SGR (ECMA-48 8.3.117) of a text and a background colour and nothing else
GROUND = re.compile(r"(38;5;\d+|[39]\d);(48;5;\d+|4\d|10\d)")
Cell = tuple[str, Any]  # a character, or "" behind a wide one, and its rich style
Row = Union["Text", list[Cell]]


class Terminal:
    """A context manager: the alternate screen without a cursor, keys without Enter; what was there
    before comes back in any case. A terminal that is gone is KeyboardInterrupt, as SIGHUP is."""

    def __init__(self, console: Any, write: Callable[[bytes], None] | None = None) -> None:
        from rich.console import COLOR_SYSTEMS

        self.console, self.gone = console, False
        self._colors = COLOR_SYSTEMS.get(console.color_system or "")
        self._write = write or _to(console.file)
        self._shown: list[list[Cell]] = []
        self._keys: int | None = None
        self._typed = ""
        self._before: Any = None

    def __enter__(self) -> Terminal:
        # keys come from stdin: there are none where it is the sound
        with contextlib.suppress(OSError, ValueError):
            if os.isatty(sys.stdin.fileno()):
                import termios
                import tty

                self._keys = sys.stdin.fileno()
                self._before = termios.tcgetattr(self._keys)
                tty.setcbreak(self._keys)
        self._send(ENTER)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._before is not None and self._keys is not None:
            import termios

            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(self._keys, termios.TCSANOW, self._before)
        with contextlib.suppress(KeyboardInterrupt):
            self._send(LEAVE)

    def key(self) -> str:
        """The key that was pressed, arrows by name, or nothing; never waits."""
        if self._keys is not None and select.select([self._keys], [], [], 0)[0]:
            with contextlib.suppress(OSError):
                self._typed += os.read(self._keys, 64).decode("latin-1")
        if not (pressed := KEY.match(self._typed)):
            return ""
        self._typed = self._typed[pressed.end() :]
        return ARROWS.get(pressed[0], pressed[0])

    def draw(
        self, rows: Sequence[Row], moving: range = range(0), left: int = 0, by: int = 0
    ) -> int:
        """Shows rows, one a line of the screen; cells are cheaper than text. moving: those that
        are, from column `left` to the end, what they were, `by` columns further to the left, but
        for what is new. Returns the bytes that were sent."""
        width, height = self.console.size
        now = [self._cells(row, width) for row in rows[:height]]
        out = []
        if [len(r) for r in self._shown] != [width] * len(now):
            out.append("\x1b[0m\x1b[2J")
            blank = (" ", self._style(None))
            self._shown = [[blank] * width for _ in now]
        elif by:
            for y in moving:
                out.append(f"\x1b[{y + 1};{left + 1}H\x1b[{by}P")
                row = self._shown[y]
                row[left:] = (row[left + by :] + [(" ", self._style(None))] * by)[: width - left]
        for y, (before, row) in enumerate(zip(self._shown, now)):
            out += [
                f"\x1b[{y + 1};{a + 1}H" + self._text(row[a:b]) for a, b in _changes(before, row)
            ]
        self._shown = now
        return self._send("".join(out))

    def _style(self, style: Any) -> Any:
        from rich.style import Style

        style = style or Style.null()
        return style.without_color if self.console.no_color else style

    def _cells(self, row: Row, width: int) -> list[Cell]:
        from rich.cells import cell_len

        if isinstance(row, list):
            return (row + [(" ", self._style(None))] * (width - len(row)))[:width]
        cells: list[Cell] = []
        for segment in row.render(self.console):
            style = self._style(segment.style)
            for c in segment.text:
                cells += [(c, style), *[("", style)] * (cell_len(c) - 1)][: cell_len(c)]
        if len(cells) > width and cells[width][0] == "":  # half of a wide character
            cells[width - 1] = (" ", cells[width - 1][1])
        return (cells + [(" ", self._style(None))] * (width - len(cells)))[:width]

    def _text(self, cells: list[Cell]) -> str:
        """Between two pairs of colours only what differs is sent."""
        out, at = [], 0
        ground: tuple[str, ...] = ()  # the colours that are set, where nothing else is
        styled = False
        while at < len(cells):
            end = at
            style = cells[at][1]  # comparing styles takes long, and most are the same object
            while end < len(cells) and (cells[end][1] is style or cells[end][1] == style):
                end += 1
            codes = _codes(style, self._colors)
            pair = GROUND.fullmatch(codes)
            if styled and not (ground and pair):
                out.append("\x1b[0m")
            if pair and ground:
                codes = ";".join(new for new, old in zip(pair.groups(), ground) if new != old)
            if codes:
                out.append(f"\x1b[{codes}m")
            out += [c for c, _ in cells[at:end]]
            ground, styled, at = pair.groups() if pair else (), bool(pair or codes), end
        return "".join(out) + "\x1b[0m" * styled

    def _send(self, text: str) -> int:
        if self.gone or not text:
            return 0
        data = text.encode(self.console.encoding, "edge-lp")
        try:
            self._write(data)
        except OSError as e:
            self.gone = True
            if e.errno not in (errno.EIO, errno.EPIPE, errno.EBADF):
                raise
            raise KeyboardInterrupt from None
        return len(data)


@functools.cache
def _codes(style: Any, colors: Any) -> str:
    """The parameters of SGR that set a style; nothing: none has to be set."""
    return style.render("|", color_system=colors).partition("|")[0].removeprefix("\x1b[")[:-1]


def _changes(before: list[Cell], now: list[Cell]) -> list[tuple[int, int]]:
    """Stretches of cells to send."""
    found: list[tuple[int, int]] = []
    for x in (x for x, (a, b) in enumerate(zip(before, now)) if a != b):
        start = x
        while now[start][0] == "" and start:  # from its first half on
            start -= 1
        if found and (
            start <= found[-1][1]
            or start - found[-1][1] <= BRIDGE
            and len({style for _, style in now[found[-1][1] - 1 : start + 1]}) == 1
        ):
            found[-1] = (found[-1][0], x + 1)
        else:
            found.append((start, x + 1))
    return found


def _to(file: Any) -> Callable[[bytes], None]:
    """Past the file's buffer, in which nothing can be left then when the terminal goes."""

    def write(data: bytes) -> None:
        file.flush()
        while data:
            data = data[os.write(file.fileno(), data) :]

    return write
