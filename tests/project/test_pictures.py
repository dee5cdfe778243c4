# SPDX-License-Identifier: Apache-2.0
"""The programs behind pictures in docs: half an hour of a room, and the shipped models side by
side."""

import json
import sys

import numpy as np
import pytest
import soundfile
from edge_lp.audio.signals import babble
from edge_lp.errors import EdgeLpError
from edge_lp.measure.calibrate import calibrate
from edge_lp.measure.stream import Detection, match
from edge_lp.model.find import write_model
from edge_lp.model.format import pack
from edge_lp.runtime import SAMPLE_RATE, Model
from paths import ROOT
from random_model import random_spec

sys.path.insert(0, str(ROOT / "tools"))
import detectors
import half_hour
import presets

WORDS = ["yes", "no", "stop", "_unknown_", "_silence_"]


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A random model; 6 recordings of 5 s of "speech", one with a text; clips; noise."""
    folder = tmp_path_factory.mktemp("room")
    spec = random_spec(5, sizes=(16,), n_labels=5, n_keywords=3, labels=WORDS)
    write_model(folder / "m.lpb", pack(spec))
    for name, count, seconds in (("speech", 6, 5), ("words/yes", 2, 1), ("words/no", 2, 1)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pcm = babble(seconds, seed=i + len(name))
            soundfile.write(folder / name / f"a{i}_nohash_{i}.wav", pcm, SAMPLE_RATE)
    (folder / "noise").mkdir()
    soundfile.write(folder / "noise" / "n.wav", babble(3, seed=99), SAMPLE_RATE)
    texts = "file\ttext\na0_nohash_0.wav\toh yes of course it is\n"
    (folder / "speech" / "TRANSCRIPTS.tsv").write_text(texts)
    return folder


def _compose(room, wake_words=0, minutes=0.4, seed=3):
    speech = sorted((room / "speech").glob("*.wav"))
    clips = {w: sorted((room / "words" / w).iterdir()) for w in ("yes", "no")}
    noise = [room / "noise" / "n.wav"]
    return half_hour.compose(WORDS[:3], wake_words, speech, clips, noise, minutes, 6.0, seed)


def test_the_stream_is_its_seed(room):
    a, b, c = _compose(room), _compose(room), _compose(room, seed=4)
    assert np.array_equal(a.pcm, b.pcm) and a.said == b.said
    assert not np.array_equal(a.pcm[: 9 * SAMPLE_RATE], c.pcm[: 9 * SAMPLE_RATE])
    asked = [s for s in a.said if not s.real]
    assert len(asked) >= 2 and {s.word for s in asked} <= {"yes", "no"}
    for s in asked:  # between recordings, and loud there
        assert not any(x < s.middle < y for x, y in a.speech)
        piece = a.pcm[int(s.start * SAMPLE_RATE) : int(s.end * SAMPLE_RATE)].astype(float)
        assert piece.std() > 500
    assert len(a.pcm) >= 0.4 * 60 * SAMPLE_RATE


def test_a_wake_word_comes_before_each_command(room):
    said = [s.word for s in _compose(room, wake_words=1).said if not s.real]
    assert len(said) >= 4 and said[::2] == ["yes"] * (len(said) // 2) and set(said[1::2]) == {"no"}
    with pytest.raises(EdgeLpError, match="minutes"):
        _compose(room, minutes=5)


def test_counts():
    said = [half_hour.Said("yes", 1, 2), half_hour.Said("no", 5, 6)]
    said += [half_hour.Said("yes", 9, 9, real=True)]
    heard = [Detection(1.4, "yes", 0.9), Detection(9.5, "yes", 0.9), Detection(20.0, "no", 0.9)]
    found = half_hour.counts(match(said, heard), 1800)
    assert (found["hits"], found["missed"], found["false"], found["real"]) == (1, 1, 1, 1)
    assert found["false_per_hour"][0] == 2.0 and found["missed_percent"][0] == 50.0
    assert found["false_words"] == {"no": 1} and found["missed_words"] == {"no": 1}


def test_half_an_hour_is_heard_and_drawn(room, tmp_path, capsys):
    options = ["--speech", room / "speech", "--words", room / "words", "--noise", room / "noise"]
    options += ["--minutes", "0.4", "--every", "6", "--out", tmp_path / "hh.png"]
    options += ["--sound", tmp_path / "hh.wav"]
    assert half_hour.main([str(room / "m.lpb"), *map(str, options)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["hits"] + found["missed"] == found["said"] >= 2 and found["false"] > 0
    assert (tmp_path / "hh.png").read_bytes()[:4] == b"\x89PNG"
    assert soundfile.info(tmp_path / "hh.wav").duration == pytest.approx(
        60 * found["minutes"], abs=0.5
    )
    assert half_hour.main([str(room / "none.lpb"), *map(str, options)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_models_side_by_side(room, tmp_path, capsys):
    options = [room / "words", "--noise", room / "noise", "--positives", room / "words"]
    options += ["--negatives", room / "speech", "--model", room / "m.lpb"]
    assert presets.main([*map(str, options), "--out", str(tmp_path / "p.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = json.loads((tmp_path / "p.json").read_text())
    assert len(lines) == 3 and len(rows) == 1
    data = (room / "m.lpb").read_bytes()
    assert f"| m | {len(data):,} | {Model(data).ram()['spotter']:,} |" in lines[2]
    assert rows[0]["clips"] == 4 and len(rows[0]["accuracy"]) == 3 and rows[0]["false"]
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


def test_models_of_one_size_stand_side_by_side():
    a, b, c, tiny = presets.beside([24.15, 24.25, 24.16, 7.8])
    assert a < b < c and b / a > 1.03 and c / b > 1.03 and a < 24.15 < c and tiny == 7.8


def test_detectors_beside_each_other(room, tmp_path, capsys, monkeypatch):
    """Each as calibrate measures it by itself; other windows give other curves, in the order asked
    for; what cannot be is one line."""
    options = ["--positives", room / "words", "--negatives", room / "speech"]
    options = [*map(str, options), "--noise", str(room / "noise"), "--out", str(tmp_path / "d.png")]
    model, drawn = room / "m.lpb", []
    draw = detectors.draw
    monkeypatch.setattr(detectors, "draw", lambda rows, out: drawn.append(rows) or draw(rows, out))
    at = {"per_hour": 7.44, "from": 1.0, "to": 12.25, "threshold": 0.93456}
    reached = lambda half, keywords, share: at if share >= 0.2 else None
    monkeypatch.setattr(detectors.det, "false_at", reached)
    assert detectors.main([*options, f"own={model}", f"other={model}@0.1,0.3"]) == 0
    head, _, _, *rows = capsys.readouterr().out.splitlines()
    cells = ["not reached", *["7.4 [1.0 to 12.2] at 0.935"] * 4]
    own = ", ".join(f"{w / 100:g}" for w in Model(model.read_bytes()).detector.windows)
    assert head == "4 words, 0.01 h"
    for row, name, windows in zip(rows, ("own", "other"), (own, "0.1, 0.3"), strict=True):
        assert row == f"| {name} | {windows} | {' | '.join(cells)} |"
    assert (tmp_path / "d.png").read_bytes()[:4] == b"\x89PNG"
    ((one, other),) = drawn
    found = calibrate(
        model.read_bytes(), [room / "words"], [room / "speech"], room / "noise", worst=0
    ).both
    missed, false = one.curve
    assert np.allclose(missed, 25 * np.array([t.missed.sum() for t in found.words]))
    hours = found.speech[0].hours
    assert np.allclose(false, [max(3, t.false.sum()) / hours for t in found.speech])
    assert false.max() > 3 / hours and not np.array_equal(false, other.curve[1])
    capsys.readouterr()
    for wrong, says in (("own", "NAME=MODEL"), (f"a={model}@ten", "window")):
        assert detectors.main([*options, wrong]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and says in err
