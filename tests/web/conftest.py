# SPDX-License-Identifier: Apache-2.0
"""The page, and a browser, for all tests of it."""

import functools
import http.server
import shutil
import subprocess
import threading

import pytest
import soundfile
from paths import ROOT

WAIT = 180_000  # ms: a machine that does other things, too, takes its time to start a browser


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The page as `make web` builds it, with recordings beside it, served on this machine."""
    for program in ("clang", "wasm-ld"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    pytest.importorskip("espeakng_loader", reason="espeakng-loader is not installed")
    from edge_lp.hear.demo import compose

    folder = tmp_path_factory.mktemp("web")
    done = subprocess.run(
        [ROOT / "tools" / "web.sh", folder], capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split()[0]) < 100_000, done.stdout
    pcm, _ = compose(["yes", "no", "left"])
    soundfile.write(folder / "words.wav", pcm, 16000, subtype="PCM_16")
    soundfile.write(folder / "words.flac", pcm, 16000, subtype="PCM_16")
    (folder / "no.wav").write_bytes(b"this is not a recording")
    (folder / "cut.lpb").write_bytes((folder / "model.lpb").read_bytes()[:1000])
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def chromium():
    """Chromium's arguments, a context's options -> a context of a running Chromium, whose waits are
    as patient as expect's. Of one module: while it is there, asyncio.run is not."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if not program:
        pytest.skip("Chromium is not installed")
    sync_api.expect.set_options(timeout=WAIT)
    with sync_api.sync_playwright() as p:

        def start(*arguments, **options):
            browser = p.chromium.launch(
                executable_path=program,
                args=["--no-sandbox", "--disable-background-networking", *arguments],
                timeout=WAIT,
            )
            context = browser.new_context(**options)
            context.set_default_timeout(WAIT)
            return context

        yield start
