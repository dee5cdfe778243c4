# SPDX-License-Identifier: Apache-2.0
"""tools/in_a_row.py: where words are put, and what is counted."""

import re

import numpy as np
import soundfile
from paths import ROOT, load

tool = load(ROOT / "tools" / "in_a_row.py")


def burst(seconds: float) -> np.ndarray:
    """A second of silence with a tone in its middle."""
    t = np.arange(int(16000 * seconds)) / 16000
    pcm = np.zeros(16000, np.int16)
    pcm[4000 : 4000 + len(t)] = 9000 * np.sin(2 * np.pi * 440 * t)
    return pcm


def test_words_are_cut_to_where_they_are_loud_and_lie_gap_seconds_apart():
    word = tool.cut("yes", burst(0.4), np.random.default_rng(1))
    assert abs(len(word) / 16000 - 0.45) < 0.06
    pcm, said = tool.embed([("yes", word), ("no", word)], np.random.default_rng(1), gap=(0.5, 0.5))
    assert [s.word for s in said] == ["yes", "no"]
    assert abs(said[1].start - said[0].end - 0.5 - 2 * tool.EDGE) < 0.06
    assert not pcm[8000 + len(word) : 16000 + len(word)].any()


def test_table_has_a_row_a_model_and_a_column_a_gap(tmp_path, capsys):
    for word in ("yes", "no", "notaword"):
        (tmp_path / word).mkdir()
        soundfile.write(tmp_path / word / "a.wav", burst(0.3), 16000)
    options = ["--words", str(tmp_path), "--gaps", "1", "0.2", "--count", "4"]
    assert tool.main(["a=commands12", "b=computer", *options]) == 0
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert head == "of 4 words found (false) | 1 s | 0.2 s"
    assert [re.fullmatch(r"(\w) \| \d \(\d\) \| \d \(\d\)", r)[1] for r in rows] == ["a", "b"]


def test_no_folder_of_a_keyword_is_one_line(tmp_path, capsys):
    (tmp_path / "notaword").mkdir()
    soundfile.write(tmp_path / "notaword" / "a.wav", burst(0.3), 16000)
    assert tool.main(["a=commands12", "--words", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("in_a_row: ")
