# SPDX-License-Identifier: Apache-2.0
"""Two workers on loopback, two devices in a process, and one alone: the same net from the same
batches. What TF_CONFIG may say."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'edge-lp[train]'")
from edge_lp.errors import EdgeLpError
from edge_lp_train import distribute
from edge_lp_train.presets import configure

# Ten steps on batches that are drawn alike everywhere; every worker takes its part of each.
STEPS = """
import sys, numpy as np, tensorflow as tf
devices = int(sys.argv[2])
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * devices)
import keras
from edge_lp_train import distribute, net, stage
from edge_lp_train.presets import configure
if devices > 1:
    cpus = [f"CPU:{i}" for i in range(devices)]
    where = distribute.Place(tf.distribute.MirroredStrategy(cpus))
else:
    where = distribute.place("auto")
config = configure(None, ("yes", "no"), hidden=(12,), batch=16)
mine = where.share(config)
rng, losses = np.random.default_rng(0), []
with where.strategy.scope():
    model = net.build(config, {"w0": 3, "u0": 3, "w1": 3} if devices > 1 else None)
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    step = stage._step(model, optimizer, config, None)
    for _ in range(10):
        x = rng.normal(0, 1, (16, 124, 40)).astype(np.float32)
        label = rng.integers(0, 4, 16).astype(np.int32)
        x[:, :, :4] += 2 * np.eye(4, dtype=np.float32)[label][:, None]
        batch = (x, np.zeros(16, np.int32), np.eye(4, dtype=np.float32)[label], label, label > 9)
        part = slice(where.worker * mine.batch, (where.worker + 1) * mine.batch)
        batch = distribute.spread(tuple(a[part] for a in batch), where.devices)
        losses.append(float(step(*batch)[0]))
weights = {f"w{i}": np.asarray(w) for i, w in enumerate(model.weights)}
np.savez(sys.argv[1], losses=losses, **weights)
"""


def free_ports(n):
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def run(tmp_path, workers, devices=1):
    """The arrays of each worker."""
    hosts = [f"127.0.0.1:{p}" for p in free_ports(workers)]
    running = []
    for i in range(workers):
        task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": i}}
        env = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="2", CUDA_VISIBLE_DEVICES="")
        env.pop("TF_CONFIG", None)
        if workers > 1:
            env["TF_CONFIG"] = json.dumps(task)
        out = tmp_path / f"{workers}-{devices}-{i}.npz"
        command = [sys.executable, "-c", STEPS, str(out), str(devices)]
        running.append((subprocess.Popen(command, env=env, stderr=subprocess.PIPE), out))
    ended = [(p.communicate()[1], p.returncode, out) for p, out in running]
    assert all(code == 0 for _, code, _ in ended), ended[0][0].decode()[-3000:]
    return [dict(np.load(out)) for *_, out in ended]


def test_two_workers_learn_what_one_does(tmp_path):
    """The loss of every step within 1e-4 of one worker's, the weights within 1e-3, and the two
    workers' bit for bit alike."""
    alone, *both = run(tmp_path, 1) + run(tmp_path, 2)
    assert alone["losses"][-1] < 0.9 * alone["losses"][0]
    for a in both:
        np.testing.assert_allclose(a["losses"], alone["losses"], rtol=1e-4)
        for k in alone:
            np.testing.assert_allclose(a[k], alone[k], atol=1e-3)
    assert all(np.array_equal(both[0][k], both[1][k]) for k in both[0])


def test_two_devices_of_a_process(tmp_path):
    """Also with 3-bit weights, which are clipped after each step."""
    (two,) = run(tmp_path, 1, devices=2)
    assert two["losses"][-1] < 0.95 * two["losses"][0] and np.isfinite(two["losses"]).all()
    assert np.abs(two["w0"]).max() <= 0.5


def test_what_tf_config_says(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert distribute.cluster() == (0, 1)
    with pytest.raises(EdgeLpError, match="no other workers"):
        distribute.place("multiworker")
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    for task, number in (("chief", 0), 0), (("worker", 1), 2):
        config = {"cluster": cluster, "task": {"type": task[0], "index": task[1]}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        assert distribute.cluster() == (number, 3)
    for wrong in ("{", "[]", '{"cluster": {}}', json.dumps({"cluster": cluster, "task": {}})):
        monkeypatch.setenv("TF_CONFIG", wrong)
        with pytest.raises(EdgeLpError, match="TF_CONFIG does not name this worker"):
            distribute.cluster()


def test_a_batch_that_cannot_be_shared():
    import tensorflow as tf

    where = distribute.Place(tf.distribute.get_strategy(), 1, 2)
    assert where.share(configure(None, ("yes",), seed=3)).batch == 64
    with pytest.raises(EdgeLpError, match="multiple of 2"):
        where.share(configure(None, ("yes",), batch=33))


def test_looking_for_devices_is_not_heard(tmp_path):
    """T12: TensorFlow's C++ tells of a GPU that is not there; a mistake is still one line."""
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-m", "edge_lp", "train", "--data", "empty", "--out", "run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("edge-lp: empty: no recordings") and done.stderr.count("\n") == 1
