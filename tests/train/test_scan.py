# SPDX-License-Identifier: Apache-2.0
"""The recurrence in C against the Keras layer: outputs and gradients to float rounding, any number
of units, rows and sub-steps."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow: edge-lp[train]")
from edge_lp_train import net, scan
from edge_lp_train.layers import LowPassRNN
from edge_lp_train.presets import configure
from edge_lp_train.quantize import CodeQuantizer
from edge_lp_train.spiking import SpikingRNN

pytestmark = pytest.mark.skipif(scan._scan is None, reason="built without the C module _scan")
F, T = 5, 23


def pair(units, sub_steps, quantised=False, kinds=(LowPassRNN, scan.ScanRNN), **kwargs):
    """The layer in Keras and in C with the same weights, strong enough to reach both ends."""
    rng = np.random.default_rng(units)
    codes = [CodeQuantizer(3) for _ in range(2)] if quantised else [None, None]
    out = []
    for kind in kinds:
        layer = kind(
            units, sub_steps=sub_steps, return_sequences=True, kernel_quantizer=codes[0],
            recurrent_quantizer=codes[1], **kwargs,
        )  # fmt: skip
        layer.build((None, T, F))
        out.append(layer)
    u = rng.normal(0.1, 1, (units, units)) * 1.5 / np.sqrt(units)
    values = [rng.normal(0, 2.5, (F, units)), u, rng.normal(0.5, 0.5, units)]
    for layer in out:
        parts = (layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias)
        for part, value in zip(parts, values):
            part.assign(value.astype(np.float32))
    return out


@tf.function
def look(layer, x, goal):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
        loss = tf.reduce_sum(goal * y)
    cell = layer.cell
    watched = [x, cell.kernel.value, cell.recurrent_kernel.value, cell.bias.value]
    return y, tape.gradient(loss, watched)


@pytest.mark.parametrize(
    "units, batch, sub_steps, options",
    [
        (16, 8, 1, {}),
        (7, 3, 2, {}),  # a panel that is not full, rows one at a time
        (33, 21, 3, dict(alpha_range=(0.3, 0.9), seed=1)),
        (40, 16, 2, dict(quantised=True, clip=2.0)),
    ],
)
def test_equals_the_keras_layer(units, batch, sub_steps, options):
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(0, 1, (batch, T, F)).astype(np.float32))
    goal = tf.constant(rng.normal(0, 1, (batch, T, units)).astype(np.float32))
    keras_layer, c_layer = pair(units, sub_steps, **options)
    (y, grads), (y_c, grads_c) = look(keras_layer, x, goal), look(c_layer, x, goal)
    limit = keras_layer.cell.clip
    assert y.numpy().max() > 0.6 * limit and (y.numpy() < 0.05 * limit).any()
    np.testing.assert_allclose(y_c, y, rtol=1e-4, atol=1e-5 * limit)
    for a, b in zip(grads_c, grads):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize("units, batch, tau", [(16, 9, 4), (7, 3, 16)])
def test_equals_the_spiking_layer(units, batch, tau):
    """Spikes and gradients: y is a sum of whole spikes that decay, and every spike is the same."""
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(0, 1, (batch, T, F)).astype(np.float32))
    goal = tf.constant(rng.normal(0, 1, (batch, T, units)).astype(np.float32))
    kinds = SpikingRNN, scan.ScanSpikingRNN
    keras_layer, c_layer = pair(units, 3, kinds=kinds, alpha=(1 - 1 / tau) ** 3)
    (y, grads), (y_c, grads_c) = look(keras_layer, x, goal), look(c_layer, x, goal)
    spikes = (y[:, 1:] - (1 - 1 / tau) * y[:, :-1]) * tau / keras_layer.cell.clip
    np.testing.assert_allclose(spikes, np.round(spikes), atol=1e-4)
    assert not y.numpy()[:, 0].any() and 0.1 < np.mean(spikes) < 0.9
    np.testing.assert_allclose(y_c, y, rtol=1e-4, atol=1e-4)
    for a, b in zip(grads_c, grads):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())


def test_the_threads_share_a_batch(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (29, T, F)).astype(np.float32)
    layer = pair(20, 2)[1]
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(scan, "THREADS", threads)
        found.append(layer(x).numpy())
    assert np.array_equal(*found)


def test_the_trainers_net_is_made_of_it_and_does_without_it(monkeypatch):
    config = configure(None, ("yes",), hidden=(12, 12))
    x = np.random.default_rng(0).normal(0, 1, (4, 30, 40)).astype(np.float32)
    fast = net.build(config)
    assert type(fast.get_layer("lp1")) is scan.ScanRNN
    monkeypatch.setattr(scan, "_scan", None)
    plain = net.build(config)
    assert type(plain.get_layer("lp1")) is LowPassRNN
    plain.set_weights(fast.get_weights())
    monkeypatch.undo()
    np.testing.assert_allclose(fast(x), plain(x), rtol=1e-4, atol=1e-5)
    assert type(net.build(config, spiking=True).get_layer("lp1")) is scan.ScanSpikingRNN


def test_what_the_c_code_does_not_do_is_refused():
    for options in (dict(learn_alpha=True), dict(stateful=True), dict(return_sequences=False)):
        with pytest.raises(ValueError, match="C recurrence"):
            scan.ScanRNN(4, **{"return_sequences": True, **options})
