# SPDX-License-Identifier: Apache-2.0
"""Latency: from a word's end to its event, by stage, against the spotter on the stream itself."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from edge_lp.audio.signals import babble
from edge_lp.errors import EdgeLpError
from edge_lp.measure import latency as L
from edge_lp.measure import streams
from edge_lp.measure.calibrate import ungated
from edge_lp.measure.stream import Detection, Said, match
from edge_lp.model.format import pack
from edge_lp.model.tune import tuned
from edge_lp.runtime import Event, Model, Spotter
from random_model import random_spec

DATA = pack(
    random_spec(
        8, sizes=(24, 24), n_labels=4, n_keywords=2, labels=["yes", "no", "_unknown_", "_silence_"]
    )
)


@pytest.fixture
def clips(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for i in range(6):
        for k, word in enumerate(("yes", "no")):
            path = tmp_path / "words" / word / f"s{i}_nohash_0.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, babble(1, 10 * i + k), 16000)
    return tmp_path / "words"


def test_stages_of_one_word():
    """It ends at 1.0 s; its best guess is frame 119, complete at 1.2 s; the decision is frame 124,
    complete at 1.25 s; blocks of 100 ms hand that over at 1.3 s."""
    said, decided = Said("yes", 0.6, 1.0), L.Decided(Event(119, 85, 0, 0.9), 124)
    assert L.stages(said, decided, 1600) == pytest.approx((0.2, 0.05, 0.05))
    assert L.stages(said, decided, 160) == pytest.approx((0.2, 0.05, 0.0))


@pytest.mark.parametrize("hold", [0.0, 0.05, 0.2])
def test_it_is_when_the_spotter_told(clips, hold):
    """The streams through the whole spotter, block by block: each hit's latency is the time of the
    block that brought its event, less the word's end."""
    block, tuning = 320, {"threshold": ["0.3"], "hold": hold}
    found = L.latency(DATA, [clips], tuning, block=block)
    model, seconds, asked = Model(DATA), [], 0
    config = ungated(tuned(model.detector, model.keywords, **tuning))
    for half in streams.positives([clips], model.keywords, None, 20.0, 100):
        for stream in half:
            pcm, said = stream.compose()
            pcm = np.concatenate([pcm, np.zeros(round(streams.TAIL * 16000), np.int16)])
            asked += len(said)
            spotter, heard, when = Spotter(model, config=config), [], {}
            for at in range(0, len(pcm), block):
                for e in spotter.push(pcm[at : at + block]):
                    heard.append(Detection(e.middle * 0.01, model.labels[e.label], e.score))
                    when[id(heard[-1])] = (at + block) / 16000
            seconds += [when[id(r.heard)] - r.said.end for r in match(said, heard) if r.hit]
    assert found.asked == asked == 12 and len(seconds) > 3
    assert sorted(found.total) == pytest.approx(sorted(seconds))
    assert (found.stages[:, 1] == pytest.approx(hold)) and (found.stages[:, 2] < 0.02).all()


def test_command(clips, tmp_path):
    (tmp_path / "m.lpb").write_bytes(DATA)
    command = [sys.executable, "-m", "edge_lp", "bench", "latency", str(tmp_path / "m.lpb")]
    command += ["--positives", str(clips), "--threshold", "0.3"]
    run = subprocess.run([*command, "--json"], capture_output=True, check=True)
    found = json.loads(run.stdout)
    assert found["hits"] > 3 and found["words"] == 12 and found["block"] == 0.02
    assert set(found["stages"]) == {"window", "hold", "block"}
    assert found["latency"]["p10"] <= found["latency"]["p50"] <= found["latency"]["p99"]
    text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert f"{found['hits']} of 12 words hit" in text and f"{found['latency']['p50']:.2f}" in text


def test_nothing_hit_is_one_line(clips):
    with pytest.raises(EdgeLpError, match="no word of these clips is detected"):
        L.latency(DATA, [clips], {"threshold": ["1"]})
