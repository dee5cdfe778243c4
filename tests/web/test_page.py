# SPDX-License-Identifier: Apache-2.0
"""The web page in headless Chromium: the same C, so the same bits as on this machine; and what it
says when something is wrong."""

import json
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile
from bits import TAIL, bits
from edge_lp.audio.files import read_file
from edge_lp.audio.signals import babble
from edge_lp.model.format import pack
from edge_lp.model.tune import tune
from edge_lp.runtime import Model, Spotter
from random_model import random_spec

# what the line of the wake word has said, in order: it may be gone before anybody looks
STATES = """window.states = []; addEventListener("DOMContentLoaded", () =>
  new MutationObserver((all) => all.forEach(({ addedNodes }) => addedNodes.forEach(
    (text) => states.push(text.data.split(":")[0])
  ))).observe(document.getElementById("state"), { childList: true }))"""
CLI = [sys.executable, "-m", "edge_lp"]


@pytest.mark.parametrize("name", ["words.wav", "words.flac"])
def test_the_same_bits_as_on_this_machine(site, chromium, name):
    folder, url = site
    expected = bits(folder / name)
    assert len(expected.events) >= 3
    page = chromium().new_page()
    page.goto(f"{url}?audio={name}")
    page.wait_for_selector("body[data-done]", state="attached")
    data = page.evaluate("({...document.body.dataset})")
    assert (data["features"], data["logits"]) == (expected.features, expected.logits)
    items = page.eval_on_selector_all("#heard li", "all => all.map(x => x.dataset.event)")
    heard = [json.loads(item) for item in reversed(items)]
    assert heard == expected.events
    assert f", {len(heard)} detections" in page.inner_text("#status")
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
def test_one_clear_line(site, chromium, query, says):
    page = chromium().new_page()
    page.goto(f"{site[1]}?{query}")
    page.wait_for_selector("#status.bad")
    assert says in page.inner_text("#status")
    page.context.browser.close()


def test_a_threshold_can_be_moved_by_keyboard(site, chromium):
    page = chromium().new_page()
    page.goto(site[1])
    page.wait_for_selector("#threshold-0")
    page.focus("#threshold-0")
    before = float(page.input_value("#threshold-0"))
    page.keyboard.press("ArrowRight")
    assert float(page.input_value("#threshold-0")) == pytest.approx(before + 0.01)
    assert page.get_by_label("yes", exact=True).count() == 1
    page.context.browser.close()


def test_microphone_denied_and_allowed(site, chromium):
    folder, url = site
    denied = chromium("--deny-permission-prompts", "--use-fake-device-for-media-stream")
    page = denied.new_page()
    page.goto(url)
    page.wait_for_selector("#threshold-0")
    page.click("#mic")
    page.wait_for_selector("#status.bad")
    assert "microphone" in page.inner_text("#status")
    denied.browser.close()

    allowed = chromium(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={folder / 'words.wav'}",  # again and again
    )
    page = allowed.new_page()
    page.goto(url)
    page.wait_for_selector("#threshold-0")
    page.click("#mic")
    page.wait_for_selector("#heard li")
    assert page.inner_text("#heard li strong") in ("yes", "no", "left")
    page.click("#mic")
    page.get_by_text("Stopped.").wait_for()
    allowed.browser.close()


def test_listen_in_the_page(tmp_path, chromium):
    """The whole way: a process, its address, its page: the events of its --json, armed and not, and
    nothing that the policy had to stop."""
    pcm = babble(4)
    soundfile.write(tmp_path / "a.wav", pcm, 16000)
    data = tune(pack(random_spec(3)), wake_word=["word1"], wake_seconds=0.5)
    (tmp_path / "m.lpb").write_bytes(data)
    with subprocess.Popen(
        [*CLI, "listen", "--device", "a.wav", "--model", "m.lpb", "--web", "0", "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        address = re.search(r"http://\S+", process.stderr.readline())[0]
        page = chromium().new_page()
        page.add_init_script(STATES)
        problems = []
        page.on("pageerror", lambda e: problems.append(str(e)))
        page.on(
            "console", lambda m: m.type == "error" and "edge_lp.wasm" not in str(m.location)
            and problems.append(m.text),
        )  # fmt: skip
        page.goto(address)
        page.get_by_text("has stopped").or_(page.locator("#status.bad")).wait_for()
        assert "has stopped" in page.inner_text("#status")
        states = page.evaluate("window.states")
        items = page.eval_on_selector_all("#heard li", "all => all.map(x => x.dataset.event)")
        page.context.browser.close()
        expected = [json.loads(line) for line in process.stdout.read().splitlines()]
        assert [json.loads(item) for item in reversed(items)] == expected and len(expected) > 3
        assert {"Awake"} <= set(states) <= {"Asleep", "Awake"} and problems == []
        assert process.wait(180) == 0


def test_a_second_tab_on_a_listener(tmp_path, chromium):
    """Both look: each has the events that --json has, and a threshold that one of them moves moves
    in the other, too. A tab that is closed takes nothing with it. The sound begins when all of them
    are there and goes on for as long as that takes."""
    from playwright.sync_api import expect  # the fixture has skipped where there is none

    (tmp_path / "m.lpb").write_bytes(pack(random_spec(3)))
    command = [*CLI, "listen", "--device", "-", "--model", tmp_path / "m.lpb", "--web", "0"]
    sound, enough = babble(4).astype("<i2").tobytes(), threading.Event()
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, "--json"], stdin=pipe, stdout=pipe, stderr=pipe) as process:

        def feed():
            with process.stdin:
                while not enough.is_set():
                    process.stdin.write(sound)

        address = re.search(r"http://\S+", process.stderr.readline().decode())[0]
        context = chromium()
        first, second, third = (context.new_page() for _ in range(3))
        for page in (first, second, third):
            page.goto(address)
            page.wait_for_selector("#threshold-0")
        third.close()
        threading.Thread(target=feed).start()
        try:
            first.focus("#threshold-0")
            first.keyboard.press("ArrowLeft")
            moved = first.input_value("#threshold-0")
            # not wait_for_function: it polls by eval(), which the page's own policy forbids
            expect(second.locator("#threshold-0")).to_have_value(moved)
            second.wait_for_selector("#heard li:nth-child(4)")
        finally:
            enough.set()
        told = []
        for page in (first, second):
            page.get_by_text("has stopped").wait_for()
            items = page.eval_on_selector_all("#heard li", "all => all.map(x => x.dataset.event)")
            told.append([json.loads(item) for item in reversed(items)])
        context.browser.close()
        expected = [json.loads(line) for line in process.stdout.read().splitlines()]
        assert told == [expected, expected]
        assert process.wait(180) == 0


def test_a_wake_word_in_the_page(site, chromium):
    """Armed behind it, and only then: commands before it are not heard; sleep comes back."""
    folder, url = site
    data = tune((folder / "model.lpb").read_bytes(), wake_word=["left"], wake_seconds=1.0)
    (folder / "wake.lpb").write_bytes(data)
    model = Model(data)
    pcm = np.concatenate([read_file(folder / "words.wav"), TAIL])
    expected = [model.labels[e.label] for e in Spotter(model).push(pcm)]
    assert "left" in expected and len(expected) < 3
    page = chromium().new_page()
    page.add_init_script(STATES)
    page.goto(f"{url}?model=wake.lpb")
    page.wait_for_selector("#threshold-0")
    assert page.inner_text("#armed") == "Asleep: “left” wakes it"
    page.set_input_files("#recording", folder / "words.wav")
    page.wait_for_selector("body[data-done]", state="attached")
    assert page.evaluate("window.states") == ["Asleep", "Awake", "Asleep"]
    words = page.eval_on_selector_all("#heard strong", "all => all.map(x => x.textContent)")
    assert words[::-1] == expected
    page.context.browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_with_a_keyboard_and_a_screen_reader(site, chromium, scheme):
    """Nothing is wider than the screen; texts stand out (WCAG AA: 4.5); what is seen or moved has a
    name; the tab key reaches all of it."""
    page = chromium(viewport={"width": 360, "height": 740}, color_scheme=scheme).new_page()
    page.goto(site[1])
    page.wait_for_selector("#threshold-0")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    contrast = page.evaluate("""() => {
      const light = (css) => {
        const [r, g, b] = css.match(/[\\d.]+/g).map((x) => x / 255)
          .map((x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ground = (e) => {
        const color = getComputedStyle(e).backgroundColor;
        return color === 'rgba(0, 0, 0, 0)' ? ground(e.parentElement) : color;
      };
      return ['h1', 'header p', 'h2', '#mic', '.file', '#status', '.knob label'].map((name) => {
        const e = document.querySelector(name);
        const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
        return [name, (a + 0.05) / (b + 0.05)];
      });
    }""")
    assert all(ratio >= 4.5 for _, ratio in contrast), contrast
    nameless = page.evaluate("""() => [...document.querySelectorAll('button, input, canvas, ol')]
      .filter((e) => !(e.ariaLabel || e.labels?.length || e.textContent.trim()
        || e.getAttribute('aria-labelledby'))).map((e) => e.id)""")
    assert nameless == []
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert {"mic", "recording", "model", "threshold-0", "threshold-9"} <= set(reached)
    page.context.browser.close()


def test_a_second_tab(site, chromium):
    """The microphone goes to the tab that asked last; the other one says so."""
    folder, url = site
    context = chromium(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={folder / 'words.wav'}",
    )
    first, second = context.new_page(), context.new_page()
    for page in (first, second):
        page.goto(url)
        page.wait_for_selector("#threshold-0")
        page.click("#mic")
        page.get_by_text(re.compile("^Listening to")).wait_for()
    first.get_by_text("Another tab of this page").wait_for()
    assert first.inner_text("#mic") == "Listen to the microphone"
    assert second.inner_text("#mic") == "Stop"
    context.browser.close()
