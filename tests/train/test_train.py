# SPDX-License-Identifier: Apache-2.0
"""The whole chain on a small data set of synthesised voices: train, Ctrl-C, resume, export,
evaluate, listen. And what training says to bad input."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'edge-lp[train]'")

from edge_lp.audio.synth import command_clips, say
from edge_lp.core import STRICT
from edge_lp.errors import EdgeLpError
from edge_lp.measure.splits import split_clips, which_set
from edge_lp.model.format import pack, unpack
from edge_lp.model.reference import ReferenceNet
from edge_lp.runtime import Frontend, Model, Net
from edge_lp_train import data, fit, net, sampler, stage
from edge_lp_train.check import Check, Quality, to_clip
from edge_lp_train.export import to_spec
from edge_lp_train.losses import detector_loss
from edge_lp_train.presets import TrainConfig, configure

WORDS = ("yes", "stop")
SMALL = dict(hidden=(16,), clips_per_epoch=256, batch=32, context=20, coarse_epochs=2)
SMALL |= dict(spiking_epochs=1, steps=7, activity=0.0)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Decoded recordings are kept where the tests end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """32 clips each of two keywords and of two other words, a quarter of them for validation, a
    quarter for testing; noise; speech."""
    root = tmp_path_factory.mktemp("words")
    for i, (word, clip) in enumerate(command_clips([*WORDS, "seven", "house"], 128, seed=5)):
        split = ("training", "training", "validation", "testing")[i // 4 % 4]
        (root / split / word).mkdir(parents=True, exist_ok=True)
        soundfile.write(root / split / word / f"{i:03d}_nohash_0.wav", clip, 16000)
    for name, pcm in (
        ("noise", np.random.default_rng(1).normal(0, 500, 64000).astype(np.int16)),
        ("speech", say("one two three four seven house " * 3)),
    ):
        (root / name).mkdir()
        soundfile.write(root / name / f"{name}.flac", pcm, 16000)
    return root


def folders(root):
    return {"data": root, "noise": root / "noise", "speech": root / "speech"}


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A run that was stopped after its first epoch, and again before the 3-bit stage, and gone on
    with."""
    out = tmp_path_factory.mktemp("runs") / "small"

    ends = {"coarse": 1, "float": 3}  # where it is stopped: after a check of these stages
    record = stage._record

    def stop(run, name, epoch, *rest):
        record(run, name, epoch, *rest)
        if ends.pop(name, None) is not None:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "_record", stop)
        patch.setattr(stage, "CHECK_EVERY", 1)
        for resume in (False, True):
            with pytest.raises(KeyboardInterrupt):
                fit.train(
                    out,
                    {} if resume else folders(folder),
                    words=None if resume else WORDS,
                    resume=resume,
                    **({} if resume else SMALL | dict(epochs=(5, 1))),
                )
        assert (out / "coarse.last.npz").exists() and not ends
        assert unpack((out / "model.lpb").read_bytes())  # T9: a stopped run has a model
        return fit.train(out, {}, resume=True, epochs=(5, 2))


def test_a_resumed_run_is_complete(run):
    """T9: more epochs on --resume are applied. What was done and not yet kept is done again."""
    rows = [(r["stage"], r["epoch"]) for r in stage.history(run)]
    assert rows == [
        *[("coarse", e) for e in (1, 1, 2)],
        *[("float", e) for e in (1, 1, 2, 3)],
        ("3-bit", 1),
        ("3-bit", 2),
        ("spiking", 1),
    ]
    losses = [r["loss"] for r in stage.history(run)]
    assert losses[6] < losses[0]
    for name in ("learning_curve.png", "confusion.png"):
        assert (run / name).read_bytes().startswith(b"\x89PNG")
    assert TrainConfig.read(run / "config.json").words == WORDS
    assert TrainConfig.read(run / "config.json").qat_epochs == 2
    assert not [p for p in run.iterdir() if p.name.startswith(".")]  # no temporary file is left


def test_three_bits_begin_from_what_start_has(run, folder, tmp_path, monkeypatch):
    """--epochs 0 N: no float stage, other steps a frame, and what guides is the net of --start with
    the alpha that it was trained with."""
    guides, begin = [], fit.run_stage

    def watched(*a, guide=None, **kw):
        alpha = lambda model: float(model.get_layer("lp0").cell.retention()[0])
        guides.append((a[1][a[2]].name, alpha(a[3]), alpha(guide)))
        return begin(*a, guide=guide, **kw)

    monkeypatch.setattr(fit, "run_stage", watched)
    more = SMALL | dict(epochs=(0, 1), words=WORDS, steps=4, spiking_epochs=0)
    with pytest.raises(EdgeLpError, match="Name a model by --start"):
        fit.train(tmp_path / "none", folders(folder), **more)
    out = fit.train(tmp_path / "codes", folders(folder) | {"start": run}, **more)
    assert guides == [("3-bit", pytest.approx((31 / 32) ** 4), pytest.approx((31 / 32) ** 7))]
    assert [r["stage"] for r in stage.history(out)] == ["3-bit"]
    assert unpack((out / "model.lpb").read_bytes()).steps == 4
    with np.load(out / "weights_float.npz") as f, np.load(run / "weights_float.npz") as theirs:
        assert np.array_equal(f["w1"], theirs["w1"])  # the output layer, too
    # from codes, in their scales, guided by the float net that they came from
    with np.load(out / "weights_quantised.npz") as f:
        other = {k: f[k] for k in f} | {"s_w1": f["s_w1"] + 1}
    np.savez(tmp_path / "codes.npz", **other)
    guided = folders(folder) | {"start": tmp_path / "codes.npz", "guide": run}
    with pytest.raises(EdgeLpError, match="--guide is for 3 bits alone"):
        fit.train(tmp_path / "float", guided, **more | dict(epochs=(1, 1)))
    again = fit.train(tmp_path / "again", guided, **more)
    assert guides[1] == guides[0]
    with np.load(again / "weights_quantised.npz") as f:
        assert f["s_w1"] == other["s_w1"]


def test_the_model_is_what_was_trained(run, folder):
    """Keras's 3-bit net and the same in NumPy agree to rounding on the test clips. The spiking net
    in Keras, which the last stage trains, is the one in C until a rounding has moved a spike, and
    stays nearer to it than the net without spikes."""
    model = (run / "model.lpb").read_bytes()
    spec, config = unpack(model), TrainConfig.read(run / "config.json")
    with np.load(run / "weights_quantised.npz") as weights:
        assert model == pack(to_spec(config, dict(weights), spec.provenance))
    assert (
        spec.labels == [*WORDS, "_unknown_", "_silence_"]
        and spec.provenance["recordings"] == "64 and 0 made"
    )
    clips = [c.path for c in split_clips(folder).clips if c.split == "testing"]
    x = np.stack([Frontend().push(to_clip(p)) for p in data.read_all(clips, "testing")])
    scales = {"w0": spec.layers[0].w.scale, "u0": spec.layers[0].u.scale}
    scales |= {"w1": spec.layers[1].w.scale}
    keras_net, spiking_net = (net.build(config, scales, spiking=s) for s in (False, True))
    with np.load(run / "spiking.best.npz") as f:
        keras_net.set_weights([f[f"w{i}"] for i in range(len(keras_net.weights))])
    keras_net.weights[-1].assign(np.load(run / "weights_quantised.npz")["b1"])  # was fitted
    spiking_net.set_weights(keras_net.get_weights())
    keras_logits, keras_spiking = (stage.infer(n)(x) for n in (keras_net, spiking_net))
    numpy_logits = ReferenceNet.from_spec(spec)(x)
    spiking_logits = np.stack([Net(Model(model)).push(f) for f in x]) / 256
    # biases are rounded to 13 bits, logits' biases to Q8
    assert np.abs(keras_logits - numpy_logits).max() < 0.02
    apart = [(y - spiking_logits) ** 2 for y in (keras_logits, keras_spiking)]
    assert apart[1][:, :5].max() < 0.02**2 < apart[0][:, :5].max()
    assert apart[1].mean() < 0.5 * apart[0].mean()
    decided = [y.mean(axis=1).argmax(1) for y in (keras_spiking, spiking_logits)]
    assert (decided[0] == decided[1]).mean() > 0.95


def cli(*args, cwd):
    return subprocess.run(
        [str(Path(sys.executable).parent / "edge-lp"), *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def test_export_evaluate_listen(run, folder, tmp_path):
    """The commands on a run directory, one after the other."""
    for form, name, start in (("bin", "kws.lpb", b"\x89LPB"), ("c", "kws.c", b"/*")):
        assert cli("export", run, "--format", form, "-o", name, cwd=tmp_path).returncode == 0
        assert (tmp_path / name).read_bytes().startswith(start)
    for backend in ("snn", "ann", "float"):
        done = cli(
            "evaluate",
            run,
            folder / "testing",
            "--backend",
            backend,
            "-o",
            f"{backend}.json",
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        result = json.loads((tmp_path / f"{backend}.json").read_text())
        assert (
            result["n"] == 32
            and result["backend"] == backend
            and 0 <= result["ci95"][0] <= result["accuracy"] <= result["ci95"][1] <= 100
        )
    soundfile.write(
        tmp_path / "stream.wav", np.concatenate([say("yes"), np.zeros(16000, np.int16)]), 16000
    )
    done = cli(
        "listen",
        "--model",
        "kws.lpb",
        "--device",
        "stream.wav",
        "--json",
        "--threshold",
        0,
        cwd=tmp_path,
    )
    assert done.returncode == 0
    assert all(
        set(json.loads(line)) == {"t", "keyword", "score"} for line in done.stdout.splitlines()
    )


@pytest.mark.parametrize(
    "change, says",
    [
        (dict(words=("yes", "martian")), "no training recordings of martian"),
        (dict(words=("yes", "yes")), "named twice"),
        (dict(preset="none"), "no preset"),
        (dict(folders={"data": "missing"}), "no such folder"),
        (dict(folders={"data": "noise"}), "no recordings found"),
        (dict(folders={"noise": "missing"}), "--noise"),
        (dict(resume=True), "not a run directory"),
        (dict(words=("yes", "_unknown_")), "cannot be a keyword"),
        (dict(hidden=(2048,)), "1024"),
        (dict(hidden=(8,) * 9), "layers"),
        (dict(hidden=(0,)), "--hidden"),
        (dict(seed=-1), "seed"),
        (dict(rate=0.0), "rate"),
        (dict(batch=0), "batch"),
    ],
)
def test_t8_bad_input_is_named(folder, tmp_path, change, says):
    chosen = folders(folder) | {k: folder / v for k, v in change.pop("folders", {}).items()}
    with pytest.raises(EdgeLpError, match=says):
        fit.train(tmp_path / "out", chosen, **{"words": WORDS, **change})
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_written_is_found_before_the_work(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "load_corpus", lambda *_: pytest.fail("the recordings were read"))
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(EdgeLpError, match="file"):
            fit.train(out, folders(folder), words=WORDS)


def test_a_damaged_list_of_folders_is_named(run, tmp_path):
    (tmp_path / "config.json").write_bytes((run / "config.json").read_bytes())
    for text in (None, "{", "[]"):
        if text is not None:
            (tmp_path / "folders.json").write_text(text)
        with pytest.raises(EdgeLpError, match="--resume --data"):
            fit.train(tmp_path, {}, resume=True)


def test_a_run_is_not_overwritten(run, folder):
    before = (run / "config.json").read_bytes()
    with pytest.raises(EdgeLpError, match="already holds a run"):
        fit.train(run, folders(folder), words=WORDS)
    assert (run / "config.json").read_bytes() == before


def test_the_data_sets_own_split():
    """Warden 2018's rule."""
    names = [f"{i:08x}_nohash_{k}.wav" for i in range(2000) for k in range(2)]
    split = [which_set(n) for n in names]
    # a speaker stays in one split
    assert split[::2] == split[1::2]
    assert all(0.07 < split.count(s) / len(split) < 0.13 for s in ("validation", "testing"))


def test_the_mapping_refuses_what_is_not_exact():
    config = configure(None, WORDS, delta=60, **SMALL)
    with pytest.raises(EdgeLpError, match="power of two"):
        to_spec(config, {}, {})


def test_no_logit_wraps_to_the_other_sign():
    """Every state at its ceiling and every code of an output at its least: strict mode sees no
    overflow, and the spiking logits are the reference's. (They wrapped at -24, seen as a likely
    silence in the middle of a loud word: in one of ten test clips.)"""
    config = configure(None, WORDS, **SMALL)
    rng, n, labels = np.random.default_rng(1), config.hidden[-1], len(config.labels)
    sizes = [40, *config.hidden]
    weights = {}
    for i, (a, b) in enumerate(zip(sizes, config.hidden)):
        weights |= {f"w{i}": rng.normal(0, 0.1, (a, b)), f"u{i}": 0.2 * rng.random((b, b))}
        weights |= {f"b{i}": np.full(b, 8.0), f"s_w{i}": 3, f"s_u{i}": 3}
    out = rng.integers(-4, 4, (n, labels)) / 8
    out[:, 0], out[:, 1] = -4 / 8, 3 / 8
    weights |= {f"w{len(sizes) - 1}": out, f"b{len(sizes) - 1}": np.zeros(labels)}
    weights[f"s_w{len(sizes) - 1}"] = 3
    spec = to_spec(config, {k: np.asarray(v) for k, v in weights.items()}, {})
    frames = np.zeros((120, 40), np.int16)
    spiking = Net(Model(pack(spec)), STRICT).push(frames)[-1] / 256
    expected = ReferenceNet.from_spec(spec)(frames[None])[0, -1]
    assert expected.min() < -6 * n * 0.49 and np.allclose(spiking, expected, rtol=0.02, atol=0.5)


@pytest.mark.parametrize("wrong", [1e6, -1e6, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["b0", "b1"])
def test_c6_a_bias_that_the_chip_cannot_hold_is_an_error(name, wrong):
    """C6: it was clipped in silence. The largest that fits is exported as it is."""
    config = TrainConfig(words=("a",), hidden=(4,))
    shapes = {"w0": (40, 4), "u0": (4, 4), "b0": (4,), "w1": (4, 3), "b1": (3,)}
    weights = {k: np.full(shape, 0.1, np.float32) for k, shape in shapes.items()}
    weights |= {f"s_{k}": np.int64(3) for k in ("w0", "u0", "w1")}
    weights["b1"][1] = 2047.5
    layer = to_spec(config, weights, {}).layers[1]
    assert (layer.bias[1], layer.bias_shift) == (4095, 7)
    weights[name][2] = wrong
    with pytest.raises(
        EdgeLpError, match="bias of the trained net is .*, the chip's bias register"
    ):
        to_spec(config, weights, {})


def test_a_wake_word_reaches_the_model(folder, tmp_path):
    """--wake puts the word first and into the detector, as frames; its halves are drawn as
    unknown."""
    config = configure(None, WORDS, wake=("stop",), wake_seconds=2.5, **SMALL)
    assert config.words == ("stop", "yes") and config.halves == ("stop",)
    fit.check_config(config)
    weights = fit.zeros(config)
    detector = to_spec(config, weights, {}).detector
    assert (detector.wake_words, detector.wake) == (1, 250)
    assert to_spec(configure(None, WORDS, **SMALL), weights, {}).detector.wake == 0
    computer = configure("computer")
    fit.check_config(computer)
    assert computer.words[: len(computer.wake)] == computer.wake == computer.halves == ("computer",)
    for change in (dict(wake_seconds=-1.0), dict(wake_seconds=700.0), dict(halves=("other",))):
        with pytest.raises(EdgeLpError, match="wake_seconds|no keyword"):
            fit.check_config(configure(None, WORDS, **change))
    with pytest.raises(EdgeLpError, match="not the first"):
        TrainConfig(words=("a", "b"), wake=("b",)).check()


def test_a_wake_word_in_other_speech_costs_beside_a_command():
    """The frame that is nearest to a command does not hide it."""
    logits = np.zeros((1, 120, 4), np.float32)
    logits[0, 20:60, 1], logits[0, 70:110, 0] = 9, 4
    call = lambda wake: float(
        detector_loss(logits, np.zeros(1), np.array([2]), (20, 90), 2, wake)[0]
    )
    assert call(1) > call(0) + 0.05
    own = lambda wake: float(
        detector_loss(logits, np.zeros(1), np.array([0]), (20, 90), 2, wake)[0]
    )
    assert own(1) == pytest.approx(own(0))


def test_missed_wake_words_count_in_the_choice_of_weights():
    config = configure(None, ("stop",), wake=("yes",))
    rng = np.random.default_rng(0)
    noise = lambda n: rng.normal(0, 500, n).astype(np.int16)
    corpus = sampler.Corpus(
        [noise(16000) for _ in range(8)], ["yes", "stop", "other", "yes"] * 2, [noise(64000)],
        [noise(16000 * 31)],
    )  # fmt: skip
    quality = Check(corpus, config)
    loud = np.zeros(4)

    def heard(x):  # one logit a frame for each label: on speech as on words, so nothing is above
        return np.broadcast_to(loud, (*x.shape[:2], 4))

    assert quality(heard).wake_missed == 1.0
    speech = quality.speech.shape[1]
    better = lambda x: heard(x) + (x.shape[1] != speech) * np.array([5.0, 0, 0, 0])
    assert quality(better).wake_missed == 0.0
    assert Quality((1,), (1,), 0.0, 0.5).score == pytest.approx(0.95)
    assert Quality((1,), (1,), 0.0).score == 1.0


def test_t9_a_half_written_row_of_the_history_is_passed_over(run, tmp_path):
    text = (run / "history.csv").read_text()
    (tmp_path / "history.csv").write_text(text + "float,9,0.5")
    assert len(stage.history(tmp_path)) == len(stage.history(run))
    stage._record(tmp_path, "float", 10, 0.5, 0.9, Quality((1, 1, 1), (1, 1, 1), 0.0))
    rows = stage.history(tmp_path)
    assert len(rows) == len(stage.history(run)) + 1 and rows[-1]["epoch"] == 10
