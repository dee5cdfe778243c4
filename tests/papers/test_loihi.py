# SPDX-License-Identifier: Apache-2.0
"""P2's experiments at a size of seconds: the layout of the Heidelberg Digits, the net at other
decays and its read-outs, and all of it once from recordings to a verdict."""

import json
import os
from dataclasses import replace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from edge_lp.cli import main
from edge_lp.errors import EdgeLpError
from edge_lp.measure.splits import TESTING, TRAINING, VALIDATION
from edge_lp.model.format import pack
from edge_lp.model.reference import ReferenceNet
from edge_lp.model.spec import DetectorConfig, Layer, Matrix, ModelSpec
from edge_lp.runtime import Model, Net
from edge_lp_papers import run as runner
from edge_lp_papers.experiments import heidelberg, loihi_core, loihi_digits, loihi_net
from edge_lp_papers.work import Work

SPEAKERS, TEST_ONLY = 4, 3


def digits_folder(root, trials=2, digits=10):
    """Heidelberg Digits as they are unpacked: every digit a chord of its own, at 48 kHz, for every
    speaker at another pitch; the last speaker is only in the test list."""
    rng = np.random.default_rng(0)
    (root / "audio").mkdir(parents=True)
    lists = {TRAINING: [], TESTING: []}
    t = np.arange(round(0.6 * 48000)) / 48000
    for language in ("english", "german"):
        for speaker in range(SPEAKERS):
            for trial in range(trials):
                for digit in range(digits):
                    tones = 300 * (1 + 0.05 * speaker) * (1 + digit) * np.array([1, 1.5])
                    tones = tones * (1 + 0.3 * (language == "german"))
                    x = 0.2 * np.sin(2 * np.pi * tones[:, None] * t).sum(0)
                    x += rng.normal(0, 0.01, len(t))
                    name = f"lang-{language}_speaker-{speaker:02d}_trial-{trial}_digit-{digit}.flac"
                    soundfile.write(root / "audio" / name, x, 48000)
                    lists[TESTING if speaker == TEST_ONLY else TRAINING].append(name)
    for split, names in lists.items():
        (root / heidelberg.LISTS[split]).write_text("\n".join(names) + "\n")
    return root


def test_the_layout_of_the_heidelberg_digits(tmp_path):
    clips = heidelberg.recordings(digits_folder(tmp_path / "hd_audio", trials=1))
    assert len(clips) == 80 and len({c.word for c in clips}) == 20
    by = {s: {c.speaker for c in clips if c.split == s} for s in (TRAINING, VALIDATION, TESTING)}
    assert by == {
        TRAINING: {"speaker00", "speaker01"}, VALIDATION: {"speaker02"}, TESTING: {"speaker03"},
    }  # fmt: skip
    name = "lang-german_speaker-03_trial-0_digit-5.flac"
    assert next(c for c in clips if c.path.name == name).word == "fuenf"


@pytest.mark.parametrize(
    "harm, says",
    [
        (lambda r: (r / "test_filenames.txt").unlink(), "no test_filenames.txt; expected Heidel"),
        (lambda r: (r / "train_filenames.txt").write_text(""), "an empty list"),
        (lambda r: (r / "train_filenames.txt").write_text("seven.flac"), "'seven.flac'; expected"),
        (lambda r: next((r / "audio").glob("*-01_*")).unlink(), "a list names lang-.*there is no"),
        (
            lambda r: (r / "train_filenames.txt").write_text(
                "lang-english_speaker-00_trial-0_digit-0.flac"
            ),
            "one speaker, expected two",
        ),
    ],
)
def test_another_layout_is_one_line(tmp_path, harm, says):
    root = digits_folder(tmp_path / "hd_audio", trials=1, digits=1)
    harm(root)
    with pytest.raises(EdgeLpError, match=says) as error:
        heidelberg.recordings(root)
    assert "\n" not in str(error.value)


def small_net(hidden=(16, 24, 24), labels=5):
    """A net at P2's operating point, with codes in eighths of which a third are not 0."""
    rng, layers, below = np.random.default_rng(3), [], 40
    for i, n in enumerate((*hidden, labels)):

        def matrix(rows, scale=3, n=n):
            some = rng.integers(-4, 4, (rows, n)) * (rng.random((rows, n)) < 0.35)
            return Matrix(some.astype(np.int8), scale)

        last = i == len(hidden)
        bias = rng.integers(-300, 300, n) if last else rng.integers(0, 4000, n)
        u = matrix(n) if 0 < i < len(hidden) else None
        layers.append(Layer(matrix(below), u, bias.astype(np.int16), 0 if last else 1))
        below = n
    return ModelSpec(
        [f"w{i}" for i in range(labels)], 1, delta=64, steps=14, feedback=512, ceiling=2**21 - 1,
        drive_shift=-2, synapse_shift=3, output_shift=4, logit_mul=3, logit_shift=7,
        detector=DetectorConfig((10,), (0.5,), 5, 5), layers=layers,
    )  # fmt: skip


def smooth(n=100):
    rng = np.random.default_rng(5)
    slow = np.cumsum(rng.normal(0, 250, (n, 40)), axis=0)
    return np.clip(slow - slow.mean(axis=0), -8000, 8000).astype(np.int16)


def test_the_read_out_net_is_the_net():
    """At the trained decay the layers spike as the model's own, and the current of the output
    neurons is the model's logit."""
    spec, frames = small_net(), smooth()
    point = loihi_core.Point(spec, 64)
    assert point.steps == pytest.approx(14) and point.scale == 1
    states, spikes, read = loihi_core.run(point, frames)
    net = Net(Model(pack(spec)))
    logits = net.push(frames) / 256
    assert net.counts().spikes == sum(s.sum() for s in spikes) > 1000
    for i, s in enumerate(states):
        assert np.array_equal(s[-1], net.state(2 * i + 1)["u"] * (-6 / 2**21))
    out = spec.layers[-1]
    assert np.abs(read["current"] + out.bias / 256 - logits).max() < 0.02
    assert read["current"].min() < 0 <= read["voltage"].min(), "the others are rectified"
    assert read["feedback"].min() >= 0 and read["spikes"].max() > 0


@pytest.mark.parametrize(
    "delta, steps, least", [(64, 14, 0.97), (256, 3.416, 0.8), (384, 2.24, 0.65)]
)
def test_other_decays(delta, steps, least):
    """The feed-forward layer, which no earlier error reaches, follows the ANN; at a tau that is no
    power of two as well."""
    spec, frames = small_net(), smooth()
    point = loihi_core.Point(spec, delta)
    assert point.steps == pytest.approx(steps, abs=0.01)
    held = [n for _, n in point.held(frames)]
    assert sum(held) == round(100 * point.steps) and max(held) - min(held) <= 1
    assert int(point.model.c.feedback) == round(8 * 4096 / delta)
    states, _, _ = loihi_core.run(point, frames)
    reference = ReferenceNet.from_spec(spec).states(frames[None])
    assert loihi_core._together(reference[0][0], states[0]) > least
    slope = np.polyfit(reference[0][0].ravel(), states[0].ravel(), 1)[0]
    assert slope == pytest.approx(1, abs=0.06), "what differs is spikes, not the scale"


def test_a_net_in_other_units_is_refused():
    with pytest.raises(ValueError, match="other units than P2's"):
        loihi_core.Point(replace(small_net(), ceiling=2**20 - 1), 64)


def test_without_the_digits_a_line_says_so(tmp_path, capsys):
    work = Work(tmp_path / "parts" / "loihi-digits", data=tmp_path)
    with pytest.raises(
        EdgeLpError,
        match=r"no folder .*hd_audio; give a DIR with hd_audio/ or speech_commands/ in it",
    ):
        loihi_digits.measure(work, [1, 2, 1], 64, 1, [64])
    (tmp_path / "speech_commands" / "training" / "yes").mkdir(parents=True)
    soundfile.write(tmp_path / "speech_commands/training/yes/a_nohash_0.wav", np.ones(800), 16000)
    work.map = lambda *a, **k: pytest.skip.Exception  # no further
    with pytest.raises(TypeError):
        loihi_digits.measure(work, [1, 2, 1], 64, 1, [64])
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "hd_audio" in said and "speech_commands in its place" in said


def the_commands_take(model, audio, right):
    """A net of the preset `paper` is a model like any other for `evaluate` and `listen`."""
    testing = next(model.parents[1].glob("*-data")) / TESTING
    done = CliRunner().invoke(main, ["evaluate", str(model), str(testing), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["n"] == 20 and round(found["accuracy"] / 5) == right
    heard = ["listen", "--model", str(model), "--json", "--threshold", "0.01"]
    done = CliRunner().invoke(main, [*heard, "--device", str(min(audio.glob("*-03_*.flac")))])
    assert done.exit_code == 0, done.output
    assert all(
        json.loads(line)["keyword"] in heidelberg.WORDS for line in done.stdout.split("\n")[:-1]
    )


def test_from_digits_to_a_verdict(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow", reason="training needs TensorFlow: edge-lp[train]")
    pytest.importorskip(
        "matplotlib", reason="matplotlib is not installed (pip install '.[papers]')"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    small = loihi_net.CHANGES | {"hidden": (16, 24, 24), "batch": 16}
    monkeypatch.setattr(loihi_net, "CHANGES", small)
    digits_folder(tmp_path / "data" / "hd_audio", trials=1)
    size = {"epochs": [0, 1, 1], "per_epoch": 64, "clips": 1, "decays": [64, 512]}
    e = replace(loihi_digits.EXPERIMENT, default=size)
    result = runner.run(e, tmp_path / "out", data=tmp_path / "data")
    data = result["data"]
    assert data["digits"] and data["n"] == 20 and set(data["right"]) == {"float", "ann", "snn"}
    assert (
        data["exact"]["same"] == data["exact"]["weights"] == sum(map(sum, data["codes"].values()))
    )
    assert data["exact"]["bias"] < 1e-3 and data["cores"] == 1
    near, far = (np.mean(p["together"]) for p in data["points"])
    assert near > far and near > 0.9
    assert result["verdict"]["text"].startswith("On the Heidelberg Digits. On 20 test clips")
    assert (tmp_path / "out" / "loihi-digits.png").stat().st_size > 20_000
    assert json.loads((tmp_path / "out" / "loihi-digits.json").read_text()) == result
    (model,) = (tmp_path / "cache").rglob("model.lpb")
    the_commands_take(model, tmp_path / "data" / "hd_audio" / "audio", data["right"]["snn"])
    monkeypatch.setattr("edge_lp_train.fit.train", pytest.fail)  # the net is kept
    again = runner.run(
        replace(e, default=size | {"decays": [64]}), tmp_path / "o", 0, 0, tmp_path / "data"
    )
    assert again["data"]["right"] == data["right"]
