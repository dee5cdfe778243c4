# SPDX-License-Identifier: Apache-2.0
"""Pictures of the web page in Chromium, for the documentation.

    python tools/pages.py docs

Writes web.png and web-dark.png (a desktop, light and dark) and web-phone.png (a phone, dark, the
shipped model with a wake word) there, after synthesised words as a recording. Needs Chromium, clang
and lld, and the extras dev and demo."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import soundfile
from edge_lp.hear.demo import compose
from edge_lp.model.find import read_model, write_model
from playwright.sync_api import sync_playwright

RATE = 16000
DESKTOP = {"width": 1100, "height": 900}
PHONE = {"width": 390, "height": 844}
PICTURES = (  # file, its viewport, scheme, what the page is asked for
    ("web.png", DESKTOP, "light", "?audio=words.wav"),
    ("web-dark.png", DESKTOP, "dark", "?audio=words.wav"),
    ("web-phone.png", PHONE, "dark", "?model=computer.lpb&audio=awake.wav"),
)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def prepare(folder: Path) -> None:
    """The page, and what it is asked for: words that it hears at a glance, and ones that end while
    it is awake."""
    subprocess.run([Path(__file__).parent / "web.sh", folder], check=True, stdout=sys.stderr)
    write_model(folder / "computer.lpb", read_model("computer"))
    words, _ = compose(["yes", "stop", "left", "go"], seed=10)
    awake, _ = compose(["computer", "stop", "yes", "computer", "left"], seed=3)
    soundfile.write(folder / "words.wav", words[: 5 * RATE], RATE)
    soundfile.write(folder / "awake.wav", awake[: 76 * RATE // 10], RATE)


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as name, sync_playwright() as p:
        prepare(Path(name))
        browser = p.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"], timeout=180_000
        )
        handler = functools.partial(Quiet, directory=name)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            for file, viewport, scheme, asked in PICTURES:
                page = browser.new_page(viewport=viewport, color_scheme=scheme)
                page.set_default_timeout(180_000)
                page.goto(f"http://127.0.0.1:{server.server_port}/{asked}")
                page.wait_for_selector("body[data-done]", state="attached")
                # the last frames are drawn in the next picture
                page.evaluate(
                    "() => new Promise((done) =>"
                    " requestAnimationFrame(() => requestAnimationFrame(done)))"
                )
                page.screenshot(path=out / file, full_page=True)
                page.close()
            server.shutdown()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
