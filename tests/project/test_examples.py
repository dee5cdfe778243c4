# SPDX-License-Identifier: Apache-2.0
"""Every example runs and says what it should; so do the examples in public docstrings."""

import doctest
import importlib
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from edge_lp.model.find import read_model, resolve_model
from edge_lp.runtime import Model, Spotter
from paths import ROOT

EXAMPLES = ROOT / "examples"


def run(name, *arguments, path=None):
    """The example's standard output, in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(path)} if path else None
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments], capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Synthesised words that the shipped model knows, in a recording."""
    pytest.importorskip("espeakng_loader", reason="espeakng-loader is not installed")
    from edge_lp.hear.demo import compose

    pcm, said = compose(["yes", "stop", "left"])
    path = tmp_path_factory.mktemp("words") / "words.wav"
    soundfile.write(path, pcm, 16000, subtype="PCM_16")
    return path, [s.word for s in said if s.keyword]


def test_spot_file(words):
    path, said = words
    lines = [line.split() for line in run("spot_file.py", path).splitlines()]
    assert [line[2] for line in lines] == said, lines
    times = [float(line[0]) for line in lines]
    assert times == sorted(times) and all(0 < float(line[3]) <= 1 for line in lines)


def test_spot_in_c(words, tmp_path):
    """C10: at most 30 lines, blocks of 512 samples: no frame is lost, the events are the host's."""
    if not shutil.which("cc"):
        pytest.skip("cc is not installed")
    source = EXAMPLES / "c" / "spot.c"
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 30
    flags = [
        "-std=c99",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        f"-I{ROOT / 'runtime'}",
    ]
    runtime = sorted((ROOT / "runtime").glob("lp_*.c"))
    subprocess.run(["cc", *flags, source, *runtime, "-o", tmp_path / "spot"], check=True)
    path, said = words
    pcm = np.append(soundfile.read(path, dtype="int16")[0], np.zeros(16000, np.int16))
    command = [tmp_path / "spot", resolve_model("commands12")]
    done = subprocess.run(command, input=pcm.tobytes(), capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    assert [line.split()[2] for line in lines] == said
    model = Model(read_model("commands12"))
    events = Spotter(model).push(pcm)
    assert lines == [f"{e.middle / 100:.2f} s {model.labels[e.label]}" for e in events]
    wrong = subprocess.run([tmp_path / "spot", path], stdin=subprocess.DEVNULL, capture_output=True)
    assert wrong.returncode == 2 and b"status -3" in wrong.stderr


def test_microphone(words, tmp_path):
    """With a stand-in for PortAudio's binding that plays the recording and then presses Ctrl-C."""
    path, said = words
    (tmp_path / "sounddevice.py").write_text(f"""
import threading, numpy as np, soundfile, types, _thread, time
class PortAudioError(Exception): pass
default = types.SimpleNamespace(device=[0, 0])
def query_devices(*a, **k):
    one = dict(name="stand-in", max_input_channels=1, default_samplerate=16000.0)
    return [one | dict(hostapi=0, index=0)]
def query_hostapis(*a, **k):
    return [dict(name="none")]
def check_input_settings(**k): pass
class CallbackFlags:
    input_overflow = False
class InputStream:
    active = True
    def __init__(self, blocksize, callback, **k):
        self.blocksize, self.callback = blocksize, callback
    def start(self):
        threading.Thread(target=self.play, daemon=True).start()
    def play(self):
        pcm, _ = soundfile.read({str(path)!r}, dtype="int16")
        pcm = np.concatenate([pcm, np.zeros(16000, np.int16)])
        for at in range(0, len(pcm) - self.blocksize, self.blocksize):
            self.callback(pcm[at:at + self.blocksize, None], self.blocksize, None, CallbackFlags)
            time.sleep(0.005)
        time.sleep(2.0)
        _thread.interrupt_main()
    def stop(self, *a, **k): pass
    def close(self, *a, **k): pass
    def abort(self, *a, **k): pass
""")
    heard = [line.split()[0] for line in run("microphone.py", path=tmp_path).splitlines()]
    assert heard == said


def test_loihi_core():
    out = run("loihi_core.py")
    rates = [float(x) for x in re.findall(r": ([\d.]+) spikes per 1000 steps", out)]
    assert len(rates) == 2 and all(rate > 1 for rate in rates), out
    assert ", 0, " in out.splitlines()[-1], "v is 0 after a spike"


def test_keras_model():
    pytest.importorskip("keras", reason="TensorFlow is not installed")
    out = run("keras_model.py")
    assert int(re.search(r"accuracy (\d+) %", out)[1]) >= 90, out


def test_no_example_is_forgotten():
    tests = (ROOT / "tests" / "project" / "test_examples.py").read_text()
    tests += (ROOT / "tests" / "loihi" / "test_loihi_examples.py").read_text()
    for path in EXAMPLES.glob("*.py"):
        run = f'run("{path.name}"', f'said("{path.name}")'
        assert any(call in tests for call in run), f"{path.name} has no test"


@pytest.mark.parametrize(
    "module, names",
    [
        ("edge_lp.runtime", ["Spotter"]),
        ("edge_lp.loihi.network", ["Network"]),
        ("edge_lp_train.layers", ["LowPassRNN"]),
    ],
)
def test_docstring_examples(module, names):
    """The classes that most people begin with have an example that runs."""
    if module.startswith("edge_lp_train"):
        pytest.importorskip("keras", reason="TensorFlow is not installed")
    loaded = importlib.import_module(module)
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    for name in names:
        found = [t for t in finder.find(getattr(loaded, name), name, loaded) if t.examples]
        assert any(t.name == name for t in found), f"{module}.{name} has no example"
        for test in found:
            assert runner.run(test).failed == 0, test.name


def test_examples_are_short():
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 60, path.name
