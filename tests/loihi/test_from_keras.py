# SPDX-License-Identifier: Apache-2.0
"""Keras models of low-pass layers on the core: beside Keras, and beside the mapping of .lpb models,
which it equals where the weights are 3-bit codes."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from dataclasses import replace

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="keras is not installed: pip install 'edge-lp[train]'")
from edge_lp.core import CORE
from edge_lp.loihi import LimitError, from_keras
from edge_lp.model.format import pack
from edge_lp.model.spec import INPUT_SCALE
from edge_lp.runtime import Model, Net
from edge_lp_train import net
from edge_lp_train.export import to_spec
from edge_lp_train.layers import LowPassDense, LowPassRNN, ReadOut, frame_alpha
from edge_lp_train.presets import configure

ALPHA = frame_alpha(64, 14)
FEATURES = 10


def made_of(*layers):
    """A model, and another one that gives each layer's output."""
    x = given = keras.Input((None, FEATURES))
    outputs = []
    for layer in layers:
        x = layer(x)
        outputs.append(x)
    return keras.Model(given, x), keras.Model(given, outputs)


def stack(alpha=ALPHA, **how):
    keras.utils.set_random_seed(3)
    how = dict(alpha=alpha, sub_steps=2, return_sequences=True, bias_initializer="ones", **how)
    return made_of(
        LowPassDense(24, name="below", **how),
        LowPassRNN(32, name="above", **how),
        ReadOut(5, name="logits"),
    )


def samples(n=2, frames=60, seed=1):
    slow = np.random.default_rng(seed).normal(size=(n, frames, FEATURES)).cumsum(1)
    return (0.3 * slow).astype(np.float32)


def near(made, each, x):
    """Of each layer: NMSE, 1 is equal, and the share of frames with the same largest unit."""
    wanted, found = [np.asarray(y)[0] for y in each(x[None])], list(made.run(x).values())
    same = [float((a.argmax(1) == b.argmax(1)).mean()) for a, b in zip(wanted, found)]
    return [nmse(a, b) for a, b in zip(wanted, found)], same


def nmse(wanted, found):
    """1 - squared error over the variance, of all units together."""
    assert wanted.shape == found.shape
    return 1 - ((found - wanted) ** 2).sum() / ((wanted - wanted.mean(0)) ** 2).sum()


def test_the_network_does_what_the_model_does() -> None:
    model, each = stack()
    x = samples()
    made = from_keras(model, inputs=x)
    assert made.steps == 7 and made.output.n == 5
    close, same = near(made, each, x[0])
    assert min(close) > 0.97 and same[-1] > 0.9, (close, same)
    report = made.report
    assert report.samples == 2 and report.overflow is None
    assert [layer.n for layer in report.layers] == [24, 32, 5]
    assert list(report.layers[1].connections) == ["below", "above"]
    for layer in report.layers:
        assert layer.decay_error < 1e-3 and layer.bias_error < 1e-3
        for coded in layer.connections.values():
            assert 0 < coded.error < 0.06 and coded.saturated == 0
    assert 0.5 < report.layers[1].reached[2] <= 1
    told = str(report)
    assert "from above: 1024 weights, mixed" in told and "overflow in 2 samples: none" in told


def test_a_faster_filter_has_finer_weights_and_a_state_goes_on() -> None:
    model, each = stack()
    x = samples(1)[0]
    slow, fast = from_keras(model, delta=64), from_keras(model, delta=128)
    error = [m.report.layers[1].connections["above"].error for m in (slow, fast)]
    assert error[1] < error[0] / 2 and (slow.steps, fast.steps) == (14, 7)
    assert near(fast, each, x)[0][-1] > 0.97
    simulation = slow.network.build()
    halves = [slow.run(x[:25], simulation), slow.run(x[25:], simulation)]
    for name, whole in slow.run(x).items():
        np.testing.assert_array_equal(np.concatenate([h[name] for h in halves]), whole)


@pytest.mark.parametrize("alpha", [np.linspace(0.6, 0.95, 16), np.full(16, 0.9)])
def test_alphas_and_clips_of_their_own(alpha) -> None:
    """Each unit's alpha is its dendrite's decay; clips may differ from layer to layer."""
    keras.utils.set_random_seed(5)
    how = dict(return_sequences=True, bias_initializer="ones", sub_steps=2)
    model, each = made_of(
        LowPassRNN(16, alpha=alpha, clip=3.0, name="one", **how),
        LowPassRNN(12, alpha=ALPHA, clip=9.0, name="two", **how),
    )
    made = from_keras(model)
    assert np.unique(made.dendrites["one"].decay_v).size == np.unique(alpha).size
    close, _ = near(made, each, samples(1, seed=7)[0])
    assert made.output is None and min(close) > 0.95, close


@pytest.mark.parametrize("delta", [64, 128])
def test_three_bit_codes_are_an_lpb_models_network(delta) -> None:
    """Spikes and states of all groups are equal step by step, and so are the logits: the same
    weights and decays, and drives that the bias registers can hold."""
    how = dict(hidden=(20, 24), feed_forward=1, delta=delta, steps=896 // delta)
    config = configure(None, ("yes", "no"), **how)
    scales = {"w0": 3, "w1": 3, "u1": 3, "w2": 3}
    model = net.build(config, scales)
    rng = np.random.default_rng(2)
    model.set_weights([
        w if w.ndim == 1 and w.min() > 0.5 else rng.normal(0, 0.25, w.shape) if w.ndim == 2
        else rng.uniform(0, 0.37, w.shape) for w in model.get_weights()
    ])  # fmt: skip
    model.get_layer("lp0").cell.bias.assign(np.zeros(20))
    made, tau = from_keras(model, delta=delta), 4096 // delta
    assert made.steps == config.steps
    unit = round(np.log2(made.scale["readout"] * 6 / 64 / tau))
    weights = net.weights_of(model, config) | {f"s_{k}": v for k, v in scales.items()}
    shift = unit + tau.bit_length() - 4
    spec = replace(to_spec(config, weights, {}), output_shift=unit, logit_shift=shift)
    shipped = Net(Model(pack(spec)), CORE)

    frames = 64 * rng.integers(-90, 91, (40, 40)).cumsum(0).clip(-90, 90)  # drives divide by 16
    simulation = made.network.build()
    groups = [g for name in ("lp0", "lp1") for g in (made.dendrites[name], made.somas[name])]
    logits, fired = shipped.push(frames[:0].astype(np.int16)), 0
    for frame, mantissas, exponents in zip(frames, *made.drive(frames * INPUT_SCALE)):
        (logits,) = shipped.push(frame[None].astype(np.int16))
        simulation.set_bias(groups[0], mantissas, exponents)
        spikes = simulation.run(made.steps).spikes
        for i, g in enumerate([*groups, made.output]):
            theirs = shipped.state(i)
            np.testing.assert_array_equal(simulation.state(g, "u"), theirs["u"])
            if i < 4:
                np.testing.assert_array_equal(simulation.state(g, "v"), theirs["v"])
            if i in (1, 3):
                np.testing.assert_array_equal(spikes[g][-1], theirs["spikes"])
                fired += int(spikes[g].sum())
        mine = 256 * simulation.state(made.output, "v") / made.scale["readout"]
        assert np.abs(mine - logits).max() <= 1.5  # both are rounded once
    assert fired > 1000 and fired == shipped.counts().spikes


def test_what_cannot_be_mapped_is_told() -> None:
    how = dict(alpha=ALPHA, return_sequences=True)
    gated, _ = made_of(keras.layers.LSTM(4, return_sequences=True, name="gates"), ReadOut(2))
    none, _ = made_of(ReadOut(2))
    back, _ = made_of(LowPassRNN(4, go_backwards=True, name="back", **how), ReadOut(2))
    soft, _ = made_of(LowPassRNN(4, **how), keras.layers.Dense(2, "softmax", name="soft"))
    slow, _ = made_of(LowPassRNN(4, alpha=0.9999, return_sequences=True, name="slow"))
    given = keras.Input((None, FEATURES))
    one = LowPassDense(4, **how)(given)
    fork = keras.Model(given, keras.layers.Add()([one, LowPassDense(4, name="fork", **how)(given)]))
    for model, told in (
        (gated, "layer gates .LSTM. cannot run on the core: expected LowPassRNN"),
        (none, "no low-pass layer"),
        (back, "layer back goes backwards"),
        (soft, "layer soft .Dense. cannot run"),
        (fork, "does not follow"),
        ("nothing", "no low-pass layer"),
    ):
        with pytest.raises(LimitError, match=told):
            from_keras(model)
    with pytest.raises(LimitError, match="layer slow: alpha is 0.9999"):
        from_keras(slow, steps=14)
    model, _ = stack()
    for wrong, told in (
        (dict(delta=0), "delta is 0"),
        (dict(steps=0), "steps of a frame is 0"),
        (dict(delta=0.5), "delta"),
        (dict(inputs=np.zeros((3, 4))), r"inputs have shape \(1, 3, 4\), expected samples"),
    ):
        with pytest.raises(LimitError, match=told):
            from_keras(model, **wrong)
