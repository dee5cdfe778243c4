# SPDX-License-Identifier: Apache-2.0
"""Pictures of the live view of `edge-lp listen`, and of `edge-lp record`, as tmux shows them, for
the documentation.

    python tools/screens.py docs

Writes listen-80x24.png, listen-200x50.png, listen-16-colours.png, listen-no-color.txt, listen.gif
and record.png there. A synthesised stream of words is listened to at real time in a tmux window of
the picture's size, and synthesised takes are recorded; its cells are drawn with matplotlib's DejaVu
Sans Mono. Needs tmux and the extra demo."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import soundfile
from edge_lp.audio.synth import say
from edge_lp.hear.demo import compose
from edge_lp.hear.takes import COUNT, COUNTDOWN, WINDOW
from edge_lp.model.find import read_model
from edge_lp.runtime import Model
from PIL import Image, ImageDraw, ImageFont
from rich.color import Color
from rich.terminal_theme import SVG_EXPORT_THEME as THEME
from rich.text import Text

CELL = (8, 16)  # pixels
SOCKETS = (f"edge-lp-{time.time_ns()}" for _ in itertools.count())  # a server for each window
FRAMES, EVERY = 40, 0.2  # of the moving picture; seconds
PYTHON = f"{sys.executable} -m edge_lp"
LISTEN = f"{PYTHON} listen --speed real --device words.wav"
SLOWLY = """# as a microphone brings it: a tenth of a second in a tenth of a second
import sys, time
with open("takes.raw", "rb") as f:
    while block := f.read(3200):
        sys.stdout.buffer.write(block)
        sys.stdout.flush()
        time.sleep(0.1)
"""
MOVES = {14: "Down", 16: "Down", 18: "+", 19: "+", 20: "+"}  # keys, by frame


Tmux = Callable[..., str]


def tmux(socket: str, *words: str) -> str:
    run = subprocess.run(["tmux", "-L", socket, *words], capture_output=True, text=True, check=True)
    return run.stdout


@contextlib.contextmanager
def window(
    width: int, height: int, folder: Path, command: str = LISTEN, until: str = "score"
) -> Iterator[Tmux]:
    """tmux on a command in a window of this size, from when it says `until` on, until the context
    is left."""
    on = partial(tmux, next(SOCKETS))
    on("new-session", "-d", "-x", str(width), "-y", str(height), f"cd {folder}; {command}; sleep 9")
    try:
        while until not in on("capture-pane", "-p"):
            time.sleep(0.02)
        yield on
    finally:
        on("kill-server")


def capture(on: Tmux) -> str:
    return on("capture-pane", "-p", "-e")


def rgb(color: Color | None, foreground: bool) -> tuple[int, int, int]:
    return tuple((color or Color.default()).get_truecolor(THEME, foreground))


def draw(screen: str, width: int, height: int) -> Image.Image:
    """A captured screen, cell by cell."""
    fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
    plain, bold = (
        ImageFont.truetype(str(fonts / f"DejaVuSansMono{name}.ttf"), 13) for name in ("", "-Bold")
    )
    image = Image.new("RGB", (width * CELL[0], height * CELL[1]), rgb(None, False))
    pen = ImageDraw.Draw(image)
    for y, line in enumerate(screen.splitlines()[:height]):
        text = Text.from_ansi(line)
        for x, c in enumerate(text.plain[:width]):
            style = text.get_style_at_offset(_console(), x)
            front, back = rgb(style.color, True), rgb(style.bgcolor, False)
            if style.reverse:
                front, back = back, front
            if style.dim:
                front = tuple((a + b) // 2 for a, b in zip(front, back))
            left, top = x * CELL[0], y * CELL[1]
            right, bottom = left + CELL[0] - 1, top + CELL[1] - 1
            pen.rectangle((left, top, right, bottom), back)
            if c == "▀":
                pen.rectangle((left, top, right, top + CELL[1] // 2 - 1), front)
            elif c == "█":
                pen.rectangle((left, top, right, bottom), front)
            elif c in "━╸":
                middle = top + CELL[1] // 2
                pen.rectangle((left, middle - 2, left + (7 if c == "━" else 3), middle + 1), front)
            elif c in "▁▂▃▄▅▆▇":
                full = CELL[1] * (1 + "▁▂▃▄▅▆▇".index(c)) // 8
                pen.rectangle((left, bottom + 1 - full, right, bottom), front)
            elif c != " ":
                pen.text((left, top), c, front, bold if style.bold else plain)
    return image


def _console():
    from rich.console import Console

    return Console(color_system="truecolor")


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = Model(read_model("commands12")).keywords
        soundfile.write(folder / "words.wav", compose(words)[0], 16000)
        for file, width, height, environment in (
            ("listen-80x24.png", 80, 24, ""),
            ("listen-200x50.png", 200, 50, ""),
            ("listen-16-colours.png", 80, 24, "TERM=linux COLORTERM="),
            ("listen-no-color.txt", 80, 24, "NO_COLOR=1"),
        ):
            with window(width, height, folder, f"{environment} {LISTEN}") as on:
                while "0:10." not in on("capture-pane", "-p").partition("\n")[0]:
                    time.sleep(0.05)
                screen = capture(on)
            if file.endswith(".txt"):
                (out / file).write_text(without_colours(screen), encoding="utf-8")
            else:
                draw(screen, width, height).save(out / file, optimize=True)
        moving(out / "listen.gif", folder)
        recording(out / "record.png", folder)


def recording(path: Path, folder: Path) -> None:
    """Five takes of a word: a good one, a silent one, one that clips, a good one, and one that is
    being said. From a pipe at real time, as a microphone would bring it."""
    rest = len(COUNTDOWN) * COUNT + WINDOW
    word = say("lights").astype(float) * 0.4
    takes = np.random.default_rng(1).normal(0, 12, (5, rest))
    for take, gain in zip(takes, (1.0, 0.0, 9.0, 0.8, 1.0)):
        take[rest - WINDOW + 9000 :][: len(word)] += gain * word
    pcm = np.clip(takes, -32768, 32767).astype(np.int16)
    (folder / "takes.raw").write_bytes(pcm.tobytes())
    (folder / "slowly.py").write_text(SLOWLY)
    command = "record lights --out mine --speaker anna --takes 3"
    line = f"printf '$ edge-lp {command}\\n'; {sys.executable} slowly.py | "
    line += f"{PYTHON} {command} --device -"
    with window(110, 8, folder, line, "take 3 of 3: say 'lights' now") as on:
        while "▮▮▮▮▮▮▮▮▮▮" not in on("capture-pane", "-p").rstrip().splitlines()[-1]:
            time.sleep(0.02)
        draw(capture(on), 110, 8).save(path, optimize=True)


def without_colours(screen: str) -> str:
    return "\n".join(Text.from_ansi(line).plain.rstrip() for line in screen.splitlines()) + "\n"


def moving(path: Path, folder: Path) -> None:
    screens, at = [], []
    with window(80, 24, folder) as on:
        start = time.monotonic()
        for i in range(FRAMES):
            if i in MOVES:
                on("send-keys", MOVES[i])
            screens.append(capture(on))
            at.append(time.monotonic() - start)
            time.sleep(max(0.0, (i + 1) * EVERY - at[-1]))
    images = [draw(s, 80, 24).quantize(32, dither=Image.Dither.NONE) for s in screens]
    took = [round(1000 * (b - a)) for a, b in zip(at, at[1:])] + [1500]
    images[0].save(path, save_all=True, append_images=images[1:], duration=took, loop=0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
