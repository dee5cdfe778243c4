# SPDX-License-Identifier: Apache-2.0
"""The synthesiser: deterministic, varied, quiet on the terminal, and clear when it cannot speak."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from edge_lp.audio import synth
from edge_lp.errors import AudioError, MissingDependency
from edge_lp.model.find import resolve_model
from edge_lp.runtime import Frontend, Model, Net

WORDS = ["yes", "no", "marvin"]


def test_same_arguments_same_samples_whatever_was_said_before():
    first = synth.say("seven", "en-us", variant="m3")
    synth.say("backward", "en", rate=120, pitch=70, variant="f2")
    assert np.array_equal(first, synth.say("seven", "en-us", variant="m3"))
    assert first.dtype == np.int16 and first.ndim == 1
    assert 0.2 < len(first) / 16000 < 1.5 and np.abs(first.astype(int)).max() > 3000


def test_each_argument_is_heard():
    base = synth.say("seven")
    others = [
        synth.say("seven", **k)
        for k in (dict(voice="en"), dict(variant="f2"), dict(rate=260), dict(pitch=80))
    ] + [synth.say("nine")]
    assert all(len(o) != len(base) or not np.array_equal(o, base) for o in others)
    # faster is shorter
    assert len(others[2]) < len(base)


def test_pitch_is_the_pitch():
    def fundamental(x):
        """Hz of the strongest autocorrelation peak between 60 and 400 Hz, in the middle of the
        vowel."""
        x = x[len(x) // 2 - 1600 : len(x) // 2 + 1600].astype(float)
        r = np.correlate(x - x.mean(), x - x.mean(), "full")[len(x) - 1 :]
        return 16000 / (np.argmax(r[40:267]) + 40)

    assert fundamental(synth.say("aaah", pitch=20)) < 0.8 * fundamental(synth.say("aaah", pitch=80))


def test_every_voice_speaks_and_differs():
    heard = {synth.say("bird, dog, four", v, variant=x).tobytes() for v, x in synth.voices()}
    assert len(heard) == len(synth.voices()) and b"" not in heard


def test_nothing_to_say_is_no_sound():
    assert np.abs(synth.say("").astype(int)).max(initial=0) == 0


@pytest.mark.parametrize(
    "kwargs, says",
    [
        (dict(voice="en-nowhere"), "no voice 'en-nowhere'"),
        (dict(variant="nobody"), "no variant 'nobody'"),
        (dict(rate=79), "rate is 79"),
        (dict(pitch=100), "pitch is 100"),
    ],
)
def test_a_voice_that_does_not_exist(kwargs, says):
    with pytest.raises(ValueError, match=says):
        synth.say("yes", **kwargs)


def test_threads_take_turns():
    alone = synth.say("yes")
    with ThreadPoolExecutor(4) as pool:
        assert all(
            np.array_equal(alone, x) for x in pool.map(lambda _: synth.say("yes"), range(12))
        )


def test_without_the_wheel(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingDependency, match=r"pip install 'edge-lp\[demo\]'"):
        synth.say("yes")


def test_a_data_folder_that_is_not_there(monkeypatch, tmp_path):
    library, _ = synth._wheel()
    monkeypatch.setattr(synth, "_wheel", lambda: (library, tmp_path / "gone"))
    with pytest.raises(AudioError, match="does not find its voices"):
        synth.say("yes")


def test_clips_are_one_second_varied_and_seeded():
    clips = list(synth.command_clips(WORDS, 30, seed=5))
    assert [w for w, _ in clips] == WORDS * 10
    assert all(c.shape == (16000,) and c.dtype == np.int16 for _, c in clips)
    again = list(synth.command_clips(WORDS, 30, seed=5))
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(clips, again))
    assert not np.array_equal(clips[0][1], next(synth.command_clips(WORDS, 1, seed=6))[1])
    peaks = np.array([np.abs(c.astype(int)).max() for _, c in clips]) / 32767
    assert 10 ** (-26 / 20) * 0.99 < peaks.min() < 0.2 and 0.4 < peaks.max() <= 1  # level
    starts = [np.flatnonzero(c)[0] for _, c in clips]
    # position
    assert len(set(starts)) > 25 and max(starts) - min(starts) > 4000
    assert len({c.tobytes() for _, c in clips}) == 30


def test_a_slow_long_word_still_fits():
    ((_, clip),) = synth.command_clips(["extraordinarily unbelievable"], 1, seed=0)
    assert clip.shape == (16000,) and np.abs(clip.astype(int)).max() > 1000


def test_the_terminal_stays_clean():
    code = "from edge_lp.audio import synth; assert len(synth.say('yes', 'en', variant='f2'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"" and done.stderr == b""


def test_the_shipped_model_understands_it():
    """Spoken like words, in the middle of the level and position range or not: three of four clips
    are recognised at the very least."""
    model = Model(resolve_model("commands12").read_bytes())
    heard = [
        (w, model.labels[Net(model).push(Frontend().push(clip)).sum(axis=0).argmax()])
        for w, clip in synth.command_clips(model.keywords, 100, seed=9)
    ]
    assert sum(w == h for w, h in heard) >= 75, heard
