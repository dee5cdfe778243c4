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
from edge_lp.measure.embed import embed
from edge_lp.measure.stream import Detection, match
from edge_lp.model.find import shipped_models
from paths import SHARED

DATA = SHARED / "data"
WORDS = "yes no up down left right on off stop go".split()
EACH = 6


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """A recording of EACH clips a word in drawn order, a dish washed underneath 20 dB below; and
    what is said in it."""
    if not DATA.is_dir():
        pytest.skip("no recordings: ../shared/data is absent")
    if "commands12" not in shipped_models():
        pytest.skip("no commands12 model in this tree")
    rng = np.random.default_rng(12)
    folder = lambda word: sorted((DATA / "speech_commands/testing" / word).iterdir())
    order = [(w, i) for w in WORDS for i in rng.permutation(len(folder(w)))[:EACH]]
    clips = [
        (w, read_file(folder(w)[i])) for w, i in (order[k] for k in rng.permutation(len(order)))
    ]
    dishes = next((DATA / "background_noise/gsc_background").glob("doing_the_dishes*"))
    pcm, said = embed(clips, rng, read_file(dishes), snr=20)
    path = tmp_path_factory.mktemp("stream") / "stream.wav"
    soundfile.write(path, pcm, 16000)
    return path, pcm, said


def _listen(*options, **kwargs):
    run = subprocess.run(
        [sys.executable, "-m", "edge_lp", "listen", "--json", *options],
        capture_output=True,
        check=True,
        **kwargs,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_ten_words_in_a_stream(stream):
    path, pcm, said = stream
    events = _listen("--device", str(path))
    rows = match(said, [Detection(**e) for e in events])
    hits, false = [r for r in rows if r.hit], [r for r in rows if r.false]
    errors = [abs(r.heard.t - r.said.middle) for r in hits]
    print(
        f"{len(hits)} of {len(said)} found, {len(false)} false in {len(pcm) / 16000:.0f} s, "
        f"times off by {np.mean(errors):.2f} s on average"
    )
    assert {r.said.word for r in hits} == set(WORDS)
    assert len(hits) >= len(said) * 2 / 3 and len(false) <= 0.15 * len(said)
    assert events == _listen("--device", "-", input=pcm.astype("<i2").tobytes())
