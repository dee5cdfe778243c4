# SPDX-License-Identifier: Apache-2.0
"""--patience, --rate, --activity, --spiking-epochs and --quick: what they change in a run."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'edge-lp[train]'")

import keras
from edge_lp.cli import main
from edge_lp.errors import EdgeLpError
from edge_lp.model.find import read_model
from edge_lp.model.format import unpack
from edge_lp_train import fit, losses, net, stage
from edge_lp_train.check import Quality
from edge_lp_train.layers import LowPassRNN
from edge_lp_train.presets import TrainConfig, configure
from edge_lp_train.sampler import Sequences

STEPS, BATCH = 2, 4


class Drawn:
    """In place of a sampler: the same few sequences in every epoch."""

    def __init__(self, config):
        self.config = config

    def epochs(self, first):
        rng = np.random.default_rng(0)
        n, labels = self.config.batch, len(self.config.labels)
        label = rng.integers(0, labels, n).astype(np.int32)
        batch = Sequences(
            rng.normal(size=(n, 40, 40)).astype(np.float32), np.zeros(n, np.int32),
            np.eye(labels, dtype=np.float32)[label], label, np.zeros(n, bool),
        )  # fmt: skip
        while True:
            yield iter([batch] * STEPS)


def staged(tmp_path, monkeypatch, scores, **changes):
    """A stage of len(scores) epochs whose checks find these scores: its model, the weights after
    each epoch, and the plan."""
    config = configure(
        None, ("yes",), hidden=(4,), batch=BATCH, clips_per_epoch=STEPS * BATCH, clip=30, **changes
    )
    model, after, left = net.build(config), [], list(scores)

    def check(look):
        after.append([np.array(w) for w in model.weights])
        return Quality((0.5,) * 3, (left.pop(0),) * 3, 0.0)

    monkeypatch.setattr(stage, "CHECK_EVERY", 1)
    plan = [stage.Stage("float", len(scores), config.rate, 0.0, 0, 1.0)]
    stage.run_stage(tmp_path, plan, 0, model, Drawn(config), check, config)
    return model, after


SCORES = (0.3, 0.6, 0.5, 0.55, 0.9, 0.2)


def test_patience_ends_a_stage_that_gets_no_better(tmp_path, monkeypatch, capsys):
    """Two epochs behind the best one; that one's weights stay. What came later is never seen."""
    model, after = staged(tmp_path, monkeypatch, SCORES, patience=2)
    assert [r["epoch"] for r in stage.history(tmp_path)] == [1, 2, 3, 4]
    assert "float: no better for 2 epochs" in capsys.readouterr().err
    for w, best, last in zip(model.weights, after[1], after[3]):
        assert np.array_equal(w, best)
    assert any(not np.array_equal(b, x) for b, x in zip(after[1], after[3]))


@pytest.mark.parametrize("patience", [0, 3])
def test_without_patience_or_with_enough_all_epochs_are_run(tmp_path, monkeypatch, patience):
    model, after = staged(tmp_path, monkeypatch, SCORES, patience=patience)
    assert len(stage.history(tmp_path)) == len(SCORES)
    assert all(np.array_equal(w, best) for w, best in zip(model.weights, after[4]))


def test_what_is_checked_and_kept_is_an_average(tmp_path, monkeypatch):
    """Over half of a stage's twelve steps here: each step takes a sixth of the way to its weights.
    Training goes on from its own weights, not from the averages."""
    monkeypatch.setattr(stage, "AVERAGED", 0.5)
    made, each = stage._step, []

    def watched(model, *more):
        step = made(model, *more)

        def run(*batch):
            found = step(*batch)
            each.append([np.array(w) for w in model.trainable_variables])
            return found

        return run

    monkeypatch.setattr(stage, "_step", watched)
    model, after = staged(tmp_path, monkeypatch, SCORES)
    average, kept = each[0], []
    for k, weights in enumerate(each):
        average = [a + (w - a) / 6 for a, w in zip(average, weights)]
        kept += [average] if k % STEPS else []
    trained = [i for i, w in enumerate(model.weights) if w.trainable]
    for weights, expected in zip(after, kept, strict=True):
        found = [weights[i] for i in trained]
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    for w, best in zip(model.trainable_variables, kept[4], strict=True):
        np.testing.assert_allclose(w, best, rtol=1e-4, atol=1e-6)
    assert any(not np.allclose(a, b, rtol=1e-2) for a, b in zip(kept[4], each[2 * STEPS + 1]))


def test_a_run_of_another_version_is_not_gone_on_with(tmp_path, monkeypatch):
    """One whose optimiser kept no averages."""
    staged(tmp_path, monkeypatch, SCORES[:2])
    with np.load(tmp_path / "float.last.npz") as f:
        kept = {k: f[k] for k in f.files}
    kept.pop(max((k for k in kept if k[0] == "o"), key=lambda k: int(k[1:])))
    np.savez(tmp_path / "float.last.npz", **kept)
    with pytest.raises(EdgeLpError, match="of another version; begin anew in another --out"):
        staged(tmp_path, monkeypatch, SCORES[:2])


@pytest.mark.parametrize(
    "wrong, why",
    [
        (["--preset", "nosuch"], "no preset 'nosuch'"),
        (["--say", ""], '"" cannot be a keyword'),
        (["--words", "yes,yes"], "named twice"),
        (["--hidden", "0"], "--hidden (0,)"),
    ],
)
def test_what_cannot_be_trained_is_said_before_tensorflow_is_loaded(monkeypatch, wrong, why):
    monkeypatch.setitem(sys.modules, "edge_lp_train.fit", None)  # its import would be an error
    done = CliRunner().invoke(main, ["train", "--data", "x", *wrong])
    assert done.exit_code == 2 and why in done.stderr


def test_the_rate_is_where_the_stages_begin():
    """Coarse from --rate to a third of it, float from there to nothing; 3 bits have their own."""
    coarse, fine, quantised, spiking = fit._plan(configure(None, rate=0.0012))
    assert (coarse.rate, fine.rate) == (0.0012, pytest.approx(0.0004))
    assert coarse.last_rate == fine.rate and fine.last_rate == 0
    assert quantised.rate == 2 * spiking.rate == configure(None).qat_rate
    alone, fine, *_ = fit._plan(configure(None, rate=0.0012, coarse_epochs=0))
    assert alone.epochs == 0 and fine.rate == 0.0012


def test_the_rate_grows_for_200_steps_and_falls_along_a_cosine():
    optimizer, seen = stage.keras.optimizers.Adam(1.0), []

    def step():
        seen.append(float(optimizer.learning_rate.numpy()))
        return 0.0, 0.0

    of = stage.Stage("float", 4, 0.01, 0.002, 0, 1.0)
    for epoch in range(4):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage, "spread", lambda batch, devices: ())
            stage._epoch(step, optimizer, of, epoch, 250, iter([None] * 250), 1)
    part = 0.5 + 0.5 * np.cos(np.pi * np.arange(1000) / 1000)
    warm = np.minimum(1, (np.arange(1000) + 1) / stage.WARM_UP)
    np.testing.assert_allclose(seen, (0.002 + 0.008 * part) * warm, rtol=1e-5)
    assert max(seen) > 0.009 and seen[0] < 0.0001 and seen[-1] < 0.00201


def test_quick_is_a_quarter_of_the_work_and_gives_way_to_what_is_said():
    full, quick = configure("commands12"), configure("commands12", quick=True)

    def sequences(c):
        return c.clips_per_epoch * (c.float_epochs + c.qat_epochs)

    def work(c):
        return c.clips_per_epoch * sum(s.epochs * s.cost for s in fit._plan(c))

    assert sequences(quick) < 0.3 * sequences(full) and work(quick) < 0.25 * work(full)
    assert sequences(quick) / quick.batch > 0.5 * sequences(full) / full.batch
    assert (quick.words, quick.hidden, quick.rate) == (full.words, full.hidden, full.rate)
    assert configure("commands12", quick=True, batch=32, qat_epochs=9) == configure(
        "commands12", clips_per_epoch=6400, batch=32, coarse_epochs=14, float_epochs=18,
        qat_epochs=9,
    )  # fmt: skip


def test_the_command_passes_them_on(tmp_path, monkeypatch):
    """And a run keeps them: what it was begun with holds on --resume, but for the patience."""
    rng = np.random.default_rng(1)
    for word, pitch in (("low", 200), ("high", 2000)):
        (tmp_path / "data" / word).mkdir(parents=True)
        for i in range(12):
            pcm = np.sin(np.arange(16000) * (pitch + 9 * i) / 2550) * np.hanning(16000) * 9000
            pcm += rng.normal(0, 60, 16000)
            path = tmp_path / "data" / word / f"voice{i:02d}_0.wav"
            soundfile.write(path, pcm.astype(np.int16), 16000)
    out = tmp_path / "run"
    command = ["train", "--data", tmp_path / "data", "--words", "low,high", "--out", out]
    command += ["--quick", "--rate", 0.004, "--patience", 2, "--hidden", 8, "--batch", 16]
    command += ["--clips-per-epoch", 64, "--epochs", 2, 1, "--spiking-epochs", 1]
    command += ["--activity", 0.3]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    done = CliRunner().invoke(main, [str(c) for c in command], catch_exceptions=False)
    assert done.exit_code == 0 and (out / "model.lpb").is_file(), done.output
    config = TrainConfig.read(out / "config.json")
    assert (config.rate, config.patience, config.coarse_epochs) == (0.004, 2, 14)
    assert (config.clips_per_epoch, config.float_epochs, config.qat_epochs) == (64, 2, 1)
    assert (config.spiking_epochs, config.activity) == (1, 0.3)
    for change, refused in (({"rate": 0.01}, "rate"), ({"quick": True}, "quick")):
        with pytest.raises(EdgeLpError, match=refused):
            fit.train(out, {}, resume=True, **change)
    assert fit._resumed(out, None, None, {"patience": 5}).patience == 5


def spikes_of(model, x):
    """Spikes a unit and step of a spiking net on (n, frames, FEATURES)."""
    cells = [layer for layer in model.layers if isinstance(layer, LowPassRNN)]
    states = keras.Model(model.input, [c.output for c in cells])(x)
    per_step = []
    for layer, y in zip(cells, states):
        a = np.asarray(layer.cell.retention()) ** (1 / layer.cell.sub_steps)
        s = (y[:, 1:] - a * y[:, :-1]) / ((1 - a) * layer.cell.clip)
        np.testing.assert_allclose(s, np.round(s), atol=1e-3)
        per_step.append(float(np.mean(s)))
    return per_step


def test_activity_lowers_spikes_and_without_it_the_loss_is_what_it_was(monkeypatch):
    """The term is the share of spikes that the net fires, so a step along its gradient fires fewer.
    At a weight of 0 it is not even computed: the loss has the same bits."""
    config = configure(None, ("yes",), hidden=(12, 8), batch=BATCH, clip=30)
    batch = next(next(Drawn(config).epochs(0)))
    codes = {k: 3 for k in ("w0", "u0", "w1", "u1", "w2")}

    def trained(weight, steps):
        model = net.build(config, codes, spiking=True)
        model.get_layer("lp0").cell.bias.assign(np.full(12, 1.0))
        optimizer = keras.optimizers.Adam(0.01)
        step = stage._step(model, optimizer, replace(config, activity=weight), None)
        found = [float(step(*batch)[0]) for _ in range(steps)]
        return found, spikes_of(model, batch.x)

    plain, spikes = trained(0.0, 30)
    paid, fewer = trained(3.0, 30)
    assert sum(fewer) < 0.6 * sum(spikes) and min(spikes) > 0.01
    assert 0 < (paid[0] - plain[0]) / 3.0 < 1
    monkeypatch.setattr(losses, "activity", None)
    assert trained(0.0, 2)[0] == plain[:2]


def test_the_detector_in_the_loss_has_the_windows_of_the_configuration():
    """A word in 15 frames fills the short window; the long ones must agree."""
    logits = np.zeros((1, 120, 3), np.float32)
    logits[0, 60:75, 0] = 9
    loss = lambda w: float(losses.detector_loss(logits, np.zeros(1), np.zeros(1, int), w, 1)[0])
    assert loss((15,)) < 0.01 < loss((15, 60, 104)) / 3 and loss((15, 60)) < loss((15, 104))
    scores = losses.detector_scores(logits, (15, 60))
    mean = logits[0, 15:75].mean(axis=0)
    long, short = (x - np.log(np.exp(x).sum()) for x in (mean, logits[0, 60:75].mean(axis=0)))
    np.testing.assert_allclose(scores[0, 74], (long + short) / 2, rtol=1e-5)


def test_a_patience_below_nothing_is_refused():
    done = CliRunner().invoke(main, ["train", "--patience", "-1"])
    assert done.exit_code == 2 and "--patience" in done.output


def test_the_recipe_exports_the_detector_that_ships():
    """commands12's; other words get the trainer's own, not what was chosen on the commands."""
    shipped = unpack(read_model("commands12")).detector
    own = configure("commands12")
    assert own.windows == shipped.windows and (own.latency, own.hold) == (
        shipped.latency, shipped.hold,
    )  # fmt: skip
    assert [own.threshold] == pytest.approx(list(shipped.thresholds), abs=1e-4)
    for other in (configure(None, ("yes",)), configure(None, said=("hey robot",))):
        assert (other.windows, other.threshold) == (TrainConfig().windows, TrainConfig().threshold)
        assert other.windows != own.windows
    assert configure("commands12", said=("hey robot",)).windows == own.windows
