# SPDX-License-Identifier: Apache-2.0
"""Thresholds from measurement: what is counted, what is chosen, and that a stopped run goes on."""

import json

import numpy as np
import pytest
import soundfile
from edge_lp import plots
from edge_lp.audio.files import read_file
from edge_lp.audio.signals import babble
from edge_lp.errors import AudioError, EdgeLpError
from edge_lp.measure import calibrate as C
from edge_lp.measure import det, streams
from edge_lp.measure.chain import Chain, on_all_cores
from edge_lp.measure.stream import Tally, detections, tally
from edge_lp.model.format import pack, unpack
from edge_lp.runtime import Model, Spotter
from random_model import random_spec

LABELS = ["yes", "no", "_unknown_", "_silence_"]


def sound(path, seconds, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, babble(seconds, seed), 16000)


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Two words of six speakers, a word that is no keyword, four talkers of whom one has a text,
    noise."""
    root = tmp_path_factory.mktemp("material")
    for i in range(6):
        for k, word in enumerate(("yes", "no", "tree")):
            sound(root / "words" / word / f"s{i}_nohash_0.wav", 1, 10 * i + k)
    for i in range(4):
        sound(root / "talk" / f"{i}.wav", 4 + i, 100 + i)
    (root / "talk" / "TRANSCRIPTS.tsv").write_text("file\ttext\n1.wav\tno, no and yes\n")
    sound(root / "noise" / "n.wav", 3, 200)
    return root


@pytest.fixture(scope="module")
def model():
    """Fires often, and in its two keywords."""
    spec = random_spec(8, sizes=(24, 24), n_labels=4, n_keywords=2, labels=LABELS)
    return pack(spec)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run(model, material, **more):
    return C.calibrate(model, [material / "words"], [material / "talk"], material / "noise", **more)


def numbers(c):
    return json.dumps(det.json(c))


def test_what_is_counted_is_what_the_spotter_hears(model, material):
    """Misses, false and real events, hours of both halves, from scratch: each stream through the
    C spotter at single thresholds."""
    c, opened = run(model, material), Model(model)
    words = streams.positives([material / "words"], ["yes", "no"], material / "noise", 20, 100)
    speech = streams.negatives([material / "talk"])
    assert not {s.path for s in speech[0]} & {s.path for s in speech[1]}
    speakers = [{p.stem for s in half for _, p in s.clips} for half in words]
    assert not speakers[0] & speakers[1] and len(speakers[0] | speakers[1]) == 6
    for half, found in enumerate((c.chosen, c.reported)):
        for k in (0, 20, 40):
            config = C.with_thresholds(C.ungated(opened.detector), [C.GRID[k]])
            expected = Tally.zero(2)
            for s in speech[half]:
                pcm, seconds = read_file(s.path), len(read_file(s.path)) / 16000
                text = "no, no and yes" if s.path.name == "1.wav" else ""
                said = streams.words_of_text(text, seconds, ["yes", "no"])
                expected += _heard(opened, config, pcm, said, seconds)
            _same(found.speech[k], expected)
            expected = Tally.zero(2)
            for s in words[half]:
                pcm, said = s.compose()
                expected += _heard(opened, config, pcm, said, len(pcm) / 16000)
            _same(found.words[k], expected)
    total = c.chosen.words[0].asked + c.reported.words[0].asked
    assert total.tolist() == [6, 6]
    assert c.chosen.speech[0].false.sum() + c.reported.speech[0].false.sum() > 5
    assert c.chosen.speech[0].seconds + c.reported.speech[0].seconds == 4 + 5 + 6 + 7
    assert (c.chosen.speech[0].real_said + c.reported.speech[0].real_said).tolist() == [1, 2]


def _heard(model, config, pcm, said, seconds):
    tail = np.zeros(int(streams.TAIL * 16000), np.int16)
    events = Spotter(model, config=config).push(np.concatenate([pcm, tail]))
    return tally(said, detections(events, model.labels), ["yes", "no"], seconds)


def _same(a, b):
    for name in ("asked", "hits", "false", "real", "real_said"):
        assert getattr(a, name).tolist() == getattr(b, name).tolist(), name
    assert a.seconds == pytest.approx(b.seconds)


def test_a_stopped_run_goes_on(model, material, cache, monkeypatch):
    """What the net has done is kept: a second start runs it for the rest only, another detector
    for none, another net for all; and the numbers are the same."""
    whole, runs, real = numbers(run(model, material)), [], Chain.stream

    def counted(self, blocks, stop_after=None):
        runs.append(1)
        return real(self, blocks)

    monkeypatch.setattr(Chain, "stream", counted)
    assert numbers(run(model, material)) == whole and not runs
    changed = unpack(model)
    config = C.with_thresholds(changed.detector, [0.9])
    other = pack(C.replace(changed, detector=config, provenance={"x": "y"}))
    run(other, material)
    assert not runs
    files = sorted(cache.rglob("*.npz"))
    assert len(files) == 4 + 2  # a stream of words for each half
    files[0].unlink()
    files[1].write_bytes(b"damaged")
    assert numbers(run(model, material)) == whole and len(runs) == 2
    run(pack(random_spec(9, sizes=(24, 24), n_labels=4, n_keywords=2, labels=LABELS)), material)
    assert len(runs) == 2 + 6


def test_a_failing_item_leaves_no_thread_behind():
    import threading

    before = threading.active_count()

    def task(i):
        if i == 3:
            raise AudioError("bad")
        return i

    with pytest.raises(AudioError, match="bad"):
        list(on_all_cores(task, range(1000)))
    assert threading.active_count() == before
    assert list(on_all_cores(lambda i: i * i, range(100))) == [i * i for i in range(100)]


def tallies(missed, false, asked, hours):
    """missed, false: (thresholds, keywords)"""
    words, speech, zero = [], [], np.zeros(len(asked), int)
    for m, f in zip(missed, false):
        words.append(Tally(np.array(asked), np.array(asked) - m, zero, zero, zero))
        speech.append(Tally(zero, zero, np.array(f), zero, zero, hours * 3600))
    return words, speech


def test_choice():
    """Of two keywords, the one that fires on speech gets the higher threshold; the targets are
    kept; a keyword without clips follows the others."""
    t = np.arange(len(C.GRID))
    rising, falling = (t / 6) ** 2, np.exp(-t / 8)
    missed = np.stack([rising, rising, 0 * t], axis=1).astype(int)  # of 100, 100 and none
    false = np.stack([80 * falling, 8 * falling, 80 * falling], axis=1).astype(int)
    words, speech = tallies(missed, false, [100, 100, 0], 2.0)
    for target in (0.5, 5, 20):
        index = C.choose(words, speech, range(2), C.Target(target))
        assert index[0] > index[1]
        assert false[index[:2], [0, 1]].sum() <= target * 2
    index = C.choose(words, speech, range(2), C.Target(missed=0.2))
    assert missed[index, [0, 1]].sum() <= 0.2 * 200 and false[index, [0, 1]].sum() < 20
    index = C.choose(words, speech, range(3), C.Target(5))
    assert index[2] > 0


def test_few_words_of_a_keyword_count_less():
    missed = np.array([[0, 0], [50, 1]])
    rare, _ = C.shrunk(missed, np.zeros((2, 2)), np.array([100, 1]))
    assert rare[1, 1] < 0.7 and rare[1, 0] == pytest.approx(50, abs=1)


def test_written_model_and_report(model, material, tmp_path):
    c = run(model, material, target=C.Target(missed=0.5), worst=3)
    found = unpack(C.calibrated(model, c))
    heard = Model(pack(found)).detector
    written = C.with_thresholds(heard, c.thresholds).integers(found.n_keywords)
    assert heard.integers(found.n_keywords) == written
    assert "missed" in found.provenance["calibrated"]
    assert [a.w.codes.tolist() for a in found.layers] == [
        a.w.codes.tolist() for a in unpack(model).layers
    ]
    out = json.loads(numbers(c))
    assert out["reported"]["speech_hours"] == pytest.approx(c.reported.speech_at.hours, abs=1e-4)
    assert set(out["reported"]["at_thresholds"]) == {"all", "yes", "no"}
    assert len(out["worst"]) <= 3 and all(0 < w["score"] <= 1 for w in out["worst"])
    assert len(det.tables(c)) >= 4
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    assert plots.det(c, tmp_path / "det.png").read_bytes()[:4] == b"\x89PNG"


def test_all_hours_count_crosswise(model, material):
    """Each half of the speakers is heard at the thresholds that the other half chose; curves over
    both are their sum."""
    target = C.Target(missed=0.5)
    c, spec, opened = run(model, material, target=target), unpack(model), Model(model)
    chosen = [C.GRID[C.choose(h.words, h.speech, [0, 1], target)] for h in (c.chosen, c.reported)]
    assert chosen[0].tolist() == c.thresholds != chosen[1].tolist()
    words = streams.positives([material / "words"], ["yes", "no"], material / "noise", 20, 100)
    expected = c.reported.words_at
    for s in words[0]:
        pcm, said = s.compose()
        config = C.with_thresholds(spec.detector, chosen[1].tolist())
        expected += _heard(opened, config, pcm, said, len(pcm) / 16000)
    _same(c.crosswise[0], expected)
    assert c.crosswise[1].seconds == c.both.speech_at.seconds == 4 + 5 + 6 + 7
    assert c.both.words[7].missed.sum() == sum(
        h.words[7].missed.sum() for h in (c.chosen, c.reported)
    )
    out = json.loads(numbers(c))["crosswise"]
    assert out["words"] == 12 and out["all"]["missed"] == int(expected.missed.sum())


def test_the_model_as_it_is_is_measured_on_everything(model, material):
    """At its own thresholds: what a user has who changes nothing."""
    c, spec, opened = run(model, material), unpack(model), Model(model)
    expected = C.Tally.zero(2)
    for half in streams.positives([material / "words"], ["yes", "no"], material / "noise", 20, 100):
        for s in half:
            pcm, said = s.compose()
            expected += _heard(opened, spec.detector, pcm, said, len(pcm) / 16000)
    _same(c.as_is[0], expected)
    assert expected.asked.sum() == 12
    assert c.as_is[1].seconds == 4 + 5 + 6 + 7
    out = json.loads(numbers(c))["as_is"]["all"]
    assert out["missed"] == int(expected.missed.sum())
    assert out["false"]["events"] == int(c.as_is[1].false.sum())


def test_nothing_heard_is_not_never():
    assert det.per_hour(0, 2.0) == {"events": 0, "per_hour": 0.0, "from": 0.0, "to": 1.5}
    assert det.per_hour(4, 2.0)["per_hour"] == 2.0 and det.per_hour(4, 2.0)["to"] == 4.58
    assert det.share_missed(0, 0)["percent"] is None


def test_takes_of_a_person_stay_in_a_half(tmp_path):
    """`record` names takes anna_01, anna_02, ...: each was a speaker of its own to `calibrate`."""
    for word in ("yes", "no"):
        for who in ("anna", "ben", "cleo", "dan"):
            for take in range(3):
                sound(tmp_path / "mine" / word / f"{who}_0{take}.wav", 1, 1)
    said: list[str] = []
    got = streams.positives([tmp_path / "mine"], ["yes", "no"], None, 20, 100, said.append)
    people = [{p.stem.split("_")[0] for s in half for _, p in s.clips} for half in got]
    assert not people[0] & people[1] and len(people[0] | people[1]) == 4 and not said
    for p in (tmp_path / "mine").glob("*/[bcd]*"):
        p.unlink()
    got = streams.positives([tmp_path / "mine"], ["yes", "no"], None, 20, 100, said.append)
    assert all(half for half in got) and "all of one speaker, anna" in said[0]


def test_bad_material(model, material, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match="no clips of the keywords"):
        C.calibrate(model, [tmp_path / "empty"], [material / "talk"])
    with pytest.raises(AudioError, match="no recordings"):
        C.calibrate(model, [material / "words"], [tmp_path / "empty"])
    sound(tmp_path / "one" / "a.wav", 2, 1)
    with pytest.raises(EdgeLpError, match="too few speakers"):
        C.calibrate(model, [material / "words"], [tmp_path / "one"])
    sound(tmp_path / "bad" / "a.wav", 2, 1)
    (tmp_path / "bad" / "b.wav").write_text("x")
    with pytest.raises(EdgeLpError, match=r"no speech can be read: b\.wav"):
        C.calibrate(model, [material / "words"], [tmp_path / "bad"])
    (tmp_path / "mine" / "yes").mkdir(parents=True)
    for i in range(2):
        (tmp_path / "mine" / "yes" / f"s{i}_nohash_0.wav").write_text("x")
    with pytest.raises(AudioError, match=r"s\d_nohash_0\.wav"):
        C.calibrate(model, [tmp_path / "mine"], [material / "talk"])


def test_speech_that_cannot_be_read_costs_only_itself(model, material, tmp_path):
    sound(tmp_path / "more" / "empty.wav", 0, 1)
    (tmp_path / "more" / "torn.wav").write_text("x")
    said = []
    folders = [material / "talk", tmp_path / "more"]
    c = C.calibrate(model, [material / "words"], folders, material / "noise", note=said.append)
    assert c.crosswise[1].seconds == c.as_is[1].seconds == 4 + 5 + 6 + 7
    (note,) = [n for n in said if "skipped" in n]
    assert "empty.wav" in note and "torn.wav" in note and str(tmp_path) not in note


def test_a_wake_word_s_gate(material):
    """The wake word's threshold meets the false events an hour, the command's the misses, each in
    its own row; commands in ordinary speech are counted behind the gate, words without it."""
    spec = random_spec(8, sizes=(24, 24), n_labels=4, n_keywords=2, labels=LABELS)
    detector = C.replace(spec.detector, wake_words=1, wake=100)
    plain, gated = pack(spec), pack(C.replace(spec, detector=detector))
    target = C.Target(1000.0, 0.5)
    c = run(gated, material, target=target)
    open_ = run(plain, material, target=target)
    for a, b in ((c.chosen, open_.chosen), (c.reported, open_.reported)):
        assert [t.false.tolist() for t in a.speech] == [t.false.tolist() for t in b.speech]
        assert [t.hits.tolist() for t in a.words] == [t.hits.tolist() for t in b.words]
    out = json.loads(numbers(c))
    assert set(out["reported"]["at_thresholds"]) == {"wake words", "commands", "yes", "no"}
    missed = [h.words_at.missed[1] / h.words_at.asked[1] for h in (c.chosen, c.reported)]
    assert missed[0] <= 0.5
    total = c.chosen.speech_at.false + c.reported.speech_at.false
    assert heard_with(c.thresholds, material, spec)[1] >= total[1]


def heard_with(thresholds, material, spec):
    """False events of both halves with these thresholds and no gate."""
    config, model = C.with_thresholds(C.ungated(spec.detector), thresholds), Model(pack(spec))
    total = np.zeros(2, int)
    for s in (x for half in streams.negatives([material / "talk"]) for x in half):
        pcm = read_file(s.path)
        text = streams.text_of(s.path) or ""
        said = streams.words_of_text(text, len(pcm) / 16000, ["yes", "no"])
        total += _heard(model, config, pcm, said, 1.0).false
    return total
