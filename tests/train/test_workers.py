# SPDX-License-Identifier: Apache-2.0
"""Two workers on loopback through the whole command, as docs/training.md has it, and one alone."""

import json
import os
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
import soundfile
from paths import ROOT

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'edge-lp[train]'")

from edge_lp.runtime import Model
from edge_lp_train import stage
from test_distribute import free_ports

MATPLOTLIB = matplotlib.get_configdir()  # whose list of fonts takes long to make
SMALL = (
    "--words low,high --hidden 12 --batch 16 --clips-per-epoch 512 --epochs 4 1 --rate 0.03 "
    "--held 0"
)
BOUND = 0.15  # of each loss: the workers draw other sequences than one does; .08 was seen


@pytest.fixture
def folder(tmp_path):
    """Two words that are tones, and another; eight speakers in training, four in validation."""
    rng = np.random.default_rng(0)
    for i in range(36):
        word, hz = (("low", 300), ("high", 2500), ("other", 900))[i % 3]
        split = "validation" if i >= 24 else "training"
        path = tmp_path / "DATA" / split / word / f"s{i // 3}_0.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        tone = 6000 * np.sin(np.arange(16000) * 2 * np.pi * hz * rng.uniform(0.95, 1.05) / 16000)
        tone *= np.exp(-(((np.arange(16000) - 8000) / 3000) ** 2))
        soundfile.write(path, (tone + rng.normal(0, 30, 16000)).astype(np.int16), 16000)
    return tmp_path


def documented(ports):
    """The page's commands for two workers, on these ports."""
    page = (ROOT / "docs" / "training.md").read_text()
    (text,) = re.findall(r"    worker\(\) \{\n.*?; wait\n", page, re.DOTALL)
    assert "127.0.0.1:2222" in text and "127.0.0.1:2223" in text
    for old, new in zip(("2222", "2223"), ports):
        text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    return text


def shell(text, folder):
    """Runs it in bash; `edge-lp` is this Python's."""
    text = text.replace("edge-lp train", f"{sys.executable} -m edge_lp train {SMALL}")
    env = os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "CUDA_VISIBLE_DEVICES": "-1",
                        "MPLCONFIGDIR": MATPLOTLIB}  # fmt: skip
    env.pop("TF_CONFIG", None)
    done = subprocess.run(["bash", "-c", text], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_two_workers_from_command_to_model(folder):
    """Each decodes half of the training clips, both end with the same model, and the loss of every
    check is within BOUND of one worker's."""
    shell("edge-lp train --data DATA --out runs/alone", folder)
    shell(documented(free_ports(2)), folder)
    alone, first, second = (folder / "runs" / name for name in ("alone", "both", "both/worker-1"))
    model = (first / "model.lpb").read_bytes()
    with (
        np.load(first / "weights_quantised.npz") as a,
        np.load(second / "weights_quantised.npz") as b,
    ):
        assert all(np.array_equal(a[k], b[k]) for k in a.files)
    assert Model(model).labels == ["low", "high", "_unknown_", "_silence_"]
    for run, clips in (alone, 24), (first, 12), (second, 12):
        said = json.loads((run / "report.json").read_text())["provenance"]["recordings"]
        assert said == f"{clips} and 0 made"
    curves = [stage.history(run) for run in (alone, first, second)]
    losses = np.array([[row["loss"] for row in rows] for rows in curves])
    assert losses[0, -2] < 0.9  # from 1.4
    np.testing.assert_array_equal(losses[1], losses[2])
    np.testing.assert_allclose(losses[1], losses[0], rtol=BOUND)
    for row in zip(*curves):
        assert len({(r["stage"], r["epoch"]) for r in row}) == 1
