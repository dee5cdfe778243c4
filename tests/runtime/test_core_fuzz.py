# SPDX-License-Identifier: Apache-2.0
"""The fuzz harness of model file and run, three ways: drawn mutations under sanitizers, one input
on stdin, a few seconds of libFuzzer."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from edge_lp.model.find import write_model
from edge_lp.model.format import pack
from edge_lp.model.spec import DetectorConfig
from paths import ROOT
from random_model import random_spec

RUNTIME = sorted((ROOT / "runtime").glob("lp_*.c"))
SANITIZERS = [
    "-std=c99",
    "-g",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fno-sanitize-recover=all",
    f"-I{ROOT / 'runtime'}",
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Small models: dense, sparse, deep, wide; each as 1.0, 1.1 and 1.2."""
    folder = tmp_path_factory.mktemp("corpus")
    for k, (sizes, density, labels) in enumerate(
        [((3,), 1, 2), ((16, 12), 1, 4), ((20,), 0.1, 3), ((5, 6, 7, 4), 0.5, 5), ((40,), 0.3, 12)]
    ):
        spec = random_spec(k, sizes, labels, min(labels, 2), density=density, steps=3)
        write_model(folder / f"{k}.lpb", pack(spec))
        waking = DetectorConfig((2, 9, 25), (0.1, 0.05), 5, 4, 3, wake_words=1, wake=99)
        write_model(folder / f"{k}-1.1.lpb", pack(replace(spec, detector=waking)))
        every_third = replace(waking, windows=(3, 9, 24), stride=3)
        write_model(folder / f"{k}-1.2.lpb", pack(replace(spec, detector=every_third)))
    return folder


def build(compiler: str, flags: list[str], folder: Path, harness: str = "fuzz_model") -> Path:
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    sources = [ROOT / "tests" / "c" / f"{harness}.c", *RUNTIME]
    subprocess.run([compiler, *SANITIZERS, *flags, *sources, "-o", folder / "fuzz"], check=True)
    return folder / "fuzz"


def libfuzzer(program: Path, runs: int, max_len: int, *corpus: Path) -> None:
    """A harness for `runs` inputs. A process begins with its parent's peak of memory (Linux keeps
    ru_maxrss through exec), and that is a test session with TensorFlow in it: what is bounded is
    one allocation, not that peak."""
    done = subprocess.run(
        [
            program,
            f"-runs={runs}",
            "-seed=1",
            f"-max_len={max_len}",
            "-rss_limit_mb=0",
            "-malloc_limit_mb=512",
            *corpus,
        ],
        cwd=program.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and f"Done {runs} runs" in done.stderr, done.stderr[-3000:]


def test_drawn_mutations(corpus, tmp_path) -> None:
    program = build("gcc", ["-fsanitize=address,undefined"], tmp_path)
    models = sorted(corpus.glob("*.lpb"))
    done = subprocess.run([program, "300", *models], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    numbers = re.fullmatch(r"opened (\d+), ran (\d+), events (\d+)\n", done.stdout)
    opened, ran, events = map(int, numbers.groups())
    # the mutations reach the run, they do not all fail at the door
    assert opened > 600 and ran > 1000 and events > 1000
    for given, expected in (
        (models[1].read_bytes(), "opened 2, ran 4, "),
        (b"", "opened 0, ran 0, "),
        (b"no model", "opened 0, ran 0, "),
    ):
        out = subprocess.run([program], input=given, capture_output=True).stdout.decode()
        assert out.startswith(expected)


def test_libfuzzer(corpus, tmp_path) -> None:
    program = build("clang", ["-fsanitize=fuzzer,address,undefined", "-DFUZZER"], tmp_path)
    libfuzzer(program, 3000, 20000, corpus)


def test_any_sequence_of_a_detectors_calls(tmp_path) -> None:
    """Configurations with windows and strides that fit or not, logits and resets, in exactly the
    memory asked for."""
    program = build("gcc", ["-fsanitize=address,undefined"], tmp_path, "fuzz_detector")
    done = subprocess.run([program, "300"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    numbers = re.fullmatch(r"taken (\d+), refused (\d+), events (\d+)\n", done.stdout)
    assert all(int(n) > 300 for n in numbers.groups()), done.stdout
    assert subprocess.run([program], input=b"").returncode == 0


@pytest.mark.parametrize(
    "harness, flags",
    [("kernel_test", []), ("kernel_test", ["-DLP_VECTORS=0"]), ("fuzz_frontend", [])],
)
def test_other_harnesses(harness, flags, tmp_path) -> None:
    """The kernel against the core on drawn models; the front end on any cuts."""
    checks = ["-fsanitize=fuzzer,address,undefined", "-DFUZZER", "-DLP_NO_CLONES"]
    program = build("clang", [*checks, *flags], tmp_path, harness)
    libfuzzer(program, 200, 2000)
