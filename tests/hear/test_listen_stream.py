# SPDX-License-Identifier: Apache-2.0
"""The shipped model on a stream of real recordings that it was not trained on: words where they
are, few where they are not."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from edge_lp.audio.files import read_file
from edge_lp.model.find import shipped_models
from paths import SHARED

DATA = SHARED / "data"
WORDS = "yes no up down left right on off stop go".split()
EACH = 6


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """A recording of EACH clips a word in drawn order, gaps of 0.5 to 1.5 s, a dish washed
    underneath 20 dB below; and [(word, middle of its energy)]."""
    if not DATA.is_dir():
        pytest.skip("no recordings: ../shared/data is absent")
    if "commands12" not in shipped_models():
        pytest.skip("no commands12 model in this tree")
    rng, words, parts, at = np.random.default_rng(12), [], [], 0
    order = [
        (w, i)
        for w in WORDS
        for i in rng.permutation(len(list((DATA / "speech_commands/testing" / w).iterdir())))[:EACH]
    ]
    for k in rng.permutation(len(order)):
        word, i = order[k]
        gap = np.zeros(int(rng.uniform(0.5, 1.5) * 16000))
        clip = read_file(sorted((DATA / "speech_commands/testing" / word).iterdir())[i]).astype(
            float
        )
        energy = np.convolve(clip**2, np.ones(800), "same")
        loud = np.flatnonzero(energy > 0.05 * energy.max())
        words.append((word, (at + len(gap) + (loud[0] + loud[-1]) / 2) / 16000))
        parts += [gap, clip * 3000 / np.sqrt(energy.max() / 800)]
        at += len(gap) + len(clip)
    clean = np.concatenate([*parts, np.zeros(16000)])
    noise = read_file(
        sorted((DATA / "background_noise/gsc_background").glob("doing_the_dishes*"))[0]
    ).astype(float)
    noise = np.resize(noise, len(clean))
    pcm = np.clip(np.rint(clean + noise * 300 / noise.std()), -32768, 32767).astype(np.int16)
    path = tmp_path_factory.mktemp("stream") / "stream.wav"
    soundfile.write(path, pcm, 16000)
    return path, pcm, words


def _listen(*options, **kwargs):
    run = subprocess.run(
        [sys.executable, "-m", "edge_lp", "listen", "--json", *options],
        capture_output=True,
        check=True,
        **kwargs,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_ten_words_in_a_stream(stream):
    path, pcm, words = stream
    events = _listen("--device", str(path))
    hits = [
        (w, t)
        for w, t in words
        if any(e["keyword"] == w and abs(e["t"] - t) <= 0.5 for e in events)
    ]
    false = [
        e for e in events if not any(w == e["keyword"] and abs(e["t"] - t) <= 0.5 for w, t in words)
    ]
    errors = [min(abs(e["t"] - t) for e in events if e["keyword"] == w) for w, t in hits]
    print(
        f"{len(hits)} of {len(words)} found, {len(false)} false in {len(pcm) / 16000:.0f} s, "
        f"times off by {np.mean(errors):.2f} s on average"
    )
    assert {w for w, _ in hits} == set(WORDS)
    assert len(hits) >= len(words) * 2 / 3 and len(false) <= 0.15 * len(words)
    assert events == _listen("--device", "-", input=pcm.astype("<i2").tobytes())
