# SPDX-License-Identifier: Apache-2.0
"""Accuracy on folders of clips, and the float reference of the spiking net."""

import json

import numpy as np
import pytest
import soundfile
from edge_lp.audio.signals import babble
from edge_lp.errors import AudioError, ModelError
from edge_lp.measure import accuracy, clips
from edge_lp.model.find import write_model
from edge_lp.model.format import pack
from edge_lp.model.reference import ReferenceNet
from edge_lp.model.spec import INPUT_SCALE, Layer
from edge_lp.runtime import Frontend, Model, Net
from random_model import random_frames, random_spec

LABELS = ["yes", "no", "_unknown_", "_silence_"]


def _spec(seed=4, **changes):
    return random_spec(seed, sizes=(24, 24), n_labels=4, n_keywords=2, labels=LABELS, **changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Clips of five folders, of several lengths and formats."""
    root, n = tmp_path_factory.mktemp("clips"), 0
    for word in ("yes", "no", "tree", "_silence_", "_background_noise_"):
        (root / word).mkdir()
        for i in range(3):
            n += 1
            pcm = babble(2, seed=n)[: (9000, 16000, 25000)[i]]
            soundfile.write(root / word / f"{i}.{('wav', 'flac', 'wav')[i]}", pcm, 16000)
    (root / "yes" / "readme.txt").write_text("not a clip")
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "m.lpb", pack(_spec()))


# ------------------------------------------------------------------------------------- reference --


def test_reference_is_the_equation():
    """P1 eq. 6 with sub-steps, unit by unit in plain Python, on weights without symmetry."""
    rng = np.random.default_rng(2)
    w, u, b = rng.normal(0, 0.4, (40, 5)), rng.normal(0, 0.5, (5, 5)), rng.normal(1, 3, 5)
    v, c = rng.normal(size=(5, 3)), rng.normal(size=3)
    alpha, sub_steps, x = 0.7, 3, random_frames(1, 12)
    single = [m.astype(np.float32) for m in (w, u, b, v, c)]
    net = ReferenceNet([tuple(single[:3])], tuple(single[3:]), alpha, sub_steps)
    a, y, hit = alpha ** (1 / sub_steps), [0.0] * 5, [0, 0]
    for t, logits in enumerate(net(x[None])[0]):
        for _ in range(sub_steps):
            z = [
                sum(INPUT_SCALE * x[t, i] * w[i, j] for i in range(40))
                + sum(y[i] * u[i, j] for i in range(5))
                + b[j]
                for j in range(5)
            ]
            hit = [hit[0] + sum(q < 0 for q in z), hit[1] + sum(q > 6 for q in z)]
            y = [a * y[j] + (1 - a) * min(max(z[j], 0.0), 6.0) for j in range(5)]
        assert np.allclose(logits, np.array(y) @ v + c, atol=1e-4)
    assert min(hit) > 0  # both ends of the clip were met


def test_reference_takes_clips_one_by_one_or_together():
    net, x = ReferenceNet.from_spec(_spec()), np.stack([random_frames(i, 30) for i in range(3)])
    assert np.allclose(net(x), np.concatenate([net(x[i : i + 1]) for i in range(3)]), atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_spiking_net_follows_the_reference(seed):
    """Ladder of references, quantised layer to core: logits over all frames correlate above 0.998
    and differ by less than 6 % of their spread (the spikes' grain and the ladder of filters are in
    that)."""
    spec = random_spec(seed, sizes=(64, 64))
    frames = Frontend().push(babble(2, seed))
    spiking = Net(Model(pack(spec))).push(frames)[20:] / 256
    reference = ReferenceNet.from_spec(spec)(frames[None])[0][20:]
    assert np.corrcoef(spiking.ravel(), reference.ravel())[0, 1] > 0.998
    assert np.sqrt(((spiking - reference) ** 2).mean()) < 0.06 * reference.std()


def _npz(path, net, **more):
    arrays = {
        f"{name}{i}": m
        for i, layer in enumerate(net.layers)
        for name, m in zip("wub", layer)
        if m is not None
    }
    n = len(net.layers)
    np.savez(
        path,
        **{
            **arrays,
            f"w{n}": net.output[0],
            f"b{n}": net.output[1],
            "alpha": 0.8021,
            "sub_steps": 2,
            **more,
        },
    )
    return path


def test_float_weights_come_from_npz(tmp_path):
    spec = _spec()
    feed_forward = Layer(spec.layers[0].w, None, spec.layers[0].bias, spec.layers[0].bias_shift)
    net = ReferenceNet.from_spec(_spec(layers=[feed_forward, *spec.layers[1:]]))
    read = ReferenceNet.from_npz(_npz(tmp_path / "w.npz", net))
    assert read.layers[0][1] is None and abs(read.a - net.a) < 1e-4 and read.sub_steps == 2
    x = random_frames(3, 20)[None]
    assert np.allclose(read(x), net(x), atol=0.01)


def test_a22_bad_float_weights(tmp_path):
    (tmp_path / "text.npz").write_text("x")
    with open(tmp_path / "plain.npz", "wb") as f:
        np.save(f, np.zeros(3))
    np.savez(tmp_path / "empty.npz")
    np.savez(tmp_path / "other.npz", w0=np.zeros(3))
    rest = dict(b0=np.zeros(3), alpha=0.8, sub_steps=2)
    np.savez(tmp_path / "narrow.npz", w0=np.zeros((39, 3)), **rest)
    np.savez(tmp_path / "flat.npz", w0=np.zeros(3), **rest)
    for name in "text plain empty other narrow flat none".split():
        name = f"{name}.npz"
        with pytest.raises(ModelError, match="not a file of float weights"):
            ReferenceNet.from_npz(tmp_path / name)


# ---------------------------------------------------------------------------------------- folder --


def test_labels_of_folders():
    assert [
        clips.label_of(w, LABELS)
        for w in ("yes", "no", "tree", "_unknown_", "_silence_", "silence")
    ] == [0, 1, 2, 2, 3, 3]
    assert (
        clips.label_of("tree", ["yes", "no"]) is None
        and clips.label_of("_silence_", ["yes", "unknown"]) is None
    )
    assert clips.label_of("tree", ["yes", "unknown"]) == 1


def test_clips_are_found_in_order(folder):
    found = clips.find_clips(folder, LABELS)
    assert [(p.parent.name, p.name, label) for p, label in found[:4]] == [
        ("_silence_", "0.wav", 3),
        ("_silence_", "1.flac", 3),
        ("_silence_", "2.wav", 3),
        ("no", "0.wav", 1),
    ]
    assert len(found) == 12 and sum(label == 2 for _, label in found) == 3


def test_clips_are_padded_or_cut_at_the_end(folder):
    for i, name in enumerate(("0.wav", "1.flac", "2.wav")):
        pcm = clips.read_clip(folder / "yes" / name)
        kept = min(16000, (9000, 16000, 25000)[i])
        assert pcm.shape == (16000,) and pcm[:kept].any() and not pcm[kept:].any()


def test_a_keyword_longer_than_a_second_is_heard_whole(tmp_path, model):
    """A second of a phrase of 1.5 s was all that evaluate heard, though training takes 1.7 s of
    it; other clips of the folder are then heard as long, a short keyword in long files is not."""
    rng = np.random.default_rng(0)
    for word, spoken, files in (("yes", 1.5, 3), ("no", 0.4, 3), ("tree", 1.9, 1)):
        (tmp_path / word).mkdir()
        for i in range(files):
            pcm = rng.normal(0, 20, 48000)
            pcm[-round(16000 * spoken) :] *= 200
            soundfile.write(tmp_path / word / f"{i}.wav", pcm.astype(np.int16), 16000)
    found = accuracy.evaluate(model, tmp_path)
    words = [sorted((tmp_path / w).iterdir()) for w in ("yes", "no")]
    assert found.seconds == 1.6 and clips.samples_of(words) == 25600  # 90 % of 1.5 s, and .2
    assert clips.samples_of(words[1:]) == 16000
    frames = Frontend().push(clips.read_clip(words[0][0], 25600))
    expected = Net(Model(model.read_bytes())).push(frames).mean(axis=0) / 256
    assert np.array_equal(found.scores[found.paths.index(words[0][0])], expected.astype(np.float32))


def test_folders_without_clips(tmp_path, folder):
    cases = {
        "none": "no such folder",
        "empty": "no recordings found",
        "words/yes": "no recordings found",
        "file": "not a folder",
        "set": "did you mean",
    }
    for name in ("empty", "words/yes", "set/testing/yes"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    soundfile.write(tmp_path / "set" / "testing" / "yes" / "a.wav", babble(1), 16000)
    for name, says in cases.items():
        with pytest.raises(AudioError, match=says):
            clips.find_clips(tmp_path / name, LABELS)
    with pytest.raises(AudioError, match="named after a label"):
        clips.find_clips(folder, ["up", "down"])


# ------------------------------------------------------------------------------------- decisions --


def test_snn_is_the_runtime_clip_by_clip(folder, model):
    """Threads, batches and the order of the clips change nothing; the counters are those of all
    clips."""
    result, opened = accuracy.evaluate(model, folder), Model(model.read_bytes())
    synops = 0
    for (path, label), truth, decided in zip(
        clips.find_clips(folder, LABELS), result.truth, result.predicted
    ):
        net = Net(opened)
        assert (
            truth == label
            and decided == net.push(Frontend().push(clips.read_clip(path))).mean(axis=0).argmax()
        )
        synops += net.counts().synops
    assert (
        result.n == 12
        and result.counts.synops == synops > 0
        and 0 < result.counts.active < result.counts.updates
    )


def test_ann_and_float_are_the_reference(folder, model, tmp_path):
    net = ReferenceNet.from_spec(_spec())
    expected = [
        net(Frontend().push(clips.read_clip(p))[None])[0].mean(axis=0).argmax()
        for p, _ in clips.find_clips(folder, LABELS)
    ]
    assert accuracy.evaluate(model, folder, "ann").predicted.tolist() == expected
    with pytest.raises(ModelError, match="no float weights"):
        accuracy.evaluate(model, folder, "float")
    for name, weights in (
        ("run/model.lpb", "run/weights_float.npz"),
        ("shipped.lpb", "shipped.npz"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(model.read_bytes())
        _npz(tmp_path / weights, net, alpha=(1 - 64 / 4096) ** 14)
        assert accuracy.evaluate(tmp_path / name, folder, "float").predicted.tolist() == expected
    assert accuracy.evaluate(tmp_path / "run", folder, "float").predicted.tolist() == expected


def test_a_clip_that_cannot_be_read_stops_it_with_its_name(folder, model, tmp_path):
    (tmp_path / "yes").mkdir()
    (tmp_path / "yes" / "bad.wav").write_text("x")
    with pytest.raises(AudioError, match=r"bad\.wav"):
        accuracy.evaluate(model, tmp_path)


def test_result_in_numbers():
    truth = np.array([0, 0, 0, 1, 2, 3, 3])
    r = accuracy.Result("snn", LABELS, truth, np.eye(4)[[0, 0, 1, 1, 3, 3, 3]])
    out = r.json()
    assert list(out) == [
        "backend",
        "n",
        "accuracy",
        "ci95",
        "without_silence",
        "mean_of_recalls",
        "per_class",
    ]
    assert (out["n"], out["accuracy"], out["without_silence"]) == (7, 71.43, 60.0)
    assert out["per_class"] == {"yes": 66.67, "no": 100.0, "_unknown_": 0.0, "_silence_": 100.0}
    assert r.confusion.tolist() == [[2, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 2]]
    assert json.loads(json.dumps(out)) == out
    absent = accuracy.Result("snn", LABELS, np.array([3]), np.eye(4)[[3]])
    assert absent.without_silence is None and absent.per_class["yes"] is None
