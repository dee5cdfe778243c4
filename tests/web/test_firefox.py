# SPDX-License-Identifier: Apache-2.0
"""The page in Firefox: the same bits as in Chromium and on this machine; its microphone."""

import asyncio
import json
import shutil

import pytest
from bits import bits
from paths import ROOT, load

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'edge-lp[web]'")
from firefox import Firefox

ALLOWED = {"media.navigator.permission.disabled": True}
soak = load(ROOT / "tools" / "soak.py")
READY = "document.querySelector('#threshold-0')"
STATUS = "document.querySelector('#status').textContent"
HEARD = "[...document.querySelectorAll('#heard li')].map((x) => x.dataset.event)"


@pytest.fixture
def firefox(tmp_path):
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if not program:
        pytest.skip("Firefox is not installed (apt-get install firefox-esr)")
    (tmp_path / "profile").mkdir()
    return lambda preferences, **env: Firefox(program, tmp_path / "profile", preferences, **env)


def test_the_same_bits_in_firefox(site, firefox):
    """And a microphone where there is nothing to play sound with: Firefox does not start its audio
    then, and says nothing; the page does."""
    folder, url = site
    expected = bits(folder / "words.wav")

    async def run():
        fake = {"media.navigator.streams.fake": True, **ALLOWED}
        async with firefox(fake, PULSE_SERVER="unix:/nowhere") as page:
            await page.goto(url)
            await page.until(READY)
            await page.choose("#recording", folder / "words.wav")
            await page.until("document.body.dataset.done")
            data = await page.js("({...document.body.dataset})")
            assert (data["features"], data["logits"]) == (expected.features, expected.logits)
            heard = [json.loads(item) for item in reversed(await page.js(HEARD))]
            assert heard == expected.events and len(heard) >= 3
            await page.click("#mic")
            await page.until("document.querySelector('#status.bad')")
            assert "does not start its sound" in await page.js(STATUS)

    asyncio.run(run())


def test_a_microphone_in_firefox(site, firefox, tmp_path):
    """One that a PulseAudio server has; its words, as the samples pass two resamplers."""
    folder, url = site
    if not shutil.which("pulseaudio") or not shutil.which("paplay"):
        pytest.skip("pulseaudio or pulseaudio-utils is not installed")
    (tmp_path / "pulse").mkdir()

    async def run(env):
        async with firefox(ALLOWED, PULSE_SERVER=env["PULSE_SERVER"]) as page:
            await page.goto(url)
            await page.until(READY)
            await page.click("#mic")
            await page.until(f"{STATUS}.startsWith('Listening to')")
            with soak.player(folder / "words.wav", env):
                await page.until(f"{HEARD}.length")
            assert json.loads((await page.js(HEARD))[-1])["keyword"] in ("yes", "no", "left")
            await page.click("#mic")
            await page.until(f"{STATUS} === 'Stopped.'")

    with soak.server(tmp_path / "pulse") as s:
        asyncio.run(run(s.env))
