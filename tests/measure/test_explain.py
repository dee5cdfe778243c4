# SPDX-License-Identifier: Apache-2.0
"""Why a recording was or was not detected: layers beside their reference, and the detector's
gates."""

import json
from dataclasses import replace

import numpy as np
import pytest
from edge_lp import plots
from edge_lp.audio.signals import babble
from edge_lp.measure import accuracy, explain
from edge_lp.measure.explain import ASLEEP, BELOW, CANDIDATE, EVENT, HELD, OTHER, REFRACTORY
from edge_lp.model.format import pack
from edge_lp.model.reference import ReferenceNet
from edge_lp.model.spec import DetectorConfig
from edge_lp.runtime import Detector, Frontend
from random_model import random_spec

LABELS = ["yes", "no", "_unknown_", "_silence_"]


def test_nmse():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 4))
    x[:, 3] = 7  # a unit that does not move says nothing
    assert explain.nmse(x, x) == 1
    assert explain.nmse(x, np.tile(x.mean(axis=0), (500, 1))) == pytest.approx(0, abs=1e-9)
    noisy = explain.nmse(x, x + rng.normal(0, 0.5, x.shape))
    assert noisy == pytest.approx(0.75, abs=0.05)
    assert np.isnan(explain.nmse(x[:, 3:], x[:, 3:]))
    x[:, 2] = 0.01 * np.sign(x[:, 2])  # less than a spike: its own rounding is a hundred times that
    coarse = 0.2 * np.rint(x / 0.2)
    coarse[:, 2] += 0.1
    assert explain.nmse(x, coarse) < -30 and explain.nmse(x, coarse, 0.2**2 / 12) > 0.97


def test_a_layer_in_which_nothing_moves(spec):
    """Is told as nothing, not as NaN, which is no JSON."""
    e = explain.explain(pack(spec), np.zeros(4000, np.int16))
    e = replace(e, nmse=[float("nan"), 0.5])
    assert json.loads(json.dumps(explain.json(e), allow_nan=False))["nmse"] == [None, 0.5]
    assert explain.tables(e)[-1].endswith("–, 0.500")


def logits_of(seed, frames=1500, labels=4):
    """One label after the other is the likely one for a while, more or less."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 150, (frames, labels))
    at = 0
    while at < frames:
        n = int(rng.integers(20, 90))
        x[at : at + n, rng.integers(labels)] += rng.uniform(0, 900)
        at += n
    return x.astype(np.int32)


@pytest.mark.parametrize("seed", range(12))
def test_gates_are_the_runtime_s(seed):
    """The frames that are called detected are those in which the C detector reports an event; with
    one window or three, thresholds for each keyword, a wake word, and a stride."""
    rng, stride = np.random.default_rng(seed), 1 + seed % 4 * (seed % 5 > 1)
    config = DetectorConfig(
        windows=((12,), (4 if stride != 3 else 6, 24, 60))[seed % 2],
        thresholds=((0.5,), (0.4, 0.7))[seed // 2 % 2],
        refractory=int(rng.integers(0, 60)),
        latency=5,
        hold=int(rng.integers(0, 20)),
        wake_words=seed % 3 == 0,
        wake=200 * (seed % 3 == 0),
        stride=stride,
    )
    detector, x = Detector(4, 2, config), logits_of(seed)
    at, posteriors = [], []
    for t, row in enumerate(x):
        events, p = detector.push(row)
        posteriors.append(p[0] / 32767)
        at += [t] * len(events)
    found = explain.gates(np.array(posteriors), 2, config)
    assert [t for t, gate in enumerate(found) if gate == EVENT] == at
    assert at and len(found) == len(x)
    between = {gate for t, gate in enumerate(found) if (t + 1) % stride}
    assert not between & {EVENT, CANDIDATE}


def test_each_gate_is_met():
    config = DetectorConfig((5,), (0.6,), 30, 0, 8, 1, 300)
    met = {
        gate
        for seed in range(6)
        for gate in explain.gates(
            Detector(4, 2, config).push(logits_of(seed))[1] / 32767, 2, config
        )
    }
    assert met == {EVENT, CANDIDATE, HELD, BELOW, OTHER, ASLEEP, REFRACTORY}


@pytest.fixture(scope="module")
def spec():
    return random_spec(4, sizes=(32, 24), n_labels=4, n_keywords=2, labels=LABELS)


def test_a_recording_is_explained(spec, tmp_path):
    pcm = babble(1, 3)
    e = explain.explain(pack(spec), pcm)
    net, frames = ReferenceNet.from_spec(spec), e.trace.features
    assert np.allclose(e.reference_logits, net(frames[None])[0], atol=1e-4)
    assert [x.shape for x in e.reference] == [(len(frames), 32), (len(frames), 24)]
    assert len(e.gates) == len(frames) and 0.98 < e.nmse[0] < 1
    for reference, decoded in zip(e.reference, np.split(e.trace.decoded, [32], axis=1)):
        assert np.corrcoef(reference.ravel(), decoded.ravel())[0, 1] > 0.98
    spikes = e.trace.spikes.sum(axis=0)
    assert not e.trace.decoded[:, spikes == 0].any()
    expected = net(Frontend().push(pcm)[None])[0].mean(axis=0)
    assert abs(LABELS.index(e.decision) - int(expected.argmax())) == 0
    found = explain.stretches(e, e.trace.thresholds)
    assert found[0].first == 0 and found[-1].last == len(frames) - 1
    assert all(a.last + 1 == b.first for a, b in zip(found, found[1:]))
    assert {s.gate for s in found} == set(e.gates)
    out = json.loads(json.dumps(explain.json(e)))
    assert sum(out["spikes"]) == e.trace.spikes.sum() and len(out["nmse"]) == 2
    assert len(explain.tables(e)) == 4
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    assert plots.explain(e, tmp_path / "e.png").read_bytes()[:4] == b"\x89PNG"


def test_the_decision_is_that_of_evaluate(spec, tmp_path):
    import soundfile

    (tmp_path / "yes").mkdir()
    for i in range(6):
        soundfile.write(tmp_path / "yes" / f"{i}.wav", babble(1, 40 + i), 16000)
    (tmp_path / "m.lpb").write_bytes(pack(spec))
    decided = accuracy.evaluate(tmp_path / "m.lpb", tmp_path).predicted
    for i, label in enumerate(decided):
        assert explain.explain(pack(spec), babble(1, 40 + i)).decision == LABELS[label]


def test_verdict_names_what_said_no(spec):
    """The nearest keyword and its gate; or the events."""
    pcm = babble(2, 3)
    strict = replace(spec, detector=DetectorConfig((30,), (1.0,), 50, 20))
    none = explain.explain(pack(strict), pcm)
    assert not none.trace.events and none.gates.count(EVENT) == 0
    assert explain.verdict(none).startswith("nothing detected; nearest: ")
    loose = replace(spec, detector=DetectorConfig((30,), (0.2,), 50, 20))
    some = explain.explain(pack(loose), pcm)
    assert some.gates.count(EVENT) == len(some.trace.events) > 0
    assert explain.verdict(some).startswith("detected: ")
