# SPDX-License-Identifier: Apache-2.0
"""The experiments that train nets, at a size of seconds: the tasks' data against their definition,
what a curriculum does, how it goes on where it was stopped, and that an lpRNN learns where it is
said to."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest
from edge_lp_papers.experiments import adding, alpha, copying, curriculum, long_memory, ptb
from edge_lp_papers.work import Part, Work

pytest.importorskip("keras", reason="keras is not installed: pip install 'edge-lp[train]'")


def part(tmp_path):
    tmp_path.mkdir(exist_ok=True)
    return Part(tmp_path / "part", lambda text, done, of: None)


def test_adding_asks_for_the_sum_of_two():
    x, y = adding.sequences(np.random.default_rng(0), 50, 12)
    assert x.shape == (50, 12, 2) and (x[:, :, 1].sum(1) == 2).all()
    assert np.isin(x[:, :, 1], (0, 1)).all() and 0 <= x[:, :, 0].min() and x[:, :, 0].max() < 1
    assert np.allclose(y[:, 0], [r[m == 1].sum() for r, m in zip(x[..., 0], x[..., 1])])
    lengths = [10]
    while lengths[-1] < 642:
        lengths.append(adding.longer(lengths[-1]))
    assert lengths[:7] == [10, 20, 30, 40, 50, 60, 72] and 642 in lengths, "the paper's"


def test_long_memory_marks_several():
    x, y = long_memory.sequences(np.random.default_rng(0), 400, 30, 10)
    marks = x[:, :, 1].sum(1)
    assert marks.min() == 2 and marks.max() == 9
    assert np.allclose(y[:, 0], (x[:, :, 0] * x[:, :, 1]).sum(1))


def test_copying_asks_for_the_symbols_behind_the_trigger():
    x, y = copying.sequences(np.random.default_rng(0), 5, 4)
    said = x.argmax(-1)
    assert x.shape == (5, 20, copying.CLASSES) and (x.sum(-1) == 1).all()
    assert (said[:, :8] == y[:, -8:]).all() and 1 <= y[:, -8:].min() <= y.max() <= 7
    assert (said[:, 12] == 8).all() and not said[:, 8:12].any() and not y[:, :12].any()
    assert copying.chance(200) == pytest.approx(0.963, abs=1e-3)
    steps = [3]
    while steps[-1] < 120:
        steps.append(copying.longer(steps[-1]))
    assert steps[:10] == [3, 4, 5, 6, 7, 8, 9, 10, 12, 14] and steps[-1] - steps[-2] == 8


def test_the_loss_of_copying_weighs_the_last_eight_as_much_as_all_others():
    y, logits = np.zeros((1, 36), np.int32), np.zeros((1, 36, copying.CLASSES), np.float32)
    logits[:, :-8, 0] = 50
    expected = 0.5 * np.log(copying.CLASSES)
    assert np.asarray(copying.loss(y, logits)) == pytest.approx(expected, rel=1e-5)


def test_an_lp_rnn_learns_to_add_ten_numbers(tmp_path):
    """Below .001 within ten epochs; here it takes three."""
    found = adding.one_net("lpRNN", 128, 0, 10, 10, 10_000, 10, part(tmp_path))
    assert found[-1]["passed"] and found[-1]["mse"] < 0.001 and curriculum.reached(found) == 10
    assert curriculum.epochs_to(found, 10) == len(found) <= 10
    assert curriculum.epochs_to(found, 20) is None


@pytest.mark.parametrize("kind", curriculum.KINDS)
def test_a_stopped_curriculum_goes_on_with_the_same_numbers(tmp_path, kind):
    sizes = dict(units=8, seed=1, until=20, n=64, patience=9)
    whole = copying.one_net(kind, epochs=3, part=part(tmp_path / "a"), **sizes)
    copying.one_net(kind, epochs=2, part=part(tmp_path / "b"), **sizes)
    again = copying.one_net(kind, epochs=3, part=part(tmp_path / "b"), **sizes)
    assert again == whole and len(whole) == 3
    assert {r["length"] for r in whole} == {3} and 0 <= whole[0]["last 8"] <= 1


def test_the_lstm_in_numpy_is_keras_s():
    model = long_memory.network(0)
    x, _ = long_memory.sequences(np.random.default_rng(1), 6, 40, 10)
    answers, gates = long_memory.trace(model.get_weights(), x)
    assert np.allclose(answers, model.predict_on_batch(x), atol=1e-4)
    assert gates.shape == (5, 40, 2) and 0 <= gates[:3].min() and gates[:3].max() <= 1


def test_the_pictures_of_speech_are_of_mel_bands():
    t = np.arange(16000) / 16000
    tones = [
        alpha.picture((8000 * np.sin(2 * np.pi * f * t)).astype(np.int16)) for f in (500, 2000)
    ]
    assert tones[0].shape == (125, 80) and np.isfinite(tones[0]).all()
    mel = 2595 * np.log10(1 + np.array([40, 500, 2000, 8000]) / 700)
    expected = (mel[1:3] - mel[0]) / (mel[3] - mel[0]) * 81 - 1
    assert np.abs([p[60].argmax() for p in tones] - expected).max() < 1
    assert alpha.picture(np.zeros(100, np.int16)).max() == -6


def test_p1s_net_has_its_79844_weights():
    """With 36 words; here it has 14."""
    model = alpha.network("alpha 0.8", 0)
    trained = sum(np.size(v) for v in model.trainable_variables)
    assert trained + 22 * 33 == 79844
    kinds = {net: type(alpha.recurrent(net, 0)).__name__ for net in alpha.NETS}
    assert kinds["LSTM"] == "LSTM" and kinds["alpha learnt"] == "LowPassRNN"


def nets(*accuracies):
    return {
        "words": 14,
        "nets": {n: [{"accuracy": a}] for n, a in zip(alpha.NETS, accuracies, strict=True)},
    }


def test_verdicts_follow_the_numbers():
    good = alpha.judge(nets(0.5, 0.8, 0.7, 0.6, 0.6, 0.2, 0.75))
    assert good.state == "reproduced" and "alpha 0.8, above the LSTM" in good.text
    assert "stays near chance" in good.text
    bad = alpha.judge(nets(0.5, 0.8, 0.7, 0.6, 0.6, 0.6, 0.9))
    assert bad.state == "not reproduced" and "does not stay at chance" in bad.text

    def passed(*lengths):
        return [{"length": n, "mse": 1e-4, "last 8": 1.0, "accuracy": 1.0, "passed": True}
                for n in lengths]  # fmt: skip

    found = {"lpRNN": passed(10, 642), "SimpleRNN": passed(10), "LSTM": passed(10)}
    found["lpLSTM"] = passed(10)
    assert adding.judge({"until": 642, "nets": found}).state == "reproduced"
    found["lpRNN"] = passed(10, 20)
    verdict = adding.judge({"until": 124, "nets": found})
    assert verdict.state == "not reproduced" and "stands at 20" in verdict.text


def test_nothing_is_trained_without_recordings(tmp_path):
    from edge_lp.errors import EdgeLpError

    (tmp_path / "speech_commands").mkdir()
    with pytest.raises(EdgeLpError, match="no recordings of [a-z]+"):  # as many at once as cores
        alpha.measure(Work(tmp_path / "parts", data=tmp_path), epochs=1, per_word=1, validation=1)
    assert alpha.inputs(None) == {} and alpha.inputs(tmp_path) == {}


def test_the_made_text_has_the_perplexity_that_it_says():
    """Of its own choices: a sentence of 5 or 9 words has 3 to 6 of them, none in "the"."""
    splits, least = ptb.texts(None, 0, 800)
    assert [len(s) > 2000 for s in splits] == [True] * 3 and splits[0] != splits[1]
    words, nats = ptb.made_text(np.random.default_rng(1), 1)
    short, long = 2 * 4 * 2 * 3 * 5, 2 * 4 * 2 * 4 * 3 * 3 * 5
    assert nats == pytest.approx(np.log(long if "that" in words else short))
    assert 2 < least < 3 and words[-1] == ptb.END


def test_a_language_model_learns_and_goes_on_where_it_was(tmp_path):
    size = dict(folder=None, seed=0, sentences=1200, units=16, maps=[6, 6], highways=1)
    first = ptb.one_net(["lpLSTM", "tanh"], epochs=1, part=part(tmp_path), **size)
    found = ptb.one_net(["lpLSTM", "tanh"], epochs=3, part=part(tmp_path), **size)
    assert found["valid"][:1] == first["valid"] and found["valid"][2] < found["valid"][0]
    assert found["least"] < found["test"] < 25, "26 words"


def test_the_users_treebank_is_read_a_sentence_a_line(tmp_path):
    for split in ptb.SPLITS:
        (tmp_path / f"{split}.txt").write_text(" no it was <unk>\n it was n't\n")
    splits, least = ptb.texts(str(tmp_path), 0, 1)
    assert splits[0] == "no it was <unk> + it was n't +".split() and least is None
    text = ptb.Text([splits[0], ["yes", "it"], ["was"]])
    assert text.words == 6 and text.ids[1][0] == text.ids[0][3], "unknown words are one"
    (tmp_path / "test.txt").unlink()
    with pytest.raises(ptb.EdgeLpError, match="no file .*test.txt; expected train.txt"):
        ptb.texts(str(tmp_path), 0, 1)
