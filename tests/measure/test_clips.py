# SPDX-License-Identifier: Apache-2.0
"""The walker of folders of recordings (A18, T6, T7): what counts, what does not, and what is said
about it."""

import os

import pytest
import soundfile
from edge_lp.audio.signals import babble
from edge_lp.errors import AudioError
from edge_lp.measure import clips

LABELS = ["yes", "no", "_unknown_", "_silence_"]
PCM = babble(1)[:4000]


def _clip(root, name):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, PCM, 16000)
    return path


def _words(root):
    return [(c.path.relative_to(root).as_posix(), c.word, c.split) for c in clips.walk(root).clips]


def _skipped(root):
    return {p.relative_to(root).as_posix(): why for p, why in clips.walk(root).skipped}


def test_folders_of_words(tmp_path):
    for name in ("yes/b.wav", "yes/a.FLAC", "no/speaker1/a.wav", "_background_noise_/tap.wav"):
        _clip(tmp_path, name)
    assert _words(tmp_path) == [
        ("no/speaker1/a.wav", "no", None),
        ("yes/a.FLAC", "yes", None),
        ("yes/b.wav", "yes", None),
    ]
    assert clips.walk(tmp_path).skipped == []


def test_what_is_no_recording_is_skipped_with_its_reason_a18(tmp_path):
    for name in ("yes/a.wav", "yes/old.wav/b.wav", ".git/c.wav", "loose.wav"):
        _clip(tmp_path, name)
    for name in ("yes/._a.wav", "__MACOSX/yes/._a.wav", "yes/talk.m4a", "yes/LICENSE"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "yes" / "zero.wav").touch()
    os.mkfifo(tmp_path / "yes" / "fifo.wav")
    (tmp_path / "yes" / "dead.wav").symlink_to("nowhere")
    assert [name for name, *_ in _words(tmp_path)] == ["yes/a.wav", "yes/old.wav/b.wav"]
    assert _skipped(tmp_path) == {
        ".git": "hidden",
        "__MACOSX": "hidden",
        "loose.wav": "in no word's folder",
        "yes/._a.wav": "hidden",
        "yes/LICENSE": "no recording that can be read",
        "yes/dead.wav": "a link that leads nowhere",
        "yes/fifo.wav": "not a file",
        "yes/talk.m4a": "no recording that can be read: .m4a",
        "yes/zero.wav": "empty",
    }
    text = clips.reasons(clips.walk(tmp_path).skipped)
    assert "3 like" in text and "(hidden)" in text and "zero.wav (empty)" in text


def test_links_are_followed_but_not_in_a_circle_t6(tmp_path):
    _clip(tmp_path, "elsewhere/a.wav")
    _clip(tmp_path, "set/yes/b.wav")
    (tmp_path / "set" / "no").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "yes" / "c.wav").symlink_to(tmp_path / "elsewhere" / "a.wav")
    (tmp_path / "set" / "yes" / "up").symlink_to("..")
    assert [(n, w) for n, w, _ in _words(tmp_path / "set")] == [
        ("no/a.wav", "no"),
        ("yes/b.wav", "yes"),
        ("yes/c.wav", "yes"),
    ]
    assert _skipped(tmp_path / "set") == {"yes/up": "a link to a folder that it is in"}


def test_splits(tmp_path):
    for name in ("training/yes/a.wav", "testing/no/b.wav", "yes/c.wav", "validation/loose.wav"):
        _clip(tmp_path, name)
    assert _words(tmp_path) == [
        ("training/yes/a.wav", "yes", "training"),
        ("testing/no/b.wav", "no", "testing"),
    ]
    assert _skipped(tmp_path) == {
        "validation": "beside training, and no split",
        "yes": "beside training, and no split",
    }
    with pytest.raises(AudioError, match="holds testing, training; name one of these folders"):
        clips.find_clips(tmp_path, LABELS)


def test_a_word_called_testing_is_a_word_t7(tmp_path):
    _clip(tmp_path, "testing/a.wav")
    _clip(tmp_path, "yes/a.wav")
    assert [w for _, w, _ in _words(tmp_path)] == ["testing", "yes"]


def test_other_names_of_splits_are_told_t7(tmp_path):
    for name in ("train/yes/a.wav", "Val/yes/b.wav", "test/yes/c.wav"):
        _clip(tmp_path, name)
    assert _words(tmp_path) == []
    assert _skipped(tmp_path)["Val"] == "a split? then its name has to be validation"
    with pytest.raises(AudioError, match=r"train \(a split\? then its name has to be training\)"):
        clips.find_clips(tmp_path, LABELS)


def test_near_misses_of_labels_are_told_a18(tmp_path):
    notes = []
    for name in ("Yes/a.wav", "NO/a.wav", "tree/a.wav", "yes/a.wav"):
        _clip(tmp_path, name)
    found = clips.find_clips(tmp_path, LABELS, notes.append)
    assert [(p.parent.name, label) for p, label in found] == [
        ("NO", 2),
        ("Yes", 2),
        ("tree", 2),
        ("yes", 0),
    ]
    assert len(notes) == 1 and "NO (label no), Yes (label yes)" in notes[0]
    assert clips.near_misses(["unknown", "Unknown", "SILENCE", "silence", "tree"], LABELS) == [
        ("SILENCE", "_silence_"),
        ("Unknown", "_unknown_"),
    ]


def test_no_folder_of_a_label_is_told(tmp_path):
    notes = []
    _clip(tmp_path, "deeper/yes/a.wav")
    assert len(clips.find_clips(tmp_path, LABELS, notes.append)) == 1
    assert len(notes) == 1 and "no folder is named after a label" in notes[0]


def test_words_are_composed_unicode(tmp_path):
    """A file system may hold "für" decomposed; labels are written composed."""
    _clip(tmp_path, "fu\u0308r/a.wav")
    assert [w for _, w, _ in _words(tmp_path)] == ["f\u00fcr"]


def test_recordings_of_files_and_folders(tmp_path):
    """What verify is given: files as they are named, folders walked as evaluate walks them."""
    a, b = _clip(tmp_path, "a.wav"), _clip(tmp_path, "set/deep/b.wav")
    (tmp_path / "set" / "._b.wav").write_bytes(b"x")
    found, skipped = clips.recordings([a, tmp_path / "set"])
    assert found == [a, b] and [why for _, why in skipped] == ["hidden"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "x.m4a").write_bytes(b"x")
    with pytest.raises(AudioError, match=r"no recordings; expected .*\.m4a"):
        clips.recordings([tmp_path / "empty"])
