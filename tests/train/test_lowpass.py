# SPDX-License-Identifier: Apache-2.0
"""LowPass and LowPassLSTM against P1's eq. 24 in plain NumPy, and as citizens of Keras: masks,
states, direction, serialisation, dropout, dtypes, errors."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="keras is not installed: pip install 'edge-lp[train]'")
from edge_lp_train.lowpass import LowPass, LowPassCell, LowPassLSTM

F, N, T, B = 3, 4, 9, 2
EXACT = dict(rtol=1e-4, atol=1e-5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0)


def hard_sigmoid(x):
    return np.clip(x / 6 + 0.5, 0, 1)


ACTIVATIONS = {"relu": relu, "tanh": np.tanh, "sigmoid": sigmoid, "hard_sigmoid": hard_sigmoid}


def equation_24(x, w, u, b, alpha, activation, gate, filters=True):
    """x (T, F); w (F, 4 N), u (N, 4 N), b (4 N,) in Keras's order i f c o -> y (T, N)."""
    act, gate = ACTIVATIONS[activation], ACTIVATIONS[gate]
    y, c, out = np.zeros(N), np.zeros(N), []
    for x_t in x:
        i, f, g, o = np.split(x_t @ w + y @ u + b, 4)
        c = gate(f) * c + gate(i) * act(g)
        h = gate(o) * act(c)
        y = alpha * y + (1 - alpha) * h if filters else h
        out.append(y)
    return np.array(out)


def filled(layer, seed=0, batch=None):
    """The layer with weights that reach all of the activations, and its input."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (B, T, F)).astype(np.float32)
    layer.build((batch, T, F))
    for v in layer.weights:
        if v.name != "alpha":
            v.assign(rng.normal(0, 0.8, v.shape))
    return layer, x


def arrays(layer):
    cell = layer.cell.cell
    return [np.asarray(v, float) for v in (cell.kernel, cell.recurrent_kernel, cell.bias)]


@pytest.mark.parametrize(
    "activation, gate", [("relu", "sigmoid"), ("tanh", "hard_sigmoid"), ("tanh", "sigmoid")]
)
def test_the_lp_lstm_is_equation_24(activation, gate):
    alpha = [0.1, 0.5, 0.8, 0.95]
    layer, x = filled(
        LowPassLSTM(N, activation, gate, alpha=alpha, return_sequences=True, return_state=True)
    )
    y, last, c = layer(x)
    for k in range(B):
        expected = equation_24(x[k], *arrays(layer), np.array(alpha), activation, gate)
        np.testing.assert_allclose(np.asarray(y)[k], expected, **EXACT)
    np.testing.assert_array_equal(np.asarray(y)[:, -1], np.asarray(last))
    assert c.shape == (B, N)


def test_its_defaults_are_the_papers_and_alpha_0_is_an_lstm():
    layer, x = filled(LowPassLSTM(N, alpha=0.0, return_sequences=True))
    plain = keras.layers.LSTM(N, "relu", "sigmoid", return_sequences=True)
    plain.build((None, T, F))
    plain.set_weights(arrays(layer))
    np.testing.assert_allclose(np.asarray(layer(x)), np.asarray(plain(x)), **EXACT)


@pytest.mark.parametrize(
    "kind", [keras.layers.SimpleRNNCell, keras.layers.GRUCell, keras.layers.LSTMCell]
)
@pytest.mark.parametrize("feedback", [True, False])
def test_any_cell_is_filtered(kind, feedback):
    """Against the bare cell, stepped by hand: its output is filtered outside of it; with feedback,
    what it gets as its first state is the filtered one."""
    layer, x = filled(LowPass(kind(N), alpha=0.7, feedback=feedback, return_sequences=True))
    cell, y = layer.cell.cell, np.zeros((B, N), np.float32)
    states = [np.zeros((B, N), np.float32)] * (2 if kind is keras.layers.LSTMCell else 1)
    for t in range(T):
        h, states = cell(x[:, t], states)
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        y = 0.7 * y + 0.3 * np.asarray(h)
        if feedback:
            states[0] = y
        np.testing.assert_allclose(np.asarray(layer(x))[:, t], y, **EXACT)


def test_a_stack_and_a_cell_of_ones_own():
    stack = keras.layers.StackedRNNCells([keras.layers.LSTMCell(3), keras.layers.GRUCell(N)])
    layer, x = filled(LowPass(stack, alpha=0.6, feedback=False, return_sequences=True))
    bare = keras.layers.RNN(stack, return_sequences=True)
    y, expected = np.asarray(layer(x)), np.zeros((B, N))
    for t, h in enumerate(np.moveaxis(np.asarray(bare(x)), 1, 0)):
        expected = 0.6 * expected + 0.4 * h
        np.testing.assert_allclose(y[:, t], expected, **EXACT)

    class Sum:  # no layer, no initial state
        state_size = 1

        def __call__(self, x, states):
            total = states[0] + keras.ops.sum(x, -1, keepdims=True)
            return total, [total]

        call = __call__

    y = LowPass(Sum(), alpha=0.5, feedback=False)(np.ones((1, 2, 3), np.float32))
    assert np.asarray(y).tolist() == [[0.5 * 1.5 + 3.0]]


def test_masks_direction_and_kept_state():
    layer, x = filled(LowPassLSTM(N, alpha=0.8, return_sequences=True))
    args = *arrays(layer), 0.8, "relu", "sigmoid"
    mask = np.random.default_rng(3).random((B, T)) < 0.6
    y = np.asarray(layer(x, mask=mask))
    for k in range(B):
        np.testing.assert_allclose(y[k][mask[k]], equation_24(x[k][mask[k]], *args), **EXACT)

    def like(**options):
        other, _ = filled(LowPassLSTM(N, alpha=0.8, **options), batch=B)
        other.set_weights([np.asarray(v) for v in layer.weights])
        return other

    whole = np.asarray(layer(x))
    back = like(go_backwards=True)
    np.testing.assert_allclose(np.asarray(back(x[:, ::-1])), whole[:, -1], **EXACT)
    kept = like(stateful=True)
    kept(x[:, :4])
    np.testing.assert_allclose(np.asarray(kept(x[:, 4:])), whole[:, -1], **EXACT)
    kept.reset_state()
    np.testing.assert_allclose(np.asarray(kept(x)), whole[:, -1], **EXACT)
    _, *state = like(return_state=True)(x[:, :4])
    following = like()(x[:, 4:], initial_state=state)
    np.testing.assert_allclose(np.asarray(following), whole[:, -1], **EXACT)


def test_save_and_load(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((None, F)),
            LowPassLSTM(N, "tanh", alpha_range=(0.1, 0.9), seed=3, return_sequences=True),
            LowPass(keras.layers.GRUCell(3), learn_alpha=True, feedback=False, name="mine"),
        ]
    )
    x = np.random.default_rng(1).normal(0, 1, (B, T, F)).astype(np.float32)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(model(x)), np.asarray(again(x)))
    assert model.layers[0].get_config() == again.layers[0].get_config()
    configs = [m.layers[1].get_config() for m in (model, again)]
    assert len({str(c.pop("cell")["config"]) for c in configs}) == 1 and configs[0] == configs[1]
    cell = LowPassCell(keras.layers.LSTMCell(2), alpha=[0.2, 0.3])
    assert LowPassCell.from_config(cell.get_config()).get_config() == cell.get_config()


def test_alpha_is_learnt_and_dropout_is_of_training_only():
    layer = LowPassLSTM(N, learn_alpha=True, dropout=0.5, recurrent_dropout=0.3, seed=1)
    model = keras.Sequential([keras.Input((T, F)), layer, keras.layers.Dense(1)])
    x = np.random.default_rng(1).normal(0, 1, (32, T, F)).astype(np.float32)
    before = np.asarray(layer.cell.retention()).copy()
    np.testing.assert_allclose(before, 0.8, rtol=1e-5)
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(x, x[:, -3:, 0].sum(1), epochs=2, verbose=0)
    assert (np.asarray(layer.cell.retention()) != before).all()
    assert np.array_equal(np.asarray(model(x)), np.asarray(model(x)))
    assert not np.array_equal(
        np.asarray(model(x, training=True)), np.asarray(model(x, training=True))
    )


@pytest.mark.parametrize("dtype", ["float16", "mixed_bfloat16", "float64"])
def test_half_precision_keeps_the_filter_in_float32(dtype):
    """A constant output of 5 behind alpha .99: in 11 bits it comes to rest before."""
    cell = keras.layers.SimpleRNNCell(1, activation="relu", dtype=dtype)
    layer = LowPass(cell, alpha=0.99, feedback=False, return_sequences=True, dtype=dtype)
    layer.build((1, 800, 2))
    cell.bias.assign([5.0])
    cell.recurrent_kernel.assign([[0.0]])
    y = layer(np.zeros((1, 800, 2)))
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    assert abs(float(np.asarray(y, np.float32)[0, -1, 0]) - 5) < 0.03


class Peephole(keras.layers.LSTMCell):
    """A cell with an output that is none of its states."""

    output_size = 1

    def __init__(self, units):
        super().__init__(units)
        self.output_size = 1


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: LowPass("LSTM"), "cell must be an RNN cell, .* received 'LSTM'"),
        (lambda: LowPass(keras.layers.LSTM(3)), "cell must be an RNN cell"),
        (lambda: LowPass(Peephole(3)), r"sizes \[3, 3\], its output of 1: take feedback=False"),
        (lambda: LowPass(keras.layers.GRUCell(3), alpha=1.0), r"alpha must be in \[0, 1\)"),
        (lambda: LowPass(keras.layers.GRUCell(3), alpha=[0.1]), "one number or 3 numbers"),
        (lambda: LowPassLSTM(0), "units must be positive and whole, received 0"),
        (lambda: LowPassLSTM(2, cell=keras.layers.GRUCell(2)), "makes its own cell"),
    ],
)
def test_wrong_arguments_say_what_is_expected(make, says):
    with pytest.raises(ValueError, match=says):
        make()
