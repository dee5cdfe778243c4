# SPDX-License-Identifier: Apache-2.0
"""The definition of a hit, a miss and a false event, and what goes into it: streams of clips,
texts, speakers."""

from pathlib import Path

import numpy as np
import pytest
from edge_lp.audio.signals import babble
from edge_lp.errors import AudioError
from edge_lp.measure import stream
from edge_lp.measure.embed import embed
from edge_lp.measure.stream import Detection, Said, match, tally, words_of_text
from edge_lp.measure.transcripts import halves, speaker_of, text_of
from edge_lp.runtime import Event

WORDS = ["yes", "no"]


def said(word, at, **more):
    return Said(word, at - 0.2, at + 0.2, keyword=word in WORDS, **more)


def rows_of(words, heard):
    """(word said, word heard, verdicts) of each row."""
    return [
        (
            r.said.word if r.said else None,
            r.heard.keyword if r.heard else None,
            "".join(k for k in ("hit", "missed", "false", "real") if getattr(r, k)),
        )
        for r in match(words, [Detection(t, w, 0.9) for w, t in heard])
    ]


def test_verdicts():
    assert rows_of([said("yes", 1)], [("yes", 1.4)]) == [("yes", "yes", "hit")]
    assert rows_of([said("yes", 1)], []) == [("yes", None, "missed")]
    assert rows_of([said("yes", 1)], [("yes", 1.6)]) == [
        ("yes", None, "missed"),
        (None, "yes", "false"),
    ]
    assert rows_of([said("yes", 1)], [("no", 1.1)]) == [("yes", "no", "missedfalse")]
    assert rows_of([said("tree", 1)], []) == [("tree", None, "")]
    assert rows_of([said("tree", 1)], [("no", 1)]) == [("tree", "no", "false")]
    assert rows_of([], [("no", 1)]) == [(None, "no", "false")]


def test_a_word_is_hit_once_and_by_its_own_detection():
    """A nearer detection of another word does not take a word's hit away; the second detection of
    one word is false."""
    assert rows_of([said("yes", 1)], [("no", 1.0), ("yes", 1.3)]) == [
        ("yes", "yes", "hit"),
        (None, "no", "false"),
    ]
    assert rows_of([said("yes", 1)], [("yes", 0.8), ("yes", 1.1)]) == [
        (None, "yes", "false"),
        ("yes", "yes", "hit"),
    ]


def test_words_of_a_text_are_real_where_they_may_be():
    """Neither asked for nor false within TEXT_SECONDS of their estimated time, once each."""
    text = words_of_text("There was no doubt. NO: nothing's known", 20, WORDS)
    assert [s.word for s in text] == ["no", "no"] and all(s.real for s in text)
    assert text[0].middle == pytest.approx(11 / 39 * 20) and text[1].middle == pytest.approx(
        21 / 39 * 20
    )
    near, far = text[0].middle + stream.TEXT_SECONDS - 0.01, text[0].middle - 1.6
    assert rows_of(text, [("no", near)]) == [("no", "no", "real")]
    assert rows_of(text, [("no", far)]) == [(None, "no", "false")]
    assert rows_of(text, [("yes", near)]) == [(None, "yes", "false")]
    assert [r[2] for r in rows_of(text, [("no", near), ("no", near), ("no", near)])].count(
        "real"
    ) == 1


def test_tally():
    words = [said("yes", 1), said("yes", 3), said("no", 5), said("tree", 7)]
    words += words_of_text("yes", 20, WORDS)  # at 10 s
    heard = [Detection(t, w, 0.9) for w, t in (("yes", 1), ("no", 3), ("no", 7), ("yes", 10.5))]
    t = tally(words, heard, WORDS, 30.0)
    assert t.asked.tolist() == [2, 1] and t.hits.tolist() == [1, 0] and t.missed.tolist() == [1, 1]
    assert (
        t.false.tolist() == [0, 2] and t.real.tolist() == [1, 0] and t.real_said.tolist() == [1, 0]
    )
    both = t + t
    assert both.false.tolist() == [0, 4] and both.seconds == 60.0
    assert stream.detections([Event(70, 50, 1, 0.75)], WORDS) == [Detection(0.5, "no", 0.75)]


# ------------------------------------------------------------------------------------- material --


def test_embedded_words_are_where_they_are_said_to_be():
    clip = np.zeros(16000, np.int16)
    clip[4000:10000] = babble(2, 3)[4000:10000]
    noise = babble(1, 5)
    pcm, words = embed([("yes", clip), ("no", clip // 4)], np.random.default_rng(1), noise, snr=20)
    alone, same = embed([("yes", clip), ("no", clip // 4)], np.random.default_rng(1))
    assert words == same and [w.word for w in words] == ["yes", "no"]
    for w in words:
        inside = alone[int(w.start * 16000) : int(w.end * 16000)].astype(float)
        blocks = [
            np.sqrt((inside[i : i + 800] ** 2).mean()) for i in range(0, len(inside) - 800, 80)
        ]
        assert max(blocks) == pytest.approx(3000, rel=0.02) and 0.1 < w.end - w.start < 0.4
    assert not alone[: int((words[0].start - 0.3) * 16000)].any()
    assert 0.5 + 0.25 < words[0].start + 0.05 and words[1].start - words[0].start > 1.5 - 0.05
    under = pcm.astype(float) - alone
    assert under.std() == pytest.approx(300, rel=0.02) and len(pcm) == len(alone)


def test_texts_and_speakers(tmp_path):
    folder = tmp_path / "set" / "talk"
    folder.mkdir(parents=True)
    (tmp_path / "set/TRANSCRIPTS.tsv").write_text('file\ttext\ntalk/a.wav\tsay "no"\n')
    (tmp_path / "set/MANIFEST.tsv").write_text(
        "file\tword\tspeaker\ntalk/a.wav\t_\tann\ntalk/b.wav\t_\t\n"
    )
    assert text_of(folder / "a.wav") == 'say "no"' and text_of(folder / "b.wav") is None
    link = tmp_path / "other.wav"
    (folder / "a.wav").touch()
    link.symlink_to(folder / "a.wav")
    assert text_of(link) == 'say "no"' and speaker_of(link) == "ann"
    assert speaker_of(folder / "b.wav") == "b"
    assert speaker_of(tmp_path / "yes" / "3ab5_nohash_2.wav") == "3ab5"
    assert speaker_of(tmp_path / "1088-134315-0016.flac") == "1088"
    (tmp_path / "TRANSCRIPTS.tsv").write_text("name\twords\n")
    (tmp_path / "TRANSCRIPTS.tsv").write_text("name\twords\nx\ty\n")
    with pytest.raises(AudioError, match="expected file and text"):
        text_of(tmp_path / "c.wav")


def test_speakers_by_the_names_of_files():
    """As `record` writes takes (anna_03), people name them, and data sets do."""
    of = {
        "hello/anna_03": "anna",
        "hello/anna-far-2": "anna",
        "hello/hello_03": "hello_03",
        "hello/007_2": "007_2",
        "hello/take": "take",
        "yes/3ab5_x_nohash_2": "3ab5_x",
        "talk/1088-134315-0016": "1088",
        "computer/0386da81-9db7-499c-b4f8-910beec53c23": "0386da81-9db7-499c-b4f8-910beec53c23",
        "talk/common_voice_en_20731050": "common_voice_en_20731050",
    }
    assert {name: speaker_of(Path(f"{name}.wav")) for name in of} == of


def test_halves_do_not_share_speakers_and_do_not_change():
    items = [(f"s{i % 7}", i) for i in range(40)]
    a, b = halves(items)
    assert sorted(a + b) == list(range(40)) and not {i % 7 for i in a} & {i % 7 for i in b}
    again = halves(reversed(items))
    assert (sorted(again[0]), sorted(again[1])) == (sorted(a), sorted(b))
    assert {len({i % 7 for i in half}) for half in (a, b)} == {3, 4}
