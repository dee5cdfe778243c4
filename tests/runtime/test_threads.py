# SPDX-License-Identifier: Apache-2.0
"""What threads may share (docs/embedding.md): one model, nothing else, with the thread sanitizer
watching."""

import shutil
import subprocess
from dataclasses import replace

import pytest
from edge_lp.audio.signals import babble
from edge_lp.model.format import pack
from edge_lp.runtime import Detector, Frontend, Model, Net
from paths import ROOT
from random_model import random_spec

SPEC = random_spec(1)
MODEL = pack(replace(SPEC, detector=replace(SPEC.detector, thresholds=(0.1,), refractory=10)))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_threads_share_a_model(tmp_path, compiler):
    """Three threads with a state each, the last one on the core, find at once what one finds alone
    and what the host does."""
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    runtime = sorted((ROOT / "runtime").rglob("*.c"))
    # the sanitizer runs before what chooses among the clones of a function
    flags = (
        "-std=gnu99 -g -O1 -Wall -Wextra -Werror -DLP_NO_CLONES -fsanitize=thread -pthread".split()
    )
    source = ROOT / "tests/c/threads_test.c"
    command = [compiler, *flags, "-I", ROOT / "runtime", source, *runtime, "-o", tmp_path / "t"]
    subprocess.run(command, check=True)
    (tmp_path / "m.lpb").write_bytes(MODEL)
    pcm, opened = babble(3, seed=1), Model(MODEL)
    ran = subprocess.run(
        [tmp_path / "t", tmp_path / "m.lpb"], input=pcm.astype("<i2").tobytes(), capture_output=True
    )
    assert ran.returncode == 0 and ran.stderr == b"", ran.stderr.decode()[-3000:]
    detector = Detector(len(opened.labels), opened.n_keywords, opened.detector)
    events = detector.push(Net(opened).push(Frontend().push(pcm)))[0]
    assert len(events) > 5
    assert ran.stdout.decode().splitlines() == [f"{e.frame} {e.label}" for e in events]
