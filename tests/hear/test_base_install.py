# SPDX-License-Identifier: Apache-2.0
"""Issue 10: everything works in the base install but what needs an extra, and says which extra."""

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from base_only import NAMES
from edge_lp.audio.signals import babble
from test_takes import device

BASE = [sys.executable, str(Path(__file__).with_name("base_only.py"))]
TAKE = ["record", "go", "--out", "mine", "--takes", "1", "--speaker", "anna"]


def run(folder, *arguments, **kwargs):
    return subprocess.run([*BASE, *arguments], cwd=folder, capture_output=True, **kwargs)


def test_what_works(model, tmp_path):
    """A file, raw samples, a recording of it, a command on each detection, other thresholds, a
    take."""
    pcm = babble(3)
    soundfile.write(tmp_path / "a.wav", pcm, 16000)
    listen = ["listen", "--json", "--model", str(model), "--device"]
    heard = run(tmp_path, *listen, "a.wav", "--record", "r.wav", "--exec", "sh -c 'echo ran'")
    assert heard.returncode == 0 and heard.stdout.count(b'"keyword"') > 1
    assert b"ran" in heard.stderr and soundfile.info(tmp_path / "r.wav").frames == len(pcm)
    piped = run(tmp_path, *listen, "-", input=pcm.astype("<i2").tobytes())
    assert piped.stdout == heard.stdout
    tuned = run(tmp_path, "tune", str(model), "--threshold", "0.5", "-o", "mine.lpb")
    assert tuned.returncode == 0 and (tmp_path / "mine.lpb").exists()
    take = run(tmp_path, *TAKE, "--device", device(tmp_path, "+"))
    assert take.returncode == 0 and (tmp_path / "mine" / "go" / "anna_01.wav").exists()


@pytest.mark.parametrize(
    "arguments, extra",
    [
        (["listen"], "audio"),
        (["devices", "--no-probe"], "audio"),
        (TAKE, "audio"),
        (["listen", "--device", "a.wav", "--web", "0"], "web"),
        (["serve"], "serve"),
        (["explain", "commands12", "a.wav", "-o", "a.png"], "plot"),
        (["demo"], "demo"),
    ],
)
def test_what_needs_an_extra_says_which(tmp_path, arguments, extra):
    assert {"sounddevice", "aiohttp", "wyoming", "matplotlib", "espeakng_loader"} <= NAMES
    soundfile.write(tmp_path / "a.wav", babble(1), 16000)
    done = run(tmp_path, *arguments, text=True)
    assert done.returncode == 2 and done.stderr.endswith(f"pip install 'edge-lp[{extra}]'\n")
    assert done.stderr.count("\n") == 1
