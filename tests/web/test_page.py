# SPDX-License-Identifier: Apache-2.0
"""The web page in headless Chromium: the same C, so the same bits as on this machine; and what it
says when something is wrong."""

import functools
import http.server
import json
import shutil
import subprocess
import threading

import numpy as np
import pytest
import soundfile
from edge_lp.audio.files import read_file
from edge_lp.model.find import read_model
from edge_lp.runtime import FRAME_SECONDS, Frontend, Model, Net, Spotter
from paths import ROOT

TAIL = np.zeros(2 * 16000, np.int16)  # what the page hears behind a recording
WAIT = 120_000  # ms


def need(name, *programs):
    for program in programs:
        if shutil.which(program):
            return shutil.which(program)
    pytest.skip(f"{name} is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The page as `make web` builds it, with recordings beside it, served on this machine."""
    need("clang", "clang")
    need("lld", "wasm-ld")
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


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def browser(site):
    """arguments -> a running Chromium; all are closed at the end."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = need("Chromium", "chromium", "chromium-browser", "google-chrome")
    with sync_api.sync_playwright() as p:
        yield lambda *arguments: p.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-background-networking", *arguments],
        )


def digest(values):
    """What app.js computes of all features and logits: sum = 31 sum + x, modulo 2^32, signed."""
    total = 0
    for x in values.ravel().tolist():
        total = (31 * total + x) & 0xFFFFFFFF
    return str(total - (1 << 32) if total >> 31 else total)


@pytest.mark.parametrize("name", ["words.wav", "words.flac"])
def test_the_same_bits_as_on_this_machine(site, browser, name):
    folder, url = site
    pcm = np.concatenate([read_file(folder / name), TAIL])
    model = Model(read_model("commands12"))
    features = Frontend().push(pcm)
    expected = [
        (round(e.middle * FRAME_SECONDS, 2), model.labels[e.label], e.score)
        for e in Spotter(model).push(pcm)
    ]
    assert len(expected) >= 3
    page = browser().new_page()
    page.goto(f"{url}?audio={name}")
    page.wait_for_selector("body[data-done]", state="attached", timeout=WAIT)
    data = page.evaluate("({...document.body.dataset})")
    assert data["features"] == digest(features)
    assert data["logits"] == digest(Net(model).push(features))
    items = page.eval_on_selector_all("#heard li", "all => all.map(x => x.dataset.event)")
    heard = [json.loads(item) for item in reversed(items)]
    assert [(e["t"], e["keyword"], e["score"]) for e in heard] == expected
    assert "3 detections" in page.inner_text("#status") or len(expected) > 3
    painted = page.evaluate(
        "() => { const c = document.getElementById('spectrogram');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return new Set(d).size }"
    )
    assert painted > 50, "the spectrogram is a picture of many colours"
    page.context.browser.close()


@pytest.mark.parametrize(
    "query, says",
    [
        ("model=cut.lpb", "cut.lpb: the file is cut off"),
        ("model=none.lpb", "none.lpb: 404"),
        ("model=no.wav", "no.wav: not an .lpb model"),
        ("audio=no.wav", "no.wav is not a recording that this browser can read."),
    ],
)
def test_one_clear_line(site, browser, query, says):
    page = browser().new_page()
    page.goto(f"{site[1]}?{query}")
    page.wait_for_selector("#status.bad", timeout=WAIT)
    assert says in page.inner_text("#status")
    page.context.browser.close()


def test_a_threshold_can_be_moved_by_keyboard(site, browser):
    page = browser().new_page()
    page.goto(site[1])
    page.wait_for_selector("#threshold-0", timeout=WAIT)
    page.focus("#threshold-0")
    before = float(page.input_value("#threshold-0"))
    page.keyboard.press("ArrowRight")
    assert float(page.input_value("#threshold-0")) == pytest.approx(before + 0.01)
    assert page.get_by_label("yes", exact=True).count() == 1
    page.context.browser.close()


def test_microphone_denied_and_allowed(site, browser):
    folder, url = site
    denied = browser("--deny-permission-prompts", "--use-fake-device-for-media-stream")
    page = denied.new_page()
    page.goto(url)
    page.wait_for_selector("#threshold-0", timeout=WAIT)
    page.click("#mic")
    page.wait_for_selector("#status.bad", timeout=WAIT)
    assert "microphone" in page.inner_text("#status")
    denied.close()

    allowed = browser(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={folder / 'words.wav'}%noloop",
    )
    page = allowed.new_page()
    page.goto(url)
    page.wait_for_selector("#threshold-0", timeout=WAIT)
    page.click("#mic")
    page.wait_for_selector("#heard li", timeout=WAIT)
    assert page.inner_text("#heard li strong") in ("yes", "no", "left")
    page.click("#mic")
    assert page.inner_text("#status") == "Stopped."
    allowed.close()
