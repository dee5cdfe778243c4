# SPDX-License-Identifier: Apache-2.0
"""A detector with a person's changes: for a while (listen), or for good (tune)."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from edge_lp.errors import EdgeLpError
from edge_lp.model.format import pack, unpack
from edge_lp.model.spec import DetectorConfig
from edge_lp.model.tune import tune, tuned
from edge_lp.runtime import Model, Net
from random_model import random_frames, random_spec

WORDS = ["computer", "on", "stop"]
GOOD = DetectorConfig((30,), (0.5,), 50, 20)
WAKING = replace(GOOD, wake_words=1, wake=500)
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "given, changed",
    [
        ({}, {}),
        ({"threshold": ["0.8"]}, {"thresholds": (0.8,)}),
        ({"threshold": ["stop=0.8"]}, {"thresholds": (0.5, 0.5, 0.8)}),
        ({"threshold": ["stop=0.8", "0.6", "on=1"]}, {"thresholds": (0.6, 1.0, 0.6)}),
        ({"threshold": ["stop=0.5"]}, {}),
        ({"window": "0.4"}, {"windows": (40,), "latency": 25}),
        ({"window": "0.9,0.2,0.45"}, {"windows": (20, 45, 90), "latency": 30}),
        ({"window": "0.01"}, {"windows": (1,), "latency": 6}),
        ({"refractory": 0, "hold": 0.25}, {"refractory": 0, "hold": 25}),
        ({"stride": 3}, {"stride": 3}),
        ({"stride": 4, "window": "0.4"}, {"stride": 4, "windows": (40,), "latency": 25}),
    ],
)
def test_changes(given, changed):
    assert tuned(GOOD, WORDS, **given) == replace(GOOD, **changed)


def test_wake_seconds():
    assert tuned(WAKING, WORDS, wake_seconds=3.5) == replace(WAKING, wake=350)


@pytest.mark.parametrize(
    "given, says",
    [
        ({"threshold": ["2"]}, "--threshold is 2, expected a posterior between 0 and 1"),
        ({"threshold": ["-0.1"]}, "--threshold"),
        ({"threshold": ["nan"]}, "--threshold"),
        ({"threshold": ["on=loud"]}, "--threshold is on=loud"),
        ({"threshold": ["off=0.5"]}, "no keyword 'off'; there is computer, on, stop"),
        ({"window": "0.001"}, "--window"),
        ({"window": "3"}, "--window is 3 s, expected 0.01 to 2"),
        ({"window": "nan"}, "--window"),
        ({"window": "0.2,"}, "--window is 0.2,, expected 1 to 4 numbers"),
        ({"window": "0.1,0.2,0.3,0.4,0.5"}, "expected 1 to 4 numbers"),
        ({"window": "0.2,0.201"}, "one is there twice"),
        ({"stride": 0}, "--stride 0"),
        ({"stride": 4}, "--window 0.30 does not fit --stride 4: expected multiples of 0.04 s"),
        ({"stride": 7, "window": "0.1,0.7"}, "--window 0.10,0.70 does not fit --stride 7"),
        ({"refractory": -1}, "--refractory"),
        ({"refractory": INF}, "--refractory"),
        ({"hold": NAN}, "--hold"),
        ({"wake_seconds": 1}, "this model has no wake word"),
    ],
)
def test_what_cannot_be(given, says):
    with pytest.raises(EdgeLpError, match=re.escape(says)):
        tuned(GOOD, WORDS, **given)


def test_a_tuned_model_is_the_same_net():
    data = pack(random_spec(3, (12, 12), 3, 3, labels=WORDS, detector=WAKING))
    changed = tune(data, threshold=["stop=0.8"], window="0.2,0.45,0.9", wake_seconds=4)
    before, after = unpack(data), unpack(changed)
    for a, b in zip(before.layers, after.layers):
        assert (a.w.codes == b.w.codes).all() and (a.bias == b.bias).all()
    assert Model(changed).detector == after.detector
    assert after.detector.windows == (20, 45, 90) and after.detector.wake == 400
    assert after.provenance == {
        **before.provenance,
        "tuned": f"from the model with CRC-32 {int.from_bytes(data[-4:], 'little'):08x}",
    }


def test_a_keyword_becomes_the_wake_word():
    """It moves to the front; its logits and thresholds move with it, and the bits stay."""
    each = replace(GOOD, thresholds=(0.1, 0.2, 0.3))
    data = pack(random_spec(3, (12, 12), 4, 3, labels=[*WORDS, "other"], detector=each))
    changed = tune(data, wake_word=["stop"], threshold=["on=0.9"])
    before, after = Model(data), Model(changed)
    assert after.labels == ["stop", "computer", "on", "other"] and after.n_keywords == 3
    frames = random_frames(1, 30)
    order = [2, 0, 1, 3]
    assert (Net(after).push(frames) == Net(before).push(frames)[:, order]).all()
    d = after.detector
    assert [round(t, 3) for t in d.thresholds] == [0.3, 0.1, 0.9]
    assert (d.wake_words, d.wake) == (1, 500)
    two = Model(tune(changed, wake_word=["on", "stop", "on"], wake_seconds=2))
    assert two.labels == ["on", "stop", "computer", "other"]
    assert (two.detector.wake_words, two.detector.wake) == (2, 200)
    with pytest.raises(EdgeLpError, match="--wake-word: no keyword 'other'; there is computer"):
        tune(data, wake_word=["other"])


def test_inspect_shows_it(tmp_path):
    (tmp_path / "m.lpb").write_bytes(pack(random_spec(3, (12, 12), 3, 3, labels=WORDS)))
    command = [sys.executable, "-m", "edge_lp"]
    options = ["--window", "0.2,0.45", "--threshold", "stop=0.8", "--wake-word", "computer"]
    options += ["--stride", "5"]
    tuning = [*command, "tune", "m.lpb", *options, "-o", "mine.lpb"]
    subprocess.run(tuning, cwd=tmp_path, check=True, capture_output=True)
    out = subprocess.check_output([*command, "inspect", "mine.lpb", "--json"], cwd=tmp_path)
    found = json.loads(out)
    assert found["format"] == "1.2"
    detector = found["detector"]
    assert detector["windows_s"] == [0.2, 0.45] and detector["stride_s"] == 0.05
    assert detector["thresholds"] == {"computer": 0.5, "on": 0.5, "stop": 0.8}
    assert (detector["wake_words"], detector["wake_s"]) == (["computer"], 5.0)
    shown = subprocess.check_output([*command, "inspect", "mine.lpb"], cwd=tmp_path, text=True)
    for text in (
        "0.2 s, 0.45 s",
        "computer 0.5, on 0.5, stop 0.8",
        "commands behind them",
    ):
        assert text in shown
    assert re.search(r"decides every +0\.05 s +\n", shown)


def test_the_command(tmp_path):
    (tmp_path / "m.lpb").write_bytes(pack(random_spec(3, (12, 12), 3, 3, labels=WORDS)))

    def run(*options):
        command = [sys.executable, "-m", "edge_lp", "tune", "m.lpb", "-o", "mine.lpb", *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    done = run("--threshold", "0.7", "--threshold", "stop=0.8", "--hold", "0.1")
    assert done.returncode == 0 and done.stdout == "" and "mine.lpb" in done.stderr, done.stderr
    detector = Model((tmp_path / "mine.lpb").read_bytes()).detector
    assert [round(t, 3) for t in detector.thresholds] == [0.7, 0.7, 0.8] and detector.hold == 10
    done = run("--threshold", "go=0.7")
    assert (
        done.returncode == 2 and done.stderr.count("\n") == 1 and "no keyword 'go'" in done.stderr
    )
