# SPDX-License-Identifier: Apache-2.0
"""evaluate, calibrate and explain as a person types them: what they print, write and refuse."""

import json

import pytest
import soundfile
from click.testing import CliRunner
from edge_lp.audio.signals import babble
from edge_lp.cli import main
from edge_lp.model.format import pack
from edge_lp.runtime import Model
from random_model import random_spec

LABELS = ["yes", "no", "_unknown_", "_silence_"]


def run(*args):
    return CliRunner().invoke(main, [str(a) for a in args])


def bad(*args, says):
    """One line on stderr that says it, nothing on stdout, exit code 2."""
    result = run(*args)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.count("\n") == 1 and says in result.stderr, result.stderr


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    root = tmp_path_factory.mktemp("here")
    (root / "m.lpb").write_bytes(
        pack(random_spec(8, sizes=(24, 24), n_labels=4, n_keywords=2, labels=LABELS))
    )
    for name, seconds, n in (
        ("words/yes", 1, 4),
        ("words/no", 1, 4),
        ("talk", 3, 4),
        ("noise", 3, 1),
    ):
        (root / name).mkdir(parents=True)
        for i in range(n):
            seed = len(name) * 10 + i
            soundfile.write(root / name / f"s{i}_nohash_0.wav", babble(seconds, seed), 16000)
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_evaluate(here, tmp_path):
    more = ["--snr", "10,0", "--noise", here / "noise", "--gain", "-12", "--worst", 2]
    done = run("evaluate", here / "m.lpb", here / "words", *more, "--agreement", "ann", "--json")
    found = json.loads(done.stdout)
    assert [c["snr_db"] for c in found["conditions"]] == [10, 0, None] and len(found["worst"]) == 2
    done = run("evaluate", here / "m.lpb", here / "words", *more, "-o", tmp_path / "o.json")
    assert "SNR 10 dB" in done.stdout and "decided worst" in done.stdout
    assert json.loads((tmp_path / "o.json").read_text())["n"] == 8
    bad("evaluate", here / "m.lpb", here / "words", "--snr", "10", says="--noise")
    bad("evaluate", here / "m.lpb", here / "words", "--snr", "a,b", says="20,10,0")
    bad("evaluate", here / "m.lpb", here / "words", "--noise", here / "noise", says="--snr")
    bad("evaluate", here / "m.lpb", here / "words", "--beside", here / "m.lpb", says="--curve")


@pytest.mark.parametrize("value, says", [("nan", "finite"), ("inf", "range"), ("1e9", "range")])
def test_a14_a_number_that_is_none(here, value, says):
    """Not measured with: nan is in every range that click knows, and 10 ** 1e8 is no float."""
    model, words = here / "m.lpb", here / "words"
    clip, streams = words / "yes" / "s0_nohash_0.wav", ["--positives", words]
    for option in ("--snr", "--gain", "--shift"):
        bad("explain", model, clip, option, value, says=says)
        bad("evaluate", model, words, option, f"1,{value}", says=says)
    bad("calibrate", model, *streams, "--negatives", here / "talk", "--snr", value, says=says)
    bad("bench", "latency", model, *streams, "--block", value, says=says)
    if value != "1e9":
        more = ["--negatives", here / "talk", "--target-fah", value]
        bad("calibrate", model, *streams, *more, says="finite")
        for option in ("--rate", "--activity"):
            bad("train", "--data", words, option, value, says="finite")


def test_calibrate(here, tmp_path):
    base = [
        "calibrate",
        here / "m.lpb",
        "--positives",
        here / "words",
        "--negatives",
        here / "talk",
    ]
    done = run(*base, "--missed", 50, "--noise", here / "noise", "-o", tmp_path / "c.lpb")
    assert done.exit_code == 0, done.output
    assert "of other speakers" in done.stdout and "with the chosen thresholds" in done.stdout
    done = run(*base, "--missed", 50, "--noise", here / "noise", "--json")
    found = json.loads(done.stdout)
    written = Model((tmp_path / "c.lpb").read_bytes()).detector.thresholds
    expected = list(found["thresholds"].values())
    assert list(written) * (2 if len(written) == 1 else 1) == pytest.approx(expected, abs=1e-5)
    again = run(*base, "--missed", 50, "--noise", here / "noise", "-o", "-")
    assert again.stdout_bytes == (tmp_path / "c.lpb").read_bytes()
    bad(*base, "--missed", 200, says="--missed")
    bad(*base, "-o", tmp_path / "no" / "c.lpb", says="no directory")
    bad(*base[:3], here / "none", *base[4:], says="none")


def test_explain(here, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    clip = here / "words" / "yes" / "s0_nohash_0.wav"
    done = run("explain", here / "m.lpb", clip, "-o", tmp_path / "e.png")
    assert done.exit_code == 0 and "NMSE" in done.stdout, done.output
    assert (tmp_path / "e.png").read_bytes()[:4] == b"\x89PNG"
    done = run("explain", here / "m.lpb", clip, "--snr", 5, "--noise", here / "noise", "--json")
    assert len(json.loads(done.stdout)["nmse"]) == 2
    bad("explain", here / "m.lpb", clip, "--snr", 5, says="--noise")
    bad("explain", here / "m.lpb", clip, "--noise", here / "noise", says="--snr")
    bad("explain", here / "m.lpb", here / "none.wav", says="none.wav")
