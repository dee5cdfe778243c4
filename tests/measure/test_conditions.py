# SPDX-License-Identifier: Apache-2.0
"""Clips in noise, in rooms, shifted, louder; and the sweep over them."""

import importlib.util
import json

import numpy as np
import pytest
import soundfile
from edge_lp import plots
from edge_lp.audio.signals import babble
from edge_lp.errors import AudioError, EdgeLpError
from edge_lp.measure import accuracy, sweep
from edge_lp.measure.clips import read_clip
from edge_lp.measure.corrupt import CLEAN, Condition, Material, conditions, corrupt
from edge_lp.model.find import write_model
from edge_lp.model.format import pack
from paths import SHARED
from random_model import random_spec

LABELS = ["yes", "no", "_unknown_", "_silence_"]


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Three recordings that count, one stereo among them, and three that do not: short, of another
    rate, no sound."""
    root = tmp_path_factory.mktemp("noise")
    (root / "b").mkdir()
    soundfile.write(root / "b" / "x.wav", babble(3, 1), 16000)
    soundfile.write(root / "a.flac", babble(4, 2), 16000)
    soundfile.write(root / "c.wav", np.stack([babble(3, 3), babble(3, 4)], axis=1), 16000)
    soundfile.write(root / "short.wav", babble(2, 5), 16000)
    soundfile.write(root / "rate.wav", babble(4, 6), 8000)
    (root / "text.txt").write_text("x")
    return root


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("rooms"), np.random.default_rng(1)
    for i in range(3):
        tail = rng.normal(size=4000) * np.exp(-np.arange(4000) / 600) * 3000
        response = np.concatenate([np.zeros(50 * i), [20000], tail]).astype(np.int16)
        soundfile.write(root / f"{i}.wav", response, 16000)
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root, n = tmp_path_factory.mktemp("clips"), 0
    for word in ("yes", "no", "tree", "_silence_"):
        (root / word).mkdir()
        for i in range(3):
            n += 1
            soundfile.write(root / word / f"{n:03}_nohash_{i}.wav", babble(1, seed=n), 16000)
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    spec = random_spec(4, sizes=(24, 24), n_labels=4, n_keywords=2, labels=LABELS)
    return write_model(tmp_path_factory.mktemp("model") / "m.lpb", pack(spec))


def test_noise_and_gain_are_those_of_the_peers(noise, folder):
    script = SHARED / "bench" / "peers.py"
    if not script.is_file():
        pytest.skip("no ../shared/bench/peers.py")
    spec = importlib.util.spec_from_file_location("peers", script)
    peers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peers)
    material, theirs = Material.of([Condition(snr=1)], noise, None), peers.load_noises(noise)
    assert len(material.noises) == len(theirs) == 3
    for path in sorted(folder.rglob("*.wav")):
        pcm = read_clip(path)
        for snr, gain in ((None, None), (20, None), (0, None), (None, -24), (None, 12), (5, 6)):
            expected = peers.corrupt(peers.read(path), path.stem, theirs, snr, gain)
            got = corrupt(pcm, path.stem, Condition(snr=snr, gain=gain), material)
            assert np.array_equal(got, expected), (path.name, snr, gain)


def test_snr_is_what_it_says(noise):
    material, pcm = Material.of([Condition(snr=1)], noise, None), babble(1, 9) // 4
    for snr in (20, 10, 0):
        under = corrupt(pcm, "a", Condition(snr=snr), material).astype(float) - pcm
        ratio = 10 * np.log10((pcm.astype(float) ** 2).mean() / (under**2).mean())
        assert ratio == pytest.approx(snr, abs=0.05)
    a, b = (corrupt(pcm, key, Condition(snr=0), material) for key in ("a", "b"))
    assert not np.array_equal(a, b)
    assert np.array_equal(a, corrupt(pcm, "a", Condition(snr=0), material))
    assert np.array_equal(corrupt(pcm, "a", CLEAN, material), pcm)


def test_shifts_and_gains(noise):
    pcm = babble(1, 9)
    late = corrupt(pcm, "a", Condition(shift=100), Material())
    assert not late[:1600].any() and np.array_equal(late[1600:], pcm[:-1600])
    early = corrupt(pcm, "a", Condition(shift=-100), Material())
    assert not early[-1600:].any() and np.array_equal(early[:-1600], pcm[1600:])
    assert not corrupt(pcm, "a", Condition(shift=2000), Material()).any()
    assert corrupt(pcm, "a", Condition(gain=80), Material()).max() == 32767


def test_rooms(rooms):
    """The convolution itself; the room is the clip's own in every run, and its power stays."""
    material = Material.of([Condition(room=True)], None, rooms)
    assert [len(r) for r in material.rooms] == [4001] * 3  # from the peak on
    assert all((r**2).sum() == pytest.approx(1) for r in material.rooms)
    pcm = babble(1, 9) // 8
    heard = {key: corrupt(pcm, key, Condition(room=True), material) for key in "abcdefgh"}
    assert all(
        np.array_equal(x, corrupt(pcm, k, Condition(room=True), material)) for k, x in heard.items()
    )
    possible = [np.convolve(pcm, r)[:16000] for r in material.rooms]
    possible = [y * pcm.std() / y.std() for y in possible]
    drawn = {k: np.argmin([np.abs(x - y).max() for y in possible]) for k, x in heard.items()}
    assert all(np.abs(heard[k] - possible[i]).max() < 20 for k, i in drawn.items())
    assert len(set(drawn.values())) > 1


def test_folders_without_noise(tmp_path, noise):
    with pytest.raises(AudioError, match="--noise"):
        Material.of([Condition(snr=3)], None, None)
    with pytest.raises(AudioError, match="no such folder"):
        Material.of([Condition(snr=3)], tmp_path / "none", None)
    with pytest.raises(AudioError, match="no noise that can be used"):
        Material.of([Condition(snr=3)], tmp_path, None)


# ------------------------------------------------------------------------------------------ sweep


@pytest.fixture(scope="module")
def swept(model, folder, noise, rooms):
    under = conditions((10, 0), (-12,), (100,), True)
    return sweep.sweep(model, folder, "snn", under, noise, rooms, "ann")


def test_each_condition_is_the_evaluation_of_changed_clips(
    swept, model, folder, noise, rooms, tmp_path
):
    """The sweep's decisions are those of evaluate on a folder of clips that were changed and
    written; batches and threads change nothing."""
    assert [str(r.condition) for r in swept.results] == [
        "clean",
        "SNR 10 dB",
        "SNR 0 dB",
        "gain -12 dB",
        "shifted by +100 ms",
        "in rooms",
    ]
    material = Material.of([r.condition for r in swept.results], noise, rooms)
    for k in (0, 2, 5):
        for path in folder.rglob("*.wav"):
            to = tmp_path / str(k) / path.relative_to(folder)
            to.parent.mkdir(parents=True, exist_ok=True)
            changed = corrupt(read_clip(path), path.stem, swept.results[k].condition, material)
            soundfile.write(to, changed, 16000)
        for backend, results in (("snn", swept.results), ("ann", swept.other)):
            alone = accuracy.evaluate(model, tmp_path / str(k), backend)
            assert np.array_equal(alone.predicted, results[k].predicted)
            assert np.allclose(alone.scores, results[k].scores, atol=1e-4)


def test_agreement_and_worst(swept):
    a, b = swept.results[1], swept.other[1]
    out = sweep.agreement(a, b)
    assert out["same_decision"] == pytest.approx(
        100 * (a.predicted == b.predicted).mean(), abs=0.01
    )
    assert out["backend"] == "ann" and out["ci95"][0] <= out["same_decision"] <= out["ci95"][1]
    wrong = sweep.worst(swept.results, 1000)
    ever = np.any([r.predicted != r.truth for r in swept.results], axis=0)
    assert len(wrong) == len({w.path for w in wrong}) == ever.sum() > 3
    for w in wrong:
        i = swept.clean.paths.index(w.path)
        margins = [r.scores[i].max() - r.scores[i, r.truth[i]] for r in swept.results]
        assert w.margin == pytest.approx(max(margins))
    assert all(x.margin >= y.margin >= 0 for x, y in zip(wrong, wrong[1:]))
    assert all(w.truth != w.decided and w.path.is_file() for w in wrong)
    assert sweep.worst(swept.results, 3) == wrong[:3]
    found = json.loads(json.dumps(sweep.json(swept, 2)))
    assert [c["snr_db"] for c in found["conditions"]] == [10, 0, None, None, None]
    assert len(found["worst"]) == 2 and found["n"] == 12
    assert found["conditions"][0]["agreement"]["backend"] == "ann"


def test_picture_and_peers(swept, tmp_path):
    rows = [
        {"engine": "other", "snr_db": s, "gain_db": None, "accuracy": 50.0, "ci95": [40.0, 60.0]}
        for s in (None, 10.0, 0.0)
    ]
    (tmp_path / "peers.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert sweep.peers(tmp_path / "peers.jsonl") == rows
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    assert plots.curve(swept, tmp_path / "c.png", rows).read_bytes()[:4] == b"\x89PNG"
    for text in ("x", "{}", "[1]"):
        (tmp_path / "bad").write_text(text)
        with pytest.raises(EdgeLpError, match="peers.py accuracy"):
            sweep.peers(tmp_path / "bad")


def test_agreement_with_itself(model, folder):
    with pytest.raises(EdgeLpError, match="another backend"):
        sweep.sweep(model, folder, "snn", [CLEAN], agreement="snn")
