# SPDX-License-Identifier: Apache-2.0
"""Batch normalisation folded, Dense and SimpleRNN as low-pass layers: against the nets they were
made of, and against plain NumPy; what the core cannot run is refused in one line."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="keras is not installed: pip install 'edge-lp[train]'")
from edge_lp.errors import EdgeLpError
from edge_lp.model.format import pack, unpack
from edge_lp_train.convert import fold_batch_norm, from_simple_rnn, to_low_pass
from edge_lp_train.export import to_spec
from edge_lp_train.layers import LowPassRNN, ReadOut, frame_alpha
from edge_lp_train.lowpass import LowPass, LowPassLSTM
from edge_lp_train.net import weights_of
from edge_lp_train.presets import configure
from edge_lp_train.quantize import CodeQuantizer

L, B, T = keras.layers, 2, 12
EXACT = dict(rtol=1e-4, atol=1e-5)


def trained(*layers, features=40):
    """The chain with weights and statistics as a training leaves them."""
    model, rng = keras.Sequential([keras.Input((T, features)), *layers]), np.random.default_rng(4)
    for v in model.weights:
        if v.name != "alpha":
            value = rng.normal(0, 0.3, v.shape)
            v.assign(np.abs(value) + 0.3 if "variance" in v.name else value)
    return model, rng.normal(0, 1, (B, T, features)).astype(np.float32)


def norm(**options):
    return L.BatchNormalization(**options)


def test_p1s_net_of_79844_weights_without_batch_normalisation():
    """Dense 128 and 32 with batch normalisation, lpRNN 128 twice, Dense 64, 32, 36."""
    model, x = trained(
        L.Dense(128, "relu"),
        norm(),
        L.Dropout(0.5),
        L.Dense(32, "relu"),
        norm(scale=False),
        LowPassRNN(128, return_sequences=True),
        LowPassRNN(128, return_sequences=True),
        L.Dense(64, "relu"),
        L.Dense(32, "relu"),
        L.Dense(36, "softmax"),
        features=80,
    )
    alphas, gamma = 2 * 128, 32  # neither alpha nor that gamma is trained here
    assert sum(np.size(v) for v in model.trainable_variables) + gamma == 79844
    folded = fold_batch_norm(model)
    np.testing.assert_allclose(np.asarray(folded(x)), np.asarray(model(x)), **EXACT)
    assert not any(isinstance(v, L.BatchNormalization | L.Dropout) for v in folded.layers)
    assert folded.count_params() == 79844 - 2 * (128 + 32) + alphas


@pytest.mark.parametrize(
    "behind", [L.Dense(3), L.SimpleRNN(3), L.LSTM(3), LowPassLSTM(3), ReadOut(3)]
)
def test_it_is_folded_into_any_matrix(behind):
    model, x = trained(L.Dense(5, "relu"), norm(), norm(center=False, epsilon=0.1), behind)
    folded = fold_batch_norm(model)
    np.testing.assert_allclose(np.asarray(folded(x)), np.asarray(model(x)), **EXACT)


def plain_rnn(x, w, u, b):
    y, out = np.zeros(len(b)), []
    for x_t in x:
        y = np.maximum(x_t @ w + y @ u + b, 0)
        out.append(y)
    return np.array(out)


def test_a_simple_rnn_that_moves_slowly_is_a_low_pass_layer():
    """Exact where no unit falls below alpha of its last value: currents that rise, a recurrence
    that leaks little. And at alpha 0 whatever it does below the clip."""
    rng = np.random.default_rng(6)
    layer = L.SimpleRNN(4, "relu", return_sequences=True)
    model = keras.Sequential([keras.Input((T, 3)), layer])
    w, u = rng.random((3, 4)) * 0.1, 0.9 * np.eye(4) + rng.random((4, 4)) * 0.02
    layer.set_weights([w, u, rng.random(4) * 0.1])
    x = np.cumsum(rng.random((B, T, 3)), axis=1).astype(np.float32) / T
    expected = [plain_rnn(k, *map(np.asarray, layer.get_weights())) for k in x]
    np.testing.assert_allclose(np.asarray(model(x)), expected, **EXACT)
    made = from_simple_rnn(layer, 0.8)
    np.testing.assert_allclose(np.asarray(made(x)), expected, **EXACT)
    assert np.asarray(made.cell.retention()) == pytest.approx(0.8)
    wild = rng.normal(0, 1, (B, T, 3)).astype(np.float32)
    at_once = from_simple_rnn(layer, 0.0)
    expected = [plain_rnn(k, *map(np.asarray, layer.get_weights())) for k in wild]
    np.testing.assert_allclose(np.asarray(at_once(wild)), expected, **EXACT)
    assert not np.allclose(np.asarray(made(wild)), expected, **EXACT), "a filter cannot follow"


def test_a_dense_layer_reaches_the_same_value_as_a_filter_does():
    model, _ = trained(L.Dense(6, "relu"), norm(), L.Dense(4))
    x = np.repeat(np.random.default_rng(2).normal(0, 1, (B, 1, 40)), T, axis=1).astype(np.float32)
    made = to_low_pass(model, alpha=0.5)
    off = np.asarray(model(x)) - np.asarray(made(x))
    np.testing.assert_allclose(off[:, 1:], 0.5 * off[:, :-1], rtol=1e-2, atol=1e-4)


def test_the_chain_as_a_model_file():
    """From Keras's own layers to the bytes that the core runs."""
    config = configure(None, ("yes", "no"), hidden=(8, 6), feed_forward=1)
    alpha = frame_alpha(config.delta, config.steps)
    model, x = trained(
        L.Dense(8, "relu"), norm(), L.Dropout(0.2), L.SimpleRNN(6, "relu"), L.Dense(4, "softmax")
    )
    made = to_low_pass(model, alpha)
    assert [v.name for v in made.layers] == ["features", "lp0", "lp1", "readout"]
    assert made(x).shape == (B, T, 4)
    weights = weights_of(made, config) | {k: np.array(2) for k in ("s_w0", "s_w1", "s_u1", "s_w2")}
    spec = unpack(pack(to_spec(config, weights, {})))
    assert [v.u is None for v in spec.layers] == [True, False, True]


def test_a_wrapped_cell_is_a_low_pass_layer():
    """LowPass around a SimpleRNNCell with ReLU is eq. 6: the same states, as a file too."""
    config = configure(None, ("yes", "no"), hidden=(6,))
    alpha = frame_alpha(config.delta, config.steps)
    cell = L.SimpleRNNCell(6, "relu")
    model, x = trained(norm(), LowPass(cell, alpha=alpha, return_sequences=True), L.Dense(4))
    made = to_low_pass(model, alpha, clip=1e3)
    assert isinstance(made.get_layer("lp0"), LowPassRNN) and np.ptp(np.asarray(model(x))) > 0.1
    np.testing.assert_allclose(np.asarray(made(x)), np.asarray(model(x)), **EXACT)
    weights = weights_of(made, config) | {k: np.array(2) for k in ("s_w0", "s_u0", "s_w1")}
    assert unpack(pack(to_spec(config, weights, {}))).layers[0].u is not None


@pytest.mark.parametrize(
    "layers, says",
    [
        ([LowPass(L.GRUCell(3)), L.Dense(2)], r"\(LowPass around GRUCell\) cannot run.*gates"),
        (
            [LowPass(L.SimpleRNNCell(3)), L.Dense(2)],
            "expected LowPass around a SimpleRNNCell with relu",
        ),
        (
            [LowPass(L.SimpleRNNCell(3, "relu"), feedback=False), L.Dense(2)],
            "SimpleRNNCell with relu, with feedback",
        ),
        ([L.LSTM(3), L.Dense(2)], r"lstm\w* \(LSTM\) cannot run on the core.*gates; expected"),
        ([LowPassLSTM(3), L.Dense(2)], r"\(LowPassLSTM around LSTMCell\) cannot run on the core"),
        ([L.SimpleRNN(3), L.Dense(2)], "SimpleRNN with tanh, expected relu"),
        ([L.SimpleRNN(3, "relu", go_backwards=True), L.Dense(2)], "goes backwards"),
        ([L.Dense(3, "tanh"), L.Dense(2)], r"\(Dense\) cannot run on the core"),
        ([L.Dense(3, "relu"), L.Dense(2, "relu")], "the last layer, .* no Dense layer with linear"),
        ([L.Dense(3), norm(), L.ReLU(), L.Dense(2)], r"stands before re_?lu\w* \(ReLU\), which"),
        ([L.Dense(3, "relu"), norm()], "has no layer behind it"),
        ([norm(), L.Dense(2, use_bias=False)], "has no bias"),
        ([norm(), ReadOut(2, CodeQuantizer(3))], "has a quantiser; fold before"),
        ([norm(axis=1), L.Dense(2)], "normalises axis 1, expected the last one"),
    ],
)
def test_what_cannot_run_is_said_in_one_line(layers, says):
    model, _ = trained(*layers)
    with pytest.raises(EdgeLpError, match=says) as e:
        to_low_pass(model, 0.8)
    assert "\n" not in str(e.value)


def test_a_branch_is_no_chain():
    x = keras.Input((T, 3))
    y = L.Dense(3, "relu", name="one")(x)
    model = keras.Model(x, L.Add(name="sum")([L.Dense(3, "relu")(x), y]))
    with pytest.raises(EdgeLpError, match="expected a chain"):
        fold_batch_norm(model)


def test_a_gated_layer_is_not_exported():
    config = configure(None, ("yes",), hidden=(3,))
    model = keras.Sequential([keras.Input((None, 40)), LowPassLSTM(3, name="lp0")])
    with pytest.raises(EdgeLpError, match="lp0 is LowPassLSTM, expected a LowPassRNN.*gates"):
        weights_of(model, config)
    with pytest.raises(EdgeLpError, match="lp0 is missing"):
        weights_of(keras.Sequential([keras.Input((None, 40)), L.Dense(3)]), config)
