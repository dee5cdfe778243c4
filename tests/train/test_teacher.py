# SPDX-License-Identifier: Apache-2.0
"""tools/teacher.py with an embedding made here, and the trainer reading its table."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from paths import ROOT, load

pytest.importorskip("tensorflow")
teacher = load(ROOT / "tools" / "teacher.py")

# Tones that stay apart at the speeds of augmentation; "tree" is no command.
WORDS = "yes no up down left right on off stop go tree".split()
HERTZ = {w: 130 * 1.4**i for i, w in enumerate(WORDS)}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Stand-ins of the two files, in their shapes: the spectrum of each 10 ms, and its mean over
    the window."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("models")
    frames = teacher.FRAMES - 3

    def bands(pcm):
        t, hz = np.arange(160) / 16000, 125 * np.arange(1, 33)
        basis = np.exp(-2j * np.pi * t[:, None] * hz).astype(np.complex64)
        parts = tf.reshape(pcm[:, : frames * 160], (frames, 160)) / 3000
        power = (parts @ basis.real) ** 2 + (parts @ basis.imag) ** 2
        return tf.reshape(power, (1, 1, frames, 32))

    def embed(x):
        mean = tf.reduce_mean(x, (1, 3), keepdims=True)
        return tf.concat([mean] * 3, 2)[:, :, None, :, 0]

    windows = (frames - teacher.WINDOW) // teacher.STEP + 1
    for name, f, shape in (
        ("melspectrogram", bands, (1, teacher.FRAMES * 160)),
        ("embedding_model", embed, (windows, teacher.WINDOW, 32, 1)),
    ):
        call = tf.function(f).get_concrete_function(tf.TensorSpec(shape, tf.float32))
        made = tf.lite.TFLiteConverter.from_concrete_functions([call]).convert()
        (folder / f"{name}.tflite").write_bytes(made)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eleven words as tones, by eight speakers of training and two of validation. One clip of
    "yes" is a "no"."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(1)
    t = np.arange(16000) / 16000
    for split, speakers in (("training", 8), ("validation", 2)):
        for word, hertz in HERTZ.items():
            folder = root / split / word
            folder.mkdir(parents=True)
            for s in range(speakers):
                hz = HERTZ["no"] if (split, word, s) == ("training", "yes", 3) else hertz
                x = 3000 * np.sin(2 * np.pi * hz * t) + rng.normal(0, 200, len(t))
                soundfile.write(folder / f"{split}{s}_nohash_0.wav", x.astype(np.int16), 16000)
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/edge-lp/embeddings"


def run(*args):
    tool = [sys.executable, ROOT / "tools/teacher.py"]
    return subprocess.run([*tool, *map(str, args)], capture_output=True, text=True)


def test_table_tells_words_and_finds_the_wrong_one(models, data, cache, tmp_path):
    from edge_lp.measure.splits import split_clips
    from edge_lp_train.data import teacher_table
    from edge_lp_train.presets import configure

    out = tmp_path / "teacher.npz"
    done = run(models, "--data", data, "--out", out, "--copies", 2, "--epochs", 250)
    assert done.returncode == 0, done.stderr[-2000:]
    *folds, last = done.stdout.splitlines()
    assert 1 <= len(folds) <= teacher.FOLDS and last.startswith("validation: ")
    assert float(last.split()[1]) >= 90

    config = configure()
    clips = [c for c in split_clips(data).clips if c.split == "training"]
    table = teacher_table(out, config, clips)
    np.testing.assert_allclose(table.sum(1), 1, atol=1e-4)
    said = {(c.word, c.path.name[8]): config.labels[p.argmax()] for c, p in zip(clips, table)}
    assert said["yes", "3"] == "no"
    said.pop(("yes", "3"))
    right = [
        heard == (word if word != "tree" else "_unknown_") for (word, _), heard in said.items()
    ]
    assert np.mean(right) >= 0.9

    kept = {p: p.stat().st_mtime_ns for p in cache.iterdir()}
    assert sorted(np.load(p)["x"].shape[:2] for p in kept) == [(22, 1), (88, 2)]
    again = run(models, "--data", data, "--out", out, "--copies", 1, "--epochs", 1)
    assert again.returncode == 0  # other embeddings of the training clips, the same of validation
    assert kept.items() <= {p: p.stat().st_mtime_ns for p in cache.iterdir()}.items()
    assert len(list(cache.iterdir())) == 3


def test_a_speaker_is_in_one_fold_whatever_they_say(tmp_path):
    files = [tmp_path / word / f"{i:08x}_nohash_{k}.wav" for i in range(60)
             for k, word in enumerate(("yes", "no", "yes"))]  # fmt: skip
    folds = teacher.folds_of(files).reshape(60, 3)
    assert (folds == folds[:, :1]).all()
    assert set(folds[:, 0]) == set(range(teacher.FOLDS))


def test_wrong_folder_is_one_line(data, tmp_path):
    done = run(tmp_path, "--data", data, "--out", tmp_path / "t.npz")
    assert done.returncode == 2
    assert "melspectrogram.tflite" in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
