# SPDX-License-Identifier: Apache-2.0
"""Faults of the trainer that people met (T1 to T12): what is read, what is left out, the end."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'edge-lp[train]'")

from edge_lp import plots
from edge_lp.errors import AudioError, EdgeLpError
from edge_lp.measure.splits import find_split, split_clips
from edge_lp_train import data, files, fit, net, sampler, stage
from edge_lp_train.augment import Augment
from edge_lp_train.check import Check, best_shift
from edge_lp_train.presets import PRESETS, TrainConfig, configure
from edge_lp_train.summary import summary, warnings


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(path, samples, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, len(str(path)), *str(path).encode()])
    pcm = samples if isinstance(samples, np.ndarray) else rng.integers(-9000, 9000, samples)
    soundfile.write(path, pcm.astype(np.float32 if pcm.dtype.kind == "f" else np.int16), 16000)


def people(root, words=("yes", "other"), speakers=12, each=3):
    for word in words:
        for s in range(speakers):
            for k in range(each):
                write(root / word / f"anna{s}_{k}.wav", 16000)
    return root


def small(**changes):
    return configure(None, ("yes",), hidden=(4,), clips_per_epoch=64, batch=8, **changes)


def test_t1_an_error_within_an_epoch_leaves_no_thread(monkeypatch, tmp_path):
    """Runs hung at the interpreter's end. Here every thread that makes sequences ends with it."""
    rng = np.random.default_rng(0)
    corpus = sampler.Corpus(
        [rng.integers(-9000, 9000, 16000).astype(np.int16) for _ in range(4)], ["yes", "no"] * 2
    )
    config = small()
    before = set(threading.enumerate())

    def broken(*_):
        assert len(set(threading.enumerate()) - before) >= 1
        raise RuntimeError("in the middle")

    monkeypatch.setattr(stage, "_step", lambda *_: broken)
    plan = [stage.Stage("float", 2, 1e-3, 0.0, 0, 1.0)]
    with pytest.raises(RuntimeError, match="in the middle"):
        stage.run_stage(
            tmp_path, plan, 0, net.build(config), sampler.Sampler(corpus, config), None, config
        )
    assert set(threading.enumerate()) <= before


def test_t2_t6_what_cannot_be_used_is_named_and_the_rest_is_trained_on(tmp_path):
    """Empty, very short, silent and corrupt files, all in one list; NaN counts as 0."""
    people(tmp_path)
    write(tmp_path / "yes" / "bert_0.wav", 700)
    write(tmp_path / "yes" / "bert_1.wav", np.zeros(16000, np.int16))
    (tmp_path / "yes" / "bert_2.wav").write_bytes(b"RIFF")
    (tmp_path / "yes" / "bert_3.wav").write_bytes(b"no sound at all, but some bytes")
    (tmp_path / "yes" / "._bert_4.wav").write_bytes(b"x")
    nan = np.where(np.arange(16000) % 100, 0.1, np.nan).astype(np.float32)
    soundfile.write(tmp_path / "yes" / "nan_0.wav", nan, 16000, subtype="FLOAT")
    material = data.load_corpus({"data": tmp_path}, small())
    why = {p.name: reason for p, reason in material.skipped}
    assert why["bert_0.wav"] == "shorter than 0.05 s" and why["bert_1.wav"] == "silent"
    assert {"bert_2.wav", "bert_3.wav", "._bert_4.wav"} <= set(why) and "nan_0.wav" not in why
    told = " ".join(map(str, summary(material, small())))
    assert "shorter than 0.05 s" in told and "silent" in told and "hidden" in told


@pytest.mark.parametrize("samples", [1, 2, 50, 800, 16000, 70000])
def test_t2_a_clip_of_any_length_can_be_augmented(samples):
    config = small()
    clip = np.full(samples, 1000, np.int16)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = Augment(config, [], [], []).waveform(clip, 124, 5, clip, (-3, 30), rng)
        assert x.shape == (124 * 160,) and x.dtype == np.int16


def test_t3_one_word_is_told_from_others_and_from_silence():
    """Validation holds unknown and silence, training hears more others than keywords, and of equal
    scores the later weights are kept (run_stage)."""
    rng = np.random.default_rng(0)
    clips = [rng.integers(-9000, 9000, 16000).astype(np.int16) for _ in range(6)]
    corpus, config = sampler.Corpus(clips, ["yes"] * 6), small()
    assert set(Check(corpus, config).labels) == {0, 1, 2}
    draws = sampler.Sampler(corpus, config)
    assert draws.label_p[1] > 1.5 * draws.label_p[0]
    ten = sampler.Sampler(
        sampler.Corpus(clips[:3] * 4, [*TrainConfig().words, "x", "x"]), TrainConfig()
    )
    assert ten.label_p[10] < 4 * ten.label_p[0]


def test_t4_everybodys_folders(tmp_path):
    """5 clips of 3 words became 9/1/5: now every word with three speakers is in every split, no
    speaker is in two, lists are followed, a copy is in one."""
    people(tmp_path / "a", ("yes", "no", "other"), speakers=5, each=1)
    split = split_clips(tmp_path / "a")
    of = {s: {c.word for c in split.clips if c.split == s} for s in
          ("training", "validation", "testing")}  # fmt: skip
    assert all(words == {"yes", "no", "other"} for words in of.values())
    speakers = [{c.speaker for c in split.clips if c.split == s} for s in of]
    assert not (speakers[0] & speakers[1] or speakers[0] & speakers[2] or speakers[1] & speakers[2])

    listed = people(tmp_path / "b", speakers=3, each=1)
    (listed / "testing_list.txt").write_text("yes/anna0_0.wav\n")
    (listed / "validation_list.txt").write_text("yes/anna1_0.wav\nother/anna1_0.wav\n")
    by = {f"{c.word}/{c.path.name}": c.split for c in split_clips(listed).clips}
    assert by["yes/anna0_0.wav"] == "testing" and by["other/anna1_0.wav"] == "validation"
    assert by["yes/anna2_0.wav"] == "training"
    (listed / "yes" / "anna9_0.wav").write_bytes((listed / "yes" / "anna0_0.wav").read_bytes())
    alike = bytearray((listed / "yes" / "anna0_0.wav").read_bytes())
    alike[100] ^= 1  # and all else, the middle too, as in the other
    (listed / "yes" / "anna8_0.wav").write_bytes(alike)
    again = split_clips(listed)
    assert "anna8_0.wav" in {c.path.name for c in again.clips}
    assert "anna9_0.wav" not in {c.path.name for c in again.clips}
    assert "a copy of it is for testing" in dict((p.name, w) for p, w in again.skipped).values()


def test_t4_the_held_out_part_of_a_flat_folder_can_be_evaluated(tmp_path):
    """`evaluate --split testing`: the clips that training on the folder keeps away."""
    people(tmp_path, speakers=10)
    made = {c.path for c in split_clips(tmp_path).clips if c.split == "testing"}
    said = []
    found = find_split(tmp_path, "testing", ["yes", "_unknown_", "_silence_"], said.append)
    assert {p for p, _ in found} == made and 6 <= len(made) <= 18
    assert {label for _, label in found} == {0, 1}
    assert "by speakers" in said[0]
    (tmp_path / "testing" / "_silence_").mkdir(parents=True)
    write(tmp_path / "testing" / "_silence_" / "s.wav", 16000)
    write(tmp_path / "testing" / "yes" / "anna0_0.wav", 16000)
    found = find_split(tmp_path, "testing", ["yes", "_unknown_", "_silence_"], said.append)
    assert sorted(label for _, label in found) == [0, 2]
    with pytest.raises(AudioError, match="no clips are for validation"):
        find_split(tmp_path, "validation", ["yes"], said.append)


def test_t4_a_word_of_one_speaker_is_warned_of(tmp_path):
    people(tmp_path, ("other",))
    for k in range(6):
        write(tmp_path / "yes" / f"carl_{k}.wav", 16000)
    said = " ".join(warnings(data.load_corpus({"data": tmp_path}, small()), small()))
    assert "fewer than 5 speakers of yes" in said and "no validation recordings of yes" in said
    for k in range(6, 20):
        write(tmp_path / "yes" / f"carl_{k}.wav", 16000)
    of = [c.split for c in split_clips(tmp_path).clips if c.word == "yes"]
    assert [of.count(s) for s in ("training", "validation", "testing")] == [16, 2, 2]
    said = " ".join(warnings(data.load_corpus({"data": tmp_path}, small()), small()))
    assert "validation clips of yes are of speakers that are trained on" in said


def test_t7_a_word_called_testing(tmp_path):
    """The layout switches only where the folder holds folders; a near miss is named."""
    people(tmp_path / "a", ("testing", "other"))
    config = configure(None, ("testing",))
    assert {c.word for c in data.load_corpus({"data": tmp_path / "a"}, config).clips} == {
        "testing", "other"
    }  # fmt: skip
    people(tmp_path / "b" / "train")
    with pytest.raises(EdgeLpError) as said:
        data.load_corpus({"data": tmp_path / "b"}, small())
    assert "training" in str(said.value)


def test_t8_another_backend_is_named(tmp_path):
    """Before Keras is loaded, which would say it in its own way."""
    done = subprocess.run(
        [sys.executable, "-m", "edge_lp", "train", "--data", tmp_path, "--out", tmp_path / "run"],
        env=os.environ | {"KERAS_BACKEND": "nothing"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(
        "edge-lp: KERAS_BACKEND is 'nothing'; training runs on tensorflow"
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("keep", [0, 10, 400, 1500, -1])
def test_t9_a_damaged_state_is_named(tmp_path, keep):
    model = net.build(small())
    arrays = {f"w{i}": np.asarray(w) for i, w in enumerate(model.weights)}
    files.write_arrays(tmp_path / "float.best.npz", arrays)
    whole = (tmp_path / "float.best.npz").read_bytes()
    (tmp_path / "float.best.npz").write_bytes(whole[:keep])
    with pytest.raises(EdgeLpError, match="float.best.npz"):
        stage._restore_best(tmp_path / "float.best.npz", model)
    files.write_arrays(tmp_path / "half.npz", dict(list(arrays.items())[:2]))
    with pytest.raises(EdgeLpError, match="half.npz is damaged: it has no w2"):
        stage._restore_best(tmp_path / "half.npz", model)


def test_t12_pictures_say_what_they_rest_on(tmp_path, monkeypatch):
    """A class without clips has no recall; epochs are whole, and those of the run: checks are made
    every third one."""
    monkeypatch.setattr(plots, "_save", lambda figure, path: figure)
    labels = ["yes", "no"]
    axes = plots.confusion(np.array([[3, 1], [0, 0]]), labels, tmp_path / "c.png").axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["yes  75.0 %", "no  –"]
    row = dict(loss=1.0, accuracy=0.5, validation=0.5, balanced=0.5)
    checks = [("coarse", 3), ("coarse", 6), ("float", 3), ("3-bit", 3), ("3-bit", 4)]
    rows = [{**row, "stage": stage, "epoch": float(epoch)} for stage, epoch in checks]
    figure = plots.learning_curve(rows, tmp_path / "l.png")
    loss, accuracy = figure.axes
    assert all(float(t).is_integer() for t in accuracy.get_xticks())
    assert [*accuracy.lines[0].get_xdata()] == [3, 6, 9, 12, 13]
    assert [(t.get_position()[0], t.get_text()) for t in loss.texts] == [
        (0, "coarse"),
        (6, "float"),
        (9, "3-bit"),
    ]


def test_t12_nothing_goes_to_stdout_and_a_closed_stderr_stops_nothing(capsys, monkeypatch):
    files.log.print("a [bold]line[/]")
    out, err = capsys.readouterr()
    assert out == "" and err == "a [bold]line[/]\n"

    class Gone:
        def write(self, *_):
            raise BrokenPipeError

        flush = write

    with monkeypatch.context() as patch:
        patch.setattr(files.log, "_file", Gone())
        patch.setattr(files.log, "quiet", False)
        files.log.print("nobody reads this")
        assert files.log.quiet
        files.log.print("nor this")


def test_biases_of_unknown_and_silence_are_fitted():
    """Both logits are moved to where they decide best."""
    truth = np.repeat([0, 1, 2], 40)
    means = np.zeros((120, 3), np.float32)
    means[np.arange(120), truth] = 1
    rng = np.random.default_rng(0)
    means = [means + rng.normal(0, 0.1, means.shape) + np.array([0, 0.9, -1.1])] * 2
    shift = best_shift(means, truth, (1, 2))
    assert shift[0] == 0 and -1.2 < shift[1] < -0.5 and 0.3 < shift[2] < 1.4
    assert np.mean((means[0] + shift).argmax(1) == truth) > 0.99


@pytest.mark.parametrize("name, most", [("tiny", 8192), ("digits10", 40960),
                                        ("commands35", 40960), ("computer", 25600)])  # fmt: skip
def test_presets_fit_their_size(name, most):
    """With provenance as long as report.py writes it."""
    from edge_lp.model.format import pack
    from edge_lp_train.export import to_spec

    config = PRESETS[name].config
    fit.check_config(config)
    said = {"name": name, "licence": config.licence, "words": " ".join(config.words),
            "data sha256": "0" * 64, "trained with": "edge-lp 0.1.0", "recordings": "85511 and 0",
            "validation accuracy": "92.2 % of 2842 clips, spiking", "seed": "1"}  # fmt: skip
    weights = fit.zeros(config)
    rng = np.random.default_rng(0)
    full = {k: rng.normal(0, 0.3, v.shape) if k[0] in "wu" else v for k, v in weights.items()}
    assert len(pack(to_spec(config, full, said))) <= most
