# SPDX-License-Identifier: Apache-2.0
"""P1's simulator: the C and its NumPy twin are one; mismatch and jitter are what they say."""

from dataclasses import replace

import numpy as np
import pytest
from edge_lp_papers.spiker import layer, neuron, rnn, twin
from edge_lp_papers.spiker.neuron import ANN, Neuron

UNITS, STEPS = 12, 4000
RNG = np.random.default_rng(1)
WAYS = {
    "V1": Neuron(),
    "V1, code's mismatch": neuron.one_sided(Neuron(), 0.5, UNITS, RNG),
    "V1, eq. 8 on all": neuron.gaussian(Neuron(), 0.2, UNITS, RNG),
    "V2": neuron.v2(),
    "ANN": replace(Neuron(), kind=ANN),
}


def network(kind):
    """Matrices and a drive for a layer of UNITS."""
    rng = np.random.default_rng(2)
    w = rnn.weights(rng, UNITS, layers=1)
    recurrent = w[1] * (kind != neuron.V2)  # the SDR's neuron has no recurrence in P1
    drive = rng.random((STEPS, UNITS)) * 2e-9 + 1e-9 * np.sin(np.arange(STEPS) / 300)[:, None]
    return recurrent, w[2], drive


@pytest.mark.parametrize("way", WAYS)
def test_the_c_and_the_twin_are_equal(way):
    """Spikes the same, currents (1e-9 A) within 1e-20 A: the sums' order."""
    recurrent, output, drive = network(WAYS[way].kind)
    ours = layer.Layer(WAYS[way], recurrent, output)
    pieces = [ours.run(drive[:1500]), ours.run(drive[1500:])]
    s, spikes, out = (np.concatenate(x) for x in zip(*pieces, strict=True))
    expected = twin.Layer(WAYS[way], recurrent, output).run(drive)
    assert np.array_equal(spikes, expected[1]) and (spikes.sum() > 1000 or way == "ANN")
    assert np.abs(s - expected[0]).max() < 1e-20 and np.abs(out - expected[2]).max() < 1e-20
    assert s.max() > 1e-10


@pytest.mark.parametrize("form", [neuron.one_sided, neuron.gaussian])
@pytest.mark.parametrize("names", [["delta", "i_in"], ["tau_w", "gain"], neuron.PAPER])
def test_noise_is_mismatch_drawn_anew_in_each_step(form, names):
    """On named parameters, in the code's form and in that of eq. 8; the C and the twin are equal.
    A retention of s that moves leaves the C no columns to add: it sums."""
    recurrent, output, drive = network(neuron.V1)
    mismatch = form(Neuron(), 0.3, UNITS, np.random.default_rng(5))
    noisy = form(mismatch, 0.2, drive.shape, np.random.default_rng(6), names)
    assert np.shape(getattr(noisy, names[0])) == drive.shape
    ours, expected = (m.Layer(mismatch, recurrent, output) for m in (layer, twin))
    s, spikes, out = ours.run(drive, noisy)
    s_twin, spikes_twin, out_twin = expected.run(drive, noisy)
    assert np.array_equal(spikes, spikes_twin) and spikes.sum() > 1000
    assert np.abs(s - s_twin).max() < 1e-20 and np.abs(out - out_twin).max() < 1e-20
    quiet = layer.Layer(mismatch, recurrent, output)
    assert not np.array_equal(quiet.run(drive)[1], spikes)
    assert np.array_equal(ours.run(drive[:9])[1], expected.run(drive[:9])[1]), "noise is over"


@pytest.mark.parametrize("way", [*WAYS, "noise"])
def test_tensorflow_computes_the_same(way):
    """States within float error of the C's; a spike may move only where the error is at its
    threshold to the last bits, and here none does."""
    tensor = pytest.importorskip("edge_lp_papers.spiker.tensor")
    pytest.importorskip("tensorflow", reason="training needs TensorFlow: edge-lp[train]")
    kind = WAYS.get(way, Neuron())
    recurrent, output, drive = network(kind.kind)
    ours, theirs = (m.Layer(kind, recurrent, output) for m in (layer, tensor))
    drive = drive[:2000]
    noisy = neuron.gaussian(kind, 0.1, drive.shape, np.random.default_rng(6))
    noisy = noisy if way == "noise" else None
    for piece in (slice(0, 1000), slice(1000, 2000)):
        part = (
            replace(noisy, **{n: getattr(noisy, n)[piece] for n in neuron.PAPER}) if noisy else None
        )
        s, spikes, out = ours.run(drive[piece], part)
        s_tf, spikes_tf, out_tf = theirs.run(drive[piece], part)
        assert np.array_equal(spikes, spikes_tf) and (spikes.any() or way == "ANN")
        assert np.abs(s - s_tf).max() < 1e-20 and np.abs(out - out_tf).max() < 1e-20
        assert s.max() > 1e-10


def test_tensorflow_runs_many_networks_at_once():
    tensor = pytest.importorskip("edge_lp_papers.spiker.tensor")
    pytest.importorskip("tensorflow", reason="training needs TensorFlow: edge-lp[train]")
    made = [network(neuron.V1) for _ in range(3)]
    recurrent, output, drive = (np.stack(x) for x in zip(*made, strict=True))
    recurrent *= np.array([1, 0.5, 0.1])[:, None, None]
    drive = np.moveaxis(drive[:, :600], 0, 1)
    s, spikes, out = tensor.Layer(Neuron(), recurrent, output).run(drive)
    for k in range(3):
        alone = layer.Layer(Neuron(), recurrent[k], output[k]).run(drive[:, k])
        assert np.array_equal(spikes[:, k], alone[1]) and np.abs(s[:, k] - alone[0]).max() < 1e-20
        assert np.abs(out[:, k] - alone[2]).max() < 1e-20
    with pytest.raises(ValueError, match="for a layer of"):
        tensor.Layer(Neuron(), recurrent[0]).run(drive)


def test_time_constants():
    """P1's code: 7.386 ms and 1.4773 ms (the paper rounds to 7 and 1.4)."""
    assert neuron.SLOW == pytest.approx(7.386e-3, rel=1e-4)
    assert neuron.FAST == pytest.approx(1.4773e-3, rel=1e-4)


def test_mismatch_in_both_forms():
    rng, n = np.random.default_rng(3), 100_000
    code = neuron.one_sided(Neuron(), 0.4, n, rng)
    assert (code.delta >= Neuron().delta).all() and (code.i_in <= 1.4 * Neuron().i_in).all()
    assert code.delta.mean() == pytest.approx(1.2 * Neuron().delta, rel=0.01)
    assert code.tau_w == Neuron().tau_w and not np.array_equal(code.delta, code.i_in)
    paper = neuron.gaussian(Neuron(), 0.2, n, rng)
    for name in neuron.PAPER:
        p = getattr(paper, name) / getattr(Neuron(), name)
        assert p.mean() == pytest.approx(1, abs=0.01) and p.std() == pytest.approx(0.2, abs=0.01)
    assert neuron.gaussian(Neuron(), 3, n, rng).delta.min() > 0
    with pytest.raises(ValueError, match="no such parameters.*step"):
        neuron.one_sided(Neuron(), 1, n, rng, ["step"])


def test_score_is_nmse_with_the_rule_of_small_sums():
    rng = np.random.default_rng(4)
    ref, y = rng.random((50, 3)), rng.random((50, 3))
    score = rnn.Score(1)
    score.add(ref[:20], y[:20])
    score.add(ref[20:], y[20:])
    nmse = 1 - ((ref - y) ** 2).sum(0) / ((ref - ref.mean(0)) ** 2).sum(0)
    assert np.allclose(score.units(1e-14), nmse)
    small = rnn.Score(1)
    small.add(1e-9 * ref, np.stack([1e-9 * ref[:, 0], 9e-9 * y[:, 1], 9e-9 * y[:, 2]], 1))
    assert small.units(1e-14).tolist() == [1.0], "near: 1; far: dropped"
    assert len(small.units(1e-14, keep_poor=True)) == 3


def test_a_wrong_drive_is_refused():
    with pytest.raises(ValueError, match="3 units for a layer of 2"):
        layer.Layer(Neuron(), np.zeros((2, 2))).run(np.zeros((5, 3)))
