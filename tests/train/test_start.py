# SPDX-License-Identifier: Apache-2.0
"""--start: the float weights of another net, of other labels or of fewer units."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'edge-lp[train]'")

from edge_lp.errors import EdgeLpError
from edge_lp.model.find import float_weights
from edge_lp_train import net
from edge_lp_train.presets import PRESETS, configure


def test_a_start_from_a_net_of_other_labels(tmp_path):
    """Hidden layers as they are; of the output layer the columns of the labels that both have, by
    the names in the file or, in older runs, in the configuration beside it."""
    old = configure(None, ("yes", "no"), hidden=(4,))
    new = configure(None, ("yes",), wake=("computer",), hidden=(4,))
    model = net.build(old)
    rng = np.random.default_rng(0)
    for w in model.trainable_variables:
        w.assign(rng.normal(size=w.shape))
    weights = net.weights_of(model, old)
    (tmp_path / "config.json").write_text(old.to_json())
    for names in (True, False):
        path = tmp_path / "weights.npz"
        np.savez(path, **{k: v for k, v in weights.items() if names or k != "labels"})
        started = net.build(new)
        fresh = net.weights_of(started, new)
        net.start_from(started, new, path)
        got = net.weights_of(started, new)
        assert np.array_equal(got["u0"], weights["u0"])
        # labels: computer yes unknown silence, of yes no unknown silence
        assert np.array_equal(got["w1"][:, 1:], weights["w1"][:, [0, 2, 3]])
        assert np.array_equal(got["w1"][:, 0], fresh["w1"][:, 0]) and got["b1"][0] == 0


def test_a_start_from_a_narrower_net_is_widened(tmp_path, capsys):
    """The logits are the narrower net's, new units hear but nobody hears them yet, their weights
    follow the seed; a wider net and one of other depth are refused."""
    old = configure(None, ("yes", "no"), hidden=(4, 5))
    model = net.build(old)
    rng = np.random.default_rng(0)
    for w in model.trainable_variables:
        w.assign(rng.normal(size=w.shape))
    given, path = net.weights_of(model, old), tmp_path / "weights.npz"
    np.savez(path, **given)

    def widened(seed):
        wide = configure(None, ("yes", "no"), hidden=(6, 8), seed=seed)
        started = net.build(wide)
        net.start_from(started, wide, path)
        return started, net.weights_of(started, wide)

    started, got = widened(3)
    assert "widened: 2, 3 more units of seed 3" in capsys.readouterr().err
    x = rng.normal(size=(3, 30, 40)).astype(np.float32)
    np.testing.assert_allclose(started(x), model(x), rtol=1e-5, atol=1e-5)
    for name, into, out in (("w0", 40, 4), ("u0", 4, 4), ("w1", 4, 5), ("u1", 5, 5), ("w2", 5, 4)):
        assert np.array_equal(got[name][:into, :out], given[name])
        assert not got[name][into:, :out].any()
        assert got[name][:, out:].all() or name == "w2"  # so that a new unit differs from the rest
    assert not np.array_equal(got["w0"], widened(4)[1]["w0"])
    assert np.array_equal(got["w0"], widened(3)[1]["w0"])
    refused = {(4, 4): "of fewer units in as many", (4,): "than 1 layers", (4, 5, 5): "of 3 layers"}
    for hidden, why in refused.items():
        other = configure(None, ("yes", "no"), hidden=hidden)
        with pytest.raises(EdgeLpError, match=why):
            net.start_from(net.build(other), other, path)


def test_the_output_layer_of_a_shipped_net_is_taken(tmp_path, capsys):
    """Every shipped net's weights name their labels, so its output layer is not lost; where nothing
    names them, that is said."""
    for name in ("commands12", "computer", "digits10", "tiny"):
        path = float_weights(name)
        config = PRESETS[name].config
        model = net.build(config)
        net.start_from(model, config, path)
        with np.load(path) as f:
            assert np.array_equal(net.weights_of(model, config)["w2"], f["w2"])
            without = {k: f[k] for k in f if k != "labels"}
        assert "anew" not in capsys.readouterr().err
    np.savez(tmp_path / "old.npz", **without)
    net.start_from(model, config, tmp_path / "old.npz")
    assert "the output layer begins anew" in " ".join(capsys.readouterr().err.split())
