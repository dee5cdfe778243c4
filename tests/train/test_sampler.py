# SPDX-License-Identifier: Apache-2.0
"""What the sampler draws: sequences, their noise, and hard places."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'edge-lp[train]'")

from edge_lp_train import sampler
from edge_lp_train.augment import Augment, steady
from edge_lp_train.mine import hard_places
from edge_lp_train.presets import configure

WORDS = ("yes", "stop")
SMALL = dict(hidden=(16,), clips_per_epoch=256, batch=32, context=20)


def test_sequences_are_repeatable_and_in_range():
    config = configure(None, WORDS, **SMALL)
    rng = np.random.default_rng(0)
    corpus = sampler.Corpus(
        [rng.integers(-9000, 9000, n).astype(np.int16) for n in (16000, 9000, 16000, 12000)],
        ["yes", "stop", "other", "yes"],
        [rng.integers(-500, 500, 40000).astype(np.int16)],
        [rng.integers(-5000, 5000, 60000).astype(np.int16)],
    )
    draws = sampler.Sampler(corpus, config)
    labels, talk = set(), 0
    for seed in range(60):
        x, start, target, label, speech = draws.draw(seed)
        again = draws.draw(seed)
        assert np.array_equal(x, again[0]) and np.array_equal(target, again[2])
        assert (start, label, speech) == (again[1], again[3], again[4])
        assert x.shape == (120, 40) and x.dtype == np.int16 and 0 <= start <= 20
        assert abs(target.sum() - 1) < 1e-6 and target.argmax() == label
        assert label == 2 if speech else True
        labels.add(label)
        talk += speech
    assert labels == {0, 1, 2, 3} and 5 < talk < 25


def test_epochs_share_sequences_and_do_not_depend_on_where_they_begin():
    """An epoch after a resumption is the one that an uninterrupted run has; each sequence is seen
    in `reuse` epochs."""
    config = configure(None, ("yes",), clips_per_epoch=32, batch=8, reuse=2, seed=3)
    rng = np.random.default_rng(0)
    clips = [rng.integers(-9000, 9000, 16000).astype(np.int16) for _ in range(4)]
    corpus = sampler.Corpus(clips, ["yes", "other", "yes", "other"])
    draws = sampler.Sampler(corpus, config)
    through = draws.epochs(0)
    whole = [[b.x for b in next(through)] for _ in range(3)]
    through.close()
    resumed = draws.epochs(2)
    again = [b.x for b in next(resumed)]
    resumed.close()
    assert all(np.array_equal(a, b) for a, b in zip(whole[2], again)) and len(again) == 4
    assert not np.array_equal(whole[0][0], whole[1][0])


def test_augmentation_keeps_to_its_ranges():
    config = configure(
        None,
        WORDS,
        noise_probability=0.0,
        gain=(-6.0, -6.0),
        stretch=(1.0, 1.0),
        shift=0.0,
        room_probability=0.0,
        low_pass_probability=0.0,
    )
    clip = (8000 * np.sin(np.arange(16000) / 9)).astype(np.int16)
    pcm = Augment(config, [], [], []).waveform(
        clip, 140, 30, None, (-3, 30), np.random.default_rng(3)
    )
    assert pcm.shape == (22400,) and not pcm[: 30 * 160].any()
    assert np.abs(pcm[4800 : 4800 + 15999] - clip[:15999] * 10 ** (-6 / 20)).max() <= 1


def test_a_wake_word_is_drawn_more_often_and_in_more_noise():
    """As many of its sequences for each of a command as wake_weight says, at wake_snr."""
    config = configure(
        None, ("yes",), wake=("computer",), wake_weight=3.0, wake_snr=(-40.0, -40.0),
        snr=(60.0, 60.0), noise_probability=1.0, room_probability=0.0, low_pass_probability=0.0,
    )  # fmt: skip
    tone = (8000 * np.sin(np.arange(16000) / 9)).astype(np.int16)
    hum = [(3000 * np.sin(np.arange(48000) / 2)).astype(np.int16)]
    words = sampler.Sampler(sampler.Corpus([tone] * 3, ["computer", "yes", "other"], hum), config)
    drawn = [words.draw(i) for i in range(300)]
    count = [sum(d[3] == i for d in drawn) for i in range(2)]
    assert 2.0 < count[0] / count[1] < 4.5
    band = lambda i: np.mean([d[0][40:80].argmax(axis=1).mean() for d in drawn if d[3] == i])
    assert band(0) > band(1) + 5  # the hum's band is above the tone's


def test_steady_noise_has_any_spectrum():
    """Each draw is as loud at its end as at its beginning, octave by octave, and no two draws have
    the same octaves."""

    def octaves(x):
        power = np.abs(np.fft.rfft(x)) ** 2
        hz = np.arange(len(power)) * 16000 / len(x)
        return np.array([power[(hz >= f) & (hz < 2 * f)].mean() for f in 125 * 2 ** np.arange(6)])

    drawn = [steady(32000, np.random.default_rng(i)) for i in range(40)]
    level = 10 * np.log10([octaves(x) for x in drawn])
    halves = 10 * np.log10([octaves(x[:16000]) / octaves(x[16000:]) for x in drawn])
    assert np.abs(halves).max() < 4 < np.diff(level, axis=1).std(axis=0).min()
    assert np.array_equal(drawn[3], steady(32000, np.random.default_rng(3)))
    heard = Augment(configure(None, WORDS), [np.ones(99, np.int16)], [], [])
    kinds = [heard.background(160, np.random.default_rng(i)).std() < 1e-3 for i in range(400)]
    assert 0.6 < np.mean(kinds) < 0.9  # a recording, here a constant, three times in four


def test_hard_places_are_found_and_drawn():
    """Where the net is nearest to a wake word, in the recording where it was said; then three in
    ten pieces of speech end there."""
    config = configure(None, ("yes",), wake=("computer",), noise_probability=0.0)
    rng = np.random.default_rng(0)
    speech = [rng.integers(-100, 100, n * 16000).astype(np.int16) for n in (20, 50, 3, 60)]

    def infer(x):  # wakes in the second piece of 30 s, at 5.0 to 5.6 s: in the second recording
        out = np.zeros((*x.shape[:2], 4), np.float32)
        out[1, 500:560, 0] = 9
        return out

    places = hard_places(speech, config, infer)
    which, end = places[0]
    assert which == 1 and abs(end - (30 - 20 + 5.6) * 16000) < 800
    words = sampler.Sampler(
        sampler.Corpus([speech[0][:16000]] * 2, ["computer", "yes"], speech=speech), config
    )
    words.hard = places[:1]
    drawn = [words._speech(124, np.random.default_rng(i)) for i in range(400)]
    near = [at <= end < at + 124 * 160 for source, at, _ in drawn if source is speech[1]]
    assert 0.2 < sum(near) / len(drawn) < 0.42


def test_halves_of_a_wake_word_are_no_keyword():
    """A half holds 30 to 60 % of the clip's energy, and is drawn only where there are halves."""
    clip = (8000 * np.sin(np.arange(16000) / 9)).astype(np.int16)
    energy = lambda x: float(np.sum(x.astype(float) ** 2))
    shares, begins = [], 0
    for seed in range(50):
        part = sampler.half(clip, np.random.default_rng(seed))
        kept = part != 0
        assert np.array_equal(part[kept], clip[kept])
        shares.append(energy(part) / energy(clip))
        begins += bool(part[:1000].any())
    assert min(shares) > 0.29 and max(shares) < 0.61 and 10 < begins < 40
