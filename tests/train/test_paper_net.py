# SPDX-License-Identifier: Apache-2.0
"""Boeshertz et al.'s net: a feed-forward low-pass layer below two recurrent ones of 512 units,
trained, exported, and run by the kernel."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="training needs Keras: edge-lp[train]")
from edge_lp.core import CORE
from edge_lp.errors import EdgeLpError
from edge_lp.model.format import pack, unpack
from edge_lp.model.reference import ReferenceNet
from edge_lp.model.spec import INPUT_SCALE
from edge_lp.runtime import Model, Net
from edge_lp_train import fit, net, scan
from edge_lp_train.export import to_spec
from edge_lp_train.layers import LowPassDense
from edge_lp_train.presets import configure
from edge_lp_train.quantize import codes

SMALL = dict(hidden=(6, 9), feed_forward=1)


def frames(n, seed=0):
    """Smooth features of the front end's kind, int16 in Q10."""
    rng = np.random.default_rng(seed)
    slow = np.cumsum(rng.normal(0, 300, (n, 40)), axis=0)
    return np.clip(slow - slow.mean(axis=0), -8000, 8000).astype(np.int16)


def test_the_feed_forward_layer_in_c_is_that_of_keras(monkeypatch):
    if scan._scan is None:
        pytest.skip("built without the C module _scan")
    config = configure(None, ("yes",), **SMALL)
    x = np.random.default_rng(0).normal(0, 2, (4, 30, 40)).astype(np.float32)
    fast = net.build(config, {"w0": 3, "w1": 3, "u1": 3, "w2": 3})
    assert type(fast.get_layer("lp0")) is scan.ScanDense
    monkeypatch.setattr(scan, "_scan", None)
    plain = net.build(config, {"w0": 3, "w1": 3, "u1": 3, "w2": 3})
    assert type(plain.get_layer("lp0")) is LowPassDense
    plain.set_weights(fast.get_weights())
    monkeypatch.undo()
    np.testing.assert_allclose(fast(x), plain(x), rtol=1e-4, atol=1e-5)


def test_weights_come_out_of_a_net_and_into_another(tmp_path):
    config = configure(None, ("yes",), **SMALL)
    trained = net.build(config)
    weights = net.weights_of(trained, config)
    assert "u0" not in weights and weights["u1"].shape == (9, 9)
    np.savez(tmp_path / "w.npz", **weights)
    other = net.build(configure(None, ("yes",), seed=5, **SMALL))
    net.start_from(other, config, tmp_path / "w.npz")
    x = frames(40)[None].astype(np.float32) * np.float32(INPUT_SCALE)
    expected = np.asarray(trained(x))
    np.testing.assert_allclose(other(x), expected, atol=1e-5)
    reference = ReferenceNet.from_npz(tmp_path / "w.npz")(frames(40)[None])
    np.testing.assert_allclose(reference, expected, atol=1e-4)


@pytest.mark.parametrize("layers", [-1, 3])
def test_more_feed_forward_layers_than_there_are(layers):
    with pytest.raises(EdgeLpError, match=f"{layers} feed-forward layers, expected 0 to 2"):
        configure(None, ("yes",), hidden=(6, 9), feed_forward=layers).check()


def test_the_paper_net_runs_as_it_is_trained():
    """Full size, a quarter of the codes not 0: its codes are the core's weights, the kernel takes
    it and has the core's numbers, and every layer follows the float one."""
    config, rng = configure("paper"), np.random.default_rng(1)
    weights = fit.zeros(config)
    for name, w in weights.items():
        if name[0] in "wu":
            some = rng.choice([-2, -1, 1, 2], w.shape) * (rng.random(w.shape) < 0.24)
            weights[name] = some / 8 * (0.4 if name[0] == "u" else 1)
        elif name[0] == "b":
            weights[name] = rng.normal(0.3, 0.5, w.shape)
    fit.check_config(config)
    spec = unpack(pack(to_spec(config, weights, {})))
    assert [(h.n, h.u is not None) for h in spec.layers] == [
        (128, False), (512, True), (512, True), (12, False),
    ]  # fmt: skip
    assert (spec.feedback, spec.ceiling, spec.synapse_shift) == (512, 2**21 - 1, 3)
    assert all(np.array_equal(h.w.codes, codes(weights[f"w{i}"], 3))
               for i, h in enumerate(spec.layers))  # fmt: skip
    model, x = Model(pack(spec)), frames(60)
    kernel, core = Net(model), Net(model, CORE)
    assert kernel.kernel and not core.kernel and model.ram()["network"] < 64 << 10
    assert np.array_equal(kernel.push(x), core.push(x))
    floats = ReferenceNet.from_spec(spec).states(x[None])
    kernel.reset()
    for t, frame in enumerate(x):
        kernel.push(frame)
        if t < 20:
            continue
        for i, states in enumerate(floats):
            decoded = kernel.state(2 * i + 1)["u"] * (-6 / 2**21)
            assert np.corrcoef(decoded, states[0, t])[0, 1] > 0.9
