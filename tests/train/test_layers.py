# SPDX-License-Identifier: Apache-2.0
"""The Keras layers against the equation in plain NumPy, and as citizens of Keras: masks, states,
serialisation, errors. And the 3-bit quantiser."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="keras is not installed: pip install 'edge-lp[train]'")
import tensorflow as tf
from edge_lp_train import quantize
from edge_lp_train.layers import (
    LowPassDense,
    LowPassRNN,
    LowPassRNNCell,
    ReadOut,
    WindowMean,
    frame_alpha,
)

# features, units, steps, batch: all different, so a transposed matrix cannot fit
F, N, T, B = 5, 7, 23, 3
# float32 here, float64 there, T steps of a contraction
EXACT = dict(rtol=1e-4, atol=1e-5)


def weights(rng, recurrent=True):
    """Asymmetric W, U, b, strong enough to reach both ends of the clip."""
    w = [rng.normal(0, 2.5, (F, N)), rng.normal(0.1, 0.6, (N, N)), rng.normal(0.5, 0.5, N)]
    return w if recurrent else [w[0], np.zeros((N, N)), w[2]]


def equation(x, w, u, b, alpha, clip=6.0, sub_steps=1):
    """Nair & Indiveri eq. 6, written out neuron by neuron in float64. x (T, F) -> y (T, N)."""
    alpha, y, out = np.broadcast_to(alpha, (len(b),)), np.zeros(len(b)), []
    for t in range(len(x)):
        for _ in range(sub_steps):
            last = y.copy()
            for j in range(len(b)):
                z = (
                    b[j]
                    + sum(w[i, j] * x[t, i] for i in range(x.shape[1]))
                    + sum(u[i, j] * last[i] for i in range(len(b)))
                )
                a = alpha[j] ** (1 / sub_steps)
                y[j] = a * last[j] + (1 - a) * min(max(z, 0.0), clip)
        out.append(y.copy())
    return np.array(out)


def fill(layer, w, u, b):
    """Put the weights in by name, and leave alpha as the layer made it."""
    cell = layer.cell
    cell.kernel.assign(w)
    cell.bias.assign(b)
    if cell.recurrent:
        cell.recurrent_kernel.assign(u)
    return layer


def layer_and_input(seed=0, kind=LowPassRNN, **kwargs):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (B, T, F)).astype(np.float32)
    layer = kind(N, return_sequences=True, **kwargs)
    layer.build((None, T, F))
    w = weights(rng, kind is LowPassRNN)
    return fill(layer, *w), x, w


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(alpha=0.0),
        dict(alpha=0.95),
        dict(alpha=[0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.99]),
        dict(clip=1.5),
        dict(sub_steps=2),
        dict(sub_steps=4, alpha=[0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.6], clip=3.0),
    ],
    ids=["default", "no memory", "slow", "per unit", "low clip", "two sub-steps", "all together"],
)
def test_the_layer_is_equation_6(options):
    layer, x, w = layer_and_input(**options)
    y = np.asarray(layer(x))
    for b in range(B):
        np.testing.assert_allclose(y[b], equation(x[b], *w, **{"alpha": 0.8, **options}), **EXACT)
    top = options.get("clip", 6.0)
    # both ends of the clip are in play
    assert y.min() >= 0 and y.max() <= top and y.max() > 0.5 * top and (np.abs(y) < 1e-6).any()


def test_the_feed_forward_layer_has_no_recurrence():
    layer, x, w = layer_and_input(kind=LowPassDense, alpha=0.7, sub_steps=3)
    np.testing.assert_allclose(
        np.asarray(layer(x))[0], equation(x[0], *w, alpha=0.7, sub_steps=3), **EXACT
    )
    # without feedback, sub-steps change nothing
    np.testing.assert_allclose(np.asarray(layer(x))[0], equation(x[0], *w, alpha=0.7), **EXACT)
    assert [v.name for v in layer.trainable_variables] == ["kernel", "bias"]


def test_initial_weights():
    layer = LowPassRNN(64)
    layer.build((None, None, 40))
    cell = layer.cell
    u = np.asarray(cell.recurrent_kernel)
    np.testing.assert_allclose(u @ u.T, np.eye(64), atol=1e-5)
    assert (
        np.abs(np.asarray(cell.kernel)).max() <= np.sqrt(6 / (40 + 64))
        and not np.asarray(cell.bias).any()
    )
    # the last 64 are alpha, not trained
    assert layer.count_params() == 40 * 64 + 64 * 64 + 64 + 64
    assert len(layer.trainable_variables) == 3


def test_alpha_drawn_from_a_range():
    def draw(seed):
        layer = LowPassRNN(200, alpha_range=(0.4, 0.9), seed=seed)
        layer.build((None, None, F))
        return np.asarray(layer.cell.retention())

    a = draw(1)
    assert 0.4 <= a.min() < 0.45 and 0.85 < a.max() <= 0.9
    assert np.array_equal(a, draw(1)) and not np.array_equal(a, draw(2))


def test_alpha_learnt_through_a_sigmoid():
    layer, x, w = layer_and_input(alpha=0.9, learn_alpha=True)
    np.testing.assert_allclose(np.asarray(layer.cell.retention()), 0.9, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(layer(x))[0], equation(x[0], *w, alpha=0.9), **EXACT)
    (alpha,) = [v for v in layer.trainable_variables if v.name == "alpha"]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(layer(x)[:, -1] ** 2)
    gradient = np.asarray(tape.gradient(loss, alpha.value))
    # and it is the slope of the equation
    step = 1e-2
    for j in range(N):

        def shifted(s):
            z = np.full(N, np.log(9.0))
            z[j] += s
            return np.mean(
                [equation(x[b], *w, alpha=1 / (1 + np.exp(-z)))[-1] ** 2 for b in range(B)]
            )

        np.testing.assert_allclose(
            gradient[j], (shifted(step) - shifted(-step)) / (2 * step), rtol=2e-2, atol=1e-4
        )
    alpha.assign(np.full(N, 50.0))
    assert np.asarray(layer.cell.retention()).max() <= 1 and np.isfinite(np.asarray(layer(x))).all()


def test_last_step_reversed_time_and_kept_state():
    layer, x, w = layer_and_input()
    whole = np.asarray(layer(x))
    last = fill(_built(LowPassRNN(N)), *w)
    np.testing.assert_allclose(np.asarray(last(x)), whole[:, -1], **EXACT)
    backwards = fill(_built(LowPassRNN(N, go_backwards=True)), *w)
    np.testing.assert_allclose(np.asarray(backwards(x[:, ::-1])), whole[:, -1], **EXACT)
    first, state = fill(_built(LowPassRNN(N, return_state=True)), *w)(x[:, :10])
    np.testing.assert_allclose(
        np.asarray(layer(x[:, 10:], initial_state=[state])), whole[:, 10:], **EXACT
    )
    # the output is the state
    np.testing.assert_array_equal(np.asarray(first), np.asarray(state))


def _built(layer):
    layer.build((None, None, F))
    return layer


def test_a_masked_step_changes_nothing():
    layer, x, w = layer_and_input()
    mask = np.random.default_rng(3).random((B, T)) < 0.6
    y = np.asarray(layer(x, mask=tf.constant(mask)))
    for b in range(B):
        np.testing.assert_allclose(y[b][mask[b]], equation(x[b][mask[b]], *w, alpha=0.8), **EXACT)


def test_masking_layer_in_front():
    layer, x, w = layer_and_input()
    padded = np.concatenate([x, np.full((B, 4, F), -9, np.float32)], axis=1)
    model = keras.Sequential([keras.layers.Masking(-9.0), fill(_built(LowPassRNN(N)), *w)])
    np.testing.assert_allclose(np.asarray(model(padded)), np.asarray(layer(x))[:, -1], **EXACT)


def models():
    """The same kinds of net as a Sequential and as a functional model."""
    q = quantize.CodeQuantizer(3)
    layers = [
        LowPassDense(6, alpha=0.5, return_sequences=True),
        LowPassRNN(
            N,
            sub_steps=2,
            alpha_range=(0.3, 0.8),
            seed=4,
            kernel_quantizer=q,
            recurrent_quantizer=quantize.CodeQuantizer(2),
            return_sequences=True,
            name="middle",
        ),
        LowPassRNN(4, learn_alpha=True),
        ReadOut(3, q),
    ]
    sequential = keras.Sequential([keras.Input((None, F)), *layers])
    inputs, weights_in = keras.Input((None, F)), keras.Input((None,))
    h = LowPassRNN(N, alpha=[0.5] * N, return_sequences=True)(inputs)
    functional = keras.Model(
        [inputs, weights_in],
        WindowMean()(ReadOut(3)(keras.layers.Concatenate()([h, inputs])), weights_in),
    )
    return {"sequential": sequential, "functional": functional}


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_save_and_load(kind, tmp_path):
    model, rng = models()[kind], np.random.default_rng(8)
    for v in model.weights:
        v.assign(v + rng.normal(0, 0.1, v.shape) * (v.name != "alpha"))
    x = rng.normal(0, 1, (B, T, F)).astype(np.float32)
    x = x if kind == "sequential" else [x, rng.random((B, T)).astype(np.float32)]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(model(x)), np.asarray(again(x)))
    assert [layer.get_config() for layer in model.layers] == [
        layer.get_config() for layer in again.layers
    ]


def test_configuration_round_trip():
    layer = LowPassRNN(
        N,
        alpha=0.6,
        clip=2.0,
        sub_steps=3,
        learn_alpha=True,
        kernel_quantizer=quantize.CodeQuantizer(1),
        return_sequences=True,
        name="x",
    )
    again = LowPassRNN.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (
        again.cell.clip,
        again.cell.sub_steps,
        again.cell.kernel_quantizer.scale,
        again.return_sequences,
        again.name,
    ) == (2.0, 3, 1, True, "x")
    cell = LowPassRNNCell(N, alpha_range=(0.1, 0.2), seed=3)
    assert LowPassRNNCell.from_config(cell.get_config()).get_config() == cell.get_config()


def test_it_learns():
    """Tell a rising from a falling ramp, which needs memory; 3-bit weights throughout."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 256)
    x = (
        np.linspace(-1, 1, 12)[None, :, None] * (2 * label - 1)[:, None, None]
        + rng.normal(0, 0.3, (256, 12, 2))
    ).astype(np.float32)
    keras.utils.set_random_seed(1)
    q = quantize.CodeQuantizer(2)
    model = keras.Sequential(
        [
            keras.Input((12, 2)),
            LowPassRNN(8, alpha=0.7, sub_steps=2, kernel_quantizer=q, recurrent_quantizer=q),
            ReadOut(2, q),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    before = model.evaluate(x, label, verbose=0)[0]
    model.fit(x, label, epochs=12, batch_size=64, verbose=0, shuffle=False)
    loss, accuracy = model.evaluate(x, label, verbose=0)
    assert loss < 0.5 * before and accuracy > 0.95


@pytest.mark.parametrize(
    "arguments, says",
    [
        (dict(units=0), "units must be positive and whole, received 0"),
        (dict(sub_steps=0), "sub_steps must be positive and whole, received 0"),
        (dict(clip=0.0), "clip .* must be positive, received 0"),
        (dict(alpha=1.0), r"alpha must be in \[0, 1\), received 1.0"),
        (dict(alpha=-0.1), "received -0.1"),
        (dict(alpha=[0.1, 0.2]), r"one number or 7 numbers, received shape \(2,\)"),
        (dict(alpha_range=(0.9, 0.2)), r"low <= high < 1, received \(0.9, 0.2\)"),
        (dict(alpha_range=(0.5, 1.0)), "received"),
        (dict(alpha_range=(0.1, 0.2, 0.3)), "must be \\(low, high\\)"),  # T11, from here on
        (dict(sub_steps=1.5), "sub_steps must be positive and whole, received 1.5"),
        (dict(units=2.5), "units must be positive and whole, received 2.5"),
        (dict(kernel_quantizer="codes"), "kernel_quantizer must be callable"),
        (dict(recurrent_quantizer=3), "recurrent_quantizer must be callable"),
        (dict(cell=LowPassRNNCell(3)), "makes its own cell"),
        (dict(alpha=0.0, learn_alpha=True), "alpha must be in"),
        (dict(alpha=float("nan")), "alpha must be in"),
    ],
)
def test_wrong_arguments_say_what_is_expected(arguments, says):
    with pytest.raises(ValueError, match=says):
        LowPassRNN(**{"units": N, **arguments})


def test_a_wrong_argument_name_is_refused():
    with pytest.raises((TypeError, ValueError)):
        LowPassRNN(N, alfa=0.5)


def test_readout_and_window_mean():
    rng = np.random.default_rng(2)
    y, w, b, window = (
        rng.random((B, T, N)),
        rng.normal(0, 1, (N, 4)),
        rng.normal(0, 1, 4),
        rng.random((B, T)),
    )
    layer = ReadOut(4)
    layer.build((None, None, N))
    layer.kernel.assign(w)
    layer.bias.assign(b)
    np.testing.assert_allclose(np.asarray(layer(y.astype(np.float32))), y @ w + b, **EXACT)
    expected = np.stack([np.average(y[i], axis=0, weights=window[i]) for i in range(B)])
    np.testing.assert_allclose(
        np.asarray(WindowMean()(y.astype(np.float32), window.astype(np.float32))), expected, **EXACT
    )


def test_alpha_of_the_operating_point():
    assert frame_alpha(64, 14) == pytest.approx(0.8021, abs=5e-5) and frame_alpha(4096, 1) == 0


def by_hand(w, scale):
    """The nearest of the eight values -4 .. 3 over 2**scale."""
    grid = np.arange(-4, 4) / 2.0**scale
    return grid[np.argmin(np.abs(np.asarray(w)[..., None] - grid), axis=-1)]


@pytest.mark.parametrize("scale", [0, 1, 3, 4])
def test_codes_are_the_nearest_and_clipped(scale):
    w = np.random.default_rng(scale).normal(0, 3 / 2**scale, (40, 11)).astype(np.float32)
    k = quantize.codes(w, scale)
    assert k.dtype == np.int8 and k.min() == -4 and k.max() == 3
    np.testing.assert_array_equal(k / 2.0**scale, by_hand(w, scale))
    np.testing.assert_array_equal(
        np.asarray(quantize.CodeQuantizer(scale)(tf.constant(w))), k / 2.0**scale
    )  # training sees what is exported


def test_the_gradient_is_straight_through_and_clipped():
    # scale 3: the range is -0.5 .. 0.375
    w = tf.Variable([-0.6, -0.51, -0.5, -0.2, 0.0, 0.06, 0.374, 0.376, 2.0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(quantize.CodeQuantizer(3)(w) * tf.range(1.0, 10.0))
    np.testing.assert_array_equal(np.asarray(tape.gradient(loss, w)), [0, 0, 3, 4, 5, 6, 7, 0, 0])


def test_best_scale_has_the_least_error():
    rng = np.random.default_rng(5)
    for spread in (0.05, 0.1, 0.3, 0.8):
        w = rng.normal(0, spread, (30, 20))
        for finest in (2, 4):
            errors = {s: np.mean((by_hand(w, s) - w) ** 2) for s in range(finest + 1)}
            assert quantize.best_scale(w, finest) == min(errors, key=errors.get)


@pytest.mark.parametrize("dtype", ["float32", "float16", "mixed_float16", "mixed_bfloat16"])
def test_t10_half_precision_keeps_its_state_in_float32(dtype):
    """T10: at alpha .99 the state came to rest at 4.6 (float16) or 4.0 (bfloat16), not at 5."""
    layer = LowPassRNN(1, alpha=0.99, return_sequences=True, dtype=dtype)
    x = np.zeros((1, 800, 2), np.float32)
    layer.build(x.shape)
    layer.cell.bias.assign([5.0])
    layer.cell.recurrent_kernel.assign([[0.0]])
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    assert abs(float(np.asarray(y, np.float32)[0, -1, 0]) - 5) < 0.03
    assert layer.cell.compute_dtype == "float32"


def test_t10_the_type_reaches_the_cell():
    layer = LowPassRNN(2, dtype="float64", trainable=False, return_state=True)
    y, state = layer(np.zeros((1, 3, 2)))
    assert {keras.backend.standardize_dtype(v.dtype) for v in (y, state, *layer.weights)} == {
        "float64"
    }
    assert not layer.trainable_variables and layer.cell.dtype == "float64"


def test_t11_random_alpha_follows_keras():
    def draw():
        keras.utils.set_random_seed(5)
        layer = LowPassRNN(9, alpha_range=(0.4, 0.9))
        layer.build((None, None, F))
        return np.asarray(layer.cell.retention())

    assert np.array_equal(draw(), draw())


def test_t11_masks_pass_the_read_out():
    layer = ReadOut(2)
    y = keras.ops.ones((1, 3, 4))
    y._keras_mask = keras.ops.convert_to_tensor([[True, False, True]])
    assert np.asarray(layer(y)._keras_mask).tolist() == [[True, False, True]]


def test_t11_a_window_of_zeros_has_a_mean_of_zero():
    mean = WindowMean()(np.ones((2, 3, 2), np.float32), np.float32([[0, 0, 0], [1, 1, 0]]))
    assert np.asarray(mean).tolist() == [[0, 0], [1, 1]]


def test_t11_alpha_that_no_model_can_hold_is_no_model():
    """It was exported with the configuration's alpha in silence."""
    from edge_lp.errors import EdgeLpError
    from edge_lp_train import net
    from edge_lp_train.presets import configure

    config = configure(None, ("yes",), hidden=(4,))
    model = net.build(config)
    net.weights_of(model, config)
    model.get_layer("lp0").cell.alpha_weight.assign([0.8, 0.8, 0.9, 0.8])
    with pytest.raises(EdgeLpError, match="lp0 has alpha 0.800 to 0.900; a model has one"):
        net.weights_of(model, config)
