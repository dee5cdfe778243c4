# SPDX-License-Identifier: Apache-2.0
"""The sigma-delta kernel is the core: logits, u, v and spikes of every group and all counts, after
every step, on random models and real speech, with and without vectors; and who runs on it."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from edge_lp import core, runtime
from edge_lp.audio.files import read_file
from edge_lp.model import format
from edge_lp.model.find import read_model
from edge_lp.model.format import pack
from edge_lp.model.spec import Layer, Matrix
from paths import ROOT, SHARED
from random_model import random_frames, random_matrix, random_spec

# K and tau as trained: feedback and drive are in proportion, hidden weights four times as large.
K14 = {}
K7 = dict(delta=128, steps=7, feedback=1024, drive_shift=-1, synapse_shift=5, output_shift=10)


def held(frames, steps):
    """Each frame `steps` times: with steps=1 in the model, the same run, seen after every step."""
    return np.repeat(frames, steps, axis=0)


def other_scale(spec):
    """The second layer hears the layer below with half the weight that it hears itself with."""
    below = spec.layers[1].w
    return replace(
        spec,
        layers=[
            spec.layers[0],
            replace(spec.layers[1], w=Matrix(below.codes, below.scale - 1)),
            *spec.layers[2:],
        ],
    )


def busy(n):
    """Everyone spikes in most steps: far more rows than one block."""
    return random_spec(
        4,
        (n, n),
        layers=[
            Layer(
                random_matrix(np.random.default_rng(k), 40 if k == 0 else n, n, 0.3),
                random_matrix(np.random.default_rng(k + 9), n, n, 0.3),
                np.full(n, 30000, np.int16),
                3,
            )
            for k in range(2)
        ]
        + [
            Layer(
                random_matrix(np.random.default_rng(7), n, 12, 1.0), None, np.zeros(12, np.int16), 0
            )
        ],
    )


MODELS = {
    "128-128": random_spec(1),
    "K 7": random_spec(2, **K7),
    "one unit": random_spec(3, (1,), 1, 1),
    "odd sizes": random_spec(4, (30, 11, 24), 5, 3),
    "seven layers": random_spec(5, (9, 10, 11, 20, 21, 2, 3)),
    "sparse": random_spec(6, (60, 40), density=0.15),
    "dense and sparse": random_spec(7, (128, 128), density=0.24),
    "two scales": other_scale(random_spec(8, (64, 50))),
    "two scales, K 7": other_scale(random_spec(8, (64, 50), **K7)),
    "busy": busy(90),
    "slow": random_spec(9, (40, 30), delta=8, feedback=60),
    "fast": random_spec(10, (40, 30), delta=2048, feedback=8000),
    "low ceiling": random_spec(11, (40, 30), ceiling=100_000),
}


def same(a, b):
    assert a.counts() == b.counts()
    for group in range(a.n_groups):
        x, y = a.state(group), b.state(group)
        for name in y:
            assert np.array_equal(x[name], y[name]), (group, name)


@pytest.mark.parametrize("name", MODELS)
def test_every_step_of_random_models(name):
    spec = MODELS[name]
    model = runtime.Model(pack(replace(spec, steps=1)))
    kernel, general = runtime.Net(model), runtime.Net(model, core.CORE)
    assert kernel.kernel and not general.kernel
    for frame in held(random_frames(5, 12), spec.steps):
        assert np.array_equal(kernel.push(frame), general.push(frame))
        same(kernel, general)
    assert kernel.counts().spikes > 0 or sum(layer.n for layer in spec.layers) < 10
    counting = runtime.Net(model, core.COUNT), runtime.Net(model, core.COUNT | core.CORE)
    for net in counting:
        net.push(held(random_frames(5, 12), spec.steps))
    assert counting[0].kernel and counting[0].counts().active > 0
    same(*counting)


@pytest.mark.parametrize("low, high", [(-32768, 32767), (-32641, 32640), (-129, 128)])
def test_the_widest_features(low, high):
    """Sums of the drive by bytes of the features, where all of them add up in one unit."""
    layers = list(random_spec(1).layers)
    codes = np.array(layers[0].w.codes)
    codes[:, 0], codes[:, 1] = -4, 3
    layers[0] = replace(layers[0], w=Matrix(codes, layers[0].w.scale))
    model = runtime.Model(pack(random_spec(1, layers=layers)))
    kernel, general = runtime.Net(model), runtime.Net(model, core.CORE)
    assert kernel.kernel
    for column in range(8):
        lowest = codes[:, column] < 0
        for x in (np.where(lowest, low, high), np.where(lowest, high, low)):
            frame = x.astype(np.int16)
            assert np.array_equal(kernel.push(frame), general.push(frame))
            same(kernel, general)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """tests/c/kernel_test.c with the kernel of boards, under sanitizers."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    out = tmp_path_factory.mktemp("kernel") / "kernel_test"
    flags = ["-std=c99", "-g", "-O2", "-Wall", "-Wextra", "-Werror", "-DLP_VECTORS=0"]
    checks = ["-fsanitize=address,undefined", "-fno-sanitize=leak", "-fno-sanitize-recover=all"]
    sources = [ROOT / "tests" / "c" / "kernel_test.c", *sorted((ROOT / "runtime").glob("lp_*.c"))]
    subprocess.run(
        ["gcc", *flags, *checks, f"-I{ROOT / 'runtime'}", *sources, "-o", out], check=True
    )
    return out


def run_program(program, folder, data, frames):
    (folder / "m.lpb").write_bytes(data)
    frames.astype(np.int16).tofile(folder / "frames")
    return subprocess.run(
        [program, folder / "m.lpb", folder / "frames"],
        env={"ASAN_OPTIONS": "detect_leaks=0"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_without_vectors(name, every_step, program, tmp_path):
    """Sleepers are caught up within frames of K steps and, with K = 1, in every step."""
    spec, frames = MODELS[name], random_frames(6, 40)
    if every_step:
        spec, frames = replace(spec, steps=1), held(frames[:10], spec.steps)
    done = run_program(program, tmp_path, pack(spec), frames)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.startswith(f"{len(frames)} frames, ")


def speech(seconds):
    folder = SHARED / "data" / "speech_commands" / "testing"
    clips = sorted(folder.glob("*/*.flac"))
    if not clips:
        pytest.skip("no recordings: ../shared/data is absent")
    pcm = np.concatenate([read_file(clip) for clip in clips[:: len(clips) // seconds][:seconds]])
    return runtime.Frontend().push(pcm)


def test_real_speech(program, tmp_path):
    """The shipped model on ten words, then on sound at full scale; after every frame, and its first
    seconds after every step."""
    data = read_model("commands12")
    loud = np.where(np.arange(16000) // 40 % 2, 32767, -32768).astype(np.int16)
    frames = np.concatenate([speech(10), runtime.Frontend().push(loud)])
    model = runtime.Model(data)
    kernel, general = runtime.Net(model), runtime.Net(model, core.CORE)
    assert kernel.kernel
    for frame in frames:
        assert np.array_equal(kernel.push(frame), general.push(frame))
        same(kernel, general)
    done = run_program(program, tmp_path, data, frames)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


@pytest.mark.parametrize("shift, fits", [(12, False), (4, True)])
def test_padding_stays_within_32_bits(shift, fits, program, tmp_path, monkeypatch):
    """A dense row's last word holds ten codes, of however few units: bits 0, which are code -4. Two
    units that spike all the time would send those behind them below -2^31; nor may what is behind
    an odd number of labels add up for ever."""
    monkeypatch.setattr(format, "SPARSE_BYTES", 0)  # no writer writes rows of zeros so
    zeros, high = np.zeros((2, 2), np.int8), np.full(2, 32767, np.int16)
    hidden = Layer(Matrix(np.zeros((40, 2), np.int8), 0), Matrix(zeros, 0), high, 7)
    output = Layer(Matrix(np.zeros((2, 3), np.int8), 0), None, np.zeros(3, np.int16), 0)
    point = dict(delta=2, steps=255, feedback=1, output_shift=12, ceiling=2**23 - 1)
    spec = random_spec(1, (2,), 3, 2, layers=[hidden, output], synapse_shift=shift, **point)
    assert runtime.Net(runtime.Model(pack(spec))).kernel == fits
    done = run_program(program, tmp_path, pack(spec), random_frames(1, 40))
    assert done.returncode == (0 if fits else 2), done.stderr


REFUSED = {
    "decay is no power of two": dict(delta=65),
    "decays at once": dict(delta=4096),
    "feedback": dict(feedback=2048),
    "weights": dict(synapse_shift=8),
    "frame": dict(steps=256),
    "output": dict(output_shift=15),
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_what_the_kernel_cannot_prove_runs_on_the_core(change, program, tmp_path):
    """tests/runtime/test_twin_net.py has its numbers."""
    data = pack(random_spec(1, (100,), **change))
    assert not runtime.Net(runtime.Model(data)).kernel
    assert run_program(program, tmp_path, data, random_frames(1, 1)).returncode == 2


@pytest.mark.parametrize(
    "code, n, expected", [(-4, 256, True), (-4, 257, False), (3, 341, True), (3, 342, False)]
)
def test_bounds_are_tight(code, n, expected):
    """One unit gets code from n others: 64 |q| tau + 2^22 - 1 <= 2^23 - 1 asks for |q| <= 1024."""
    codes, rng = np.zeros((n, n), np.int8), np.random.default_rng(1)
    codes[:, n // 2] = code
    hidden = Layer(random_matrix(rng, 40, n), Matrix(codes, 3), np.zeros(n, np.int16), 0)
    output = Layer(random_matrix(rng, n, 2), None, np.zeros(2, np.int16), 0)
    spec = random_spec(1, (n,), 2, 2, layers=[hidden, output])
    assert runtime.Net(runtime.Model(pack(spec))).kernel == expected
