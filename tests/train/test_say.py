# SPDX-License-Identifier: Apache-2.0
"""Keywords from text: voices, near misses, material, and a label with a space from the trainer to
the listener's line."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'edge-lp[train]'")

from edge_lp.audio.synth import in_phonemes, phonemes, say
from edge_lp.errors import EdgeLpError
from edge_lp.measure.clips import label_of
from edge_lp.model.format import pack, unpack
from edge_lp.runtime import SAMPLE_RATE, Model
from edge_lp_train import data, engines, fit, negatives, net, voices
from edge_lp_train.export import FLOAT, MODEL, to_spec
from edge_lp_train.files import cache, write_arrays
from edge_lp_train.presets import TrainConfig, configure
from edge_lp_train.summary import warnings

SMALL = dict(hidden=(16,), clips_per_epoch=64, batch=32, context=20, coarse_epochs=0)


@pytest.fixture(autouse=True)
def one_engine(monkeypatch, tmp_path_factory):
    """The engine that the packages bring, and a cache of our own."""
    for name in ("_flite", "_piper", "_hibari"):
        monkeypatch.setattr(engines, name, _absent)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "say-cache"))


def _absent():
    raise ImportError


# --------------------------------------------------------------------------------- near misses --


def test_phonemes_are_spoken_as_the_text_is():
    spoken = phonemes(["hey robot", "know", "no", ""])
    assert [len(w) for w in spoken] == [2, 1, 1, 0] and spoken[1] == spoken[2]
    assert np.array_equal(say(in_phonemes(spoken[0])), say("hey robot"))
    assert phonemes([in_phonemes(spoken[0])]) == spoken[:1]


def test_near_is_near_and_never_the_keyword_itself():
    keywords = ["hey robot", "robot"]
    made = negatives.near("hey robot", keywords, voices.OTHERS, 1)
    assert made == negatives.near("hey robot", keywords, voices.OTHERS, 1)
    assert len(made) == len(set(made)) > 60 and {"hey", "robot hey", "hello"} <= set(made)
    own, robot, *found = negatives.sounds([*keywords, *made])
    assert own not in found and robot not in found  # half of a keyword may be a keyword
    spoken = [f for f, text in zip(found, made) if "[[" in text]
    assert any(f == own[: len(f)] for f in spoken) and any(f == own[-len(f) :] for f in spoken)
    far = [negatives.distance(own, f) / len(own) for f in spoken]
    assert min(far) > 0.14 and max(far) < 0.7


def test_words_that_sound_like_a_keyword_are_not_its_negatives():
    """ "know" was trained as unknown beside the keyword "no"."""
    rest = negatives.others(["no", "right"], voices.OTHERS)
    assert {"know", "write"} <= set(voices.OTHERS) and not {"know", "write"} & set(rest)
    assert len(rest) == len(voices.OTHERS) - 2


def test_short_words_have_near_misses_too():
    assert len(negatives.near("no", ["no"], voices.OTHERS, 1)) > 20


# -------------------------------------------------------------------------------------- voices --


def test_missing_engines_are_named_with_their_packages():
    found, missing = engines.voices()
    assert {v.engine for v in found} == {"espeak-ng"} and len(found) > 300
    assert "apt-get install flite" in missing[0] and "pip install piper-tts" in missing[1]
    aside = sum(v.held_out for v in found)
    assert 0.1 < aside / len(found) < 0.25


def test_flite_speaks(monkeypatch):
    monkeypatch.undo()
    if not shutil.which("flite"):
        pytest.skip("flite is not installed (apt-get install flite)")
    found = engines._flite()
    slow, fast = (found[0].say("hey robot", pace, 0.5) for pace in (0.8, 1.3))
    assert len(found) == 4 and len(slow) > 1.3 * len(fast) > 0.3 * SAMPLE_RATE
    assert np.abs(slow.astype(int)).max() > 3000
    assert len({v.say("computer", 1.0, 0.5).tobytes() for v in found}) == 4
    assert sum(v.held_out for v in found) == 1


def test_what_is_spoken(capsys):
    config = TrainConfig(words=("hey robot", "lights_on"), synth_clips=4, seed=3)
    said, aside = voices.speak(config)
    assert "voices: espeak-ng" in capsys.readouterr().err
    n = [sum(w == k for w in said.words) for k in config.words]
    assert n == [4, 4] and len(said.words) == 8 + 16 + 20 and len(said.speech) == 10
    assert {len(c) for c in said.clips} == {SAMPLE_RATE} and all(c.any() for c in said.clips)
    assert set(aside.words) >= set(config.words) and len(aside.words) == 2 + 4 + 5
    assert not {c.tobytes() for c in said.clips} & {c.tobytes() for c in aside.clips}
    loud = [np.flatnonzero(np.abs(c.astype(int)) > 300) for c in said.clips[:8]]
    assert all(200 < x[0] and x[-1] < SAMPLE_RATE - 200 for x in loud if len(x))  # whole words
    again, _ = voices.speak(config)  # out of the cache
    assert again.words == said.words
    assert all(np.array_equal(a, b) for a, b in zip(again.clips, said.clips))
    assert all(np.array_equal(a, b) for a, b in zip(again.speech, said.speech))
    for kept in cache("spoken", "").parent.iterdir():  # a damaged cache is no obstacle
        kept.write_bytes(kept.read_bytes()[:-100])
    anew, _ = voices.speak(config)
    assert all(np.array_equal(a, b) for a, b in zip(anew.clips, said.clips))


def test_what_cannot_be_spoken():
    with pytest.raises(EdgeLpError, match="nothing that can be spoken"):
        voices.speak(TrainConfig(words=("???",), synth_clips=1))


# ------------------------------------------------------------------------------ configuration --


def test_said_words_are_keywords():
    alone = configure(said=("hey robot", "lights on", "hey robot"))
    assert alone.words == alone.said == ("hey robot", "lights on") and alone.synth_clips == 400
    both = configure(words=("stop", "go"), said=("hey robot", "go"), synth_clips=7)
    assert both.words == ("stop", "go", "hey robot") and both.said == ("hey robot", "go")
    assert both.synth_clips == 7
    woken = configure(said=("hey robot", "lights on"), wake=("hey robot",))
    assert woken.words == ("hey robot", "lights on") and woken.wake == ("hey robot",)
    with pytest.raises(EdgeLpError, match="--synth is 0"):
        configure(said=("go",), synth_clips=0).check()


def test_no_data_for_words_that_are_not_said():
    config = configure(words=("stop",), said=("hey robot",))
    with pytest.raises(EdgeLpError, match="no recordings of stop: --data"):
        data.load_corpus({}, config)


# ------------------------------------------------------------------------------------ material --


def test_material_without_recordings():
    config = configure(said=("hey robot",), synth_clips=4)
    m = data.load_corpus({}, config)
    assert m.clips == [] and m.training.words.count("hey robot") == 4
    assert m.validation.words.count("hey robot") == 1 and m.validation.speech
    told = " ".join(warnings(m, config))
    assert "no recordings of hey robot" in told and "voices stand in" in told


def test_recordings_are_mixed_in(tmp_path):
    """One person's takes, as record writes them, are trained on; voices validate."""
    for i in range(3):
        (tmp_path / "hey robot").mkdir(exist_ok=True)
        soundfile.write(
            tmp_path / "hey robot" / f"anna_{i}.wav", say("hey robot", pitch=9 * i), 16000
        )
    config = configure(said=("hey robot",), synth_clips=4)
    m = data.load_corpus({"data": tmp_path}, config)
    assert m.training.words.count("hey robot") == 3 + 4 and len(m.split("training")) == 3
    labels = [label_of(w, config.labels) for w in m.training.words]
    assert m.training.rebuilt.tolist() == [False] * 3 + [True] * (len(labels) - 3)
    assert m.validation.words.count("hey robot") == 1


# ------------------------------------------------------------------------------ to the listener --


def test_a_label_with_a_space_from_the_trainer_to_the_listener(tmp_path):
    """Begun with another run's weights, by its folder."""
    config = configure(said=("hey robot",), hidden=SMALL["hidden"])
    (tmp_path / "other").mkdir()
    write_arrays(tmp_path / "other" / FLOAT, net.weights_of(net.build(config), config))
    (tmp_path / "other" / MODEL).write_bytes(pack(to_spec(config, fit.zeros(config), {})))
    run = fit.train(
        tmp_path / "run", {"start": tmp_path / "other"}, said=("hey robot",), synth_clips=4,
        epochs=(1, 1), **SMALL,
    )  # fmt: skip
    model = Model((run / MODEL).read_bytes())
    assert model.labels == ["hey robot", "_unknown_", "_silence_"]
    assert json.loads((run / "report.json").read_text())["provenance"]["words"] == "hey robot"
    spec = unpack(model.bytes)  # so little training hears nothing: a bias makes it hear the word
    bias = np.array(spec.layers[-1].bias)
    bias[0] = 30000
    last = dataclasses.replace(spec.layers[-1], bias=bias)
    sure = pack(dataclasses.replace(spec, layers=[*spec.layers[:-1], last]))
    (tmp_path / "sure.lpb").write_bytes(sure)
    soundfile.write(tmp_path / "said.wav", np.tile(say("hey robot"), 3), SAMPLE_RATE)
    command = [sys.executable, "-m", "edge_lp", "listen", "--model", str(tmp_path / "sure.lpb")]
    command += ["--threshold", "hey robot=0.01", "--device", str(tmp_path / "said.wav")]
    heard = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60)
    assert heard.returncode == 0, heard.stderr
    lines = [json.loads(line) for line in heard.stdout.splitlines()]
    assert lines and {line["keyword"] for line in lines} == {"hey robot"}
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    assert "  hey robot " in shown
