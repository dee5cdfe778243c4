# SPDX-License-Identifier: Apache-2.0
"""The C front end against its integer twin, and what it promises: chunking, reset, gain, accuracy,
no overflow."""

import math

import numpy as np
import pytest
from edge_lp import runtime
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import frontend as oracle

HOP = runtime.HOP


def c_features(pcm):
    return runtime.Frontend().push(np.asarray(pcm, np.int16))


def signal(seed, n=HOP * 12):
    """Noise, tones and silences of random level: the seed decides."""
    rng = np.random.default_rng(seed)
    level = 10 ** rng.uniform(0, 4.6, n // 400 + 1).repeat(400)[:n]
    tone = np.sin(np.cumsum(rng.uniform(0, np.pi, n // 400 + 1).repeat(400)[:n]))
    kind = rng.integers(0, 3, n // 400 + 1).repeat(400)[:n]
    x = level * np.choose(kind, [rng.normal(0, 0.5, n), tone, np.zeros(n)])
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


WORST = {
    "square, period 2": np.where(np.arange(6400) % 2, 32767, -32768),
    "square, period 4": np.where(np.arange(6400) // 2 % 2, 32767, -32768),
    "square, period 14": np.where(np.arange(6400) // 7 % 2, 32767, -32768),
    "square, period 512": np.where(np.arange(6400) // 256 % 2, 32767, -32768),
    "least sample": np.full(6400, -32768),
    "greatest sample": np.full(6400, 32767),
    "full-scale noise": np.random.default_rng(1).choice([-32768, 32767], 6400),
    "one click": np.eye(1, 6400, 3000)[0] * -32768,
    "silence": np.zeros(6400),
    "silence after full scale": np.where(
        np.arange(9600) < 4800, 32767 * np.sign(np.sin(np.arange(9600))), 0
    ),
    "full-scale tone": 32767 * np.sin(np.arange(6400) * 0.3),
}


@pytest.mark.parametrize("name", WORST)
def test_worst_inputs_equal_the_oracle(name):
    """The oracle's integers have no width: equality means that nothing overflowed in C."""
    pcm = WORST[name].astype(np.int16)
    assert c_features(pcm).tolist() == oracle.features(pcm.tolist())


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_equals_the_oracle(seed):
    pcm = signal(seed)
    assert c_features(pcm).tolist() == oracle.features(pcm.tolist())


def test_equals_the_oracle_for_more_than_the_slow_level_remembers():
    pcm = signal(5, HOP * 60)
    assert c_features(pcm).tolist() == oracle.features(pcm.tolist())


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 3 * HOP + 7), max_size=40))
def test_any_chunking_equals_one_shot(seed, cuts):
    pcm, f, at, frames = signal(seed, HOP * 20), runtime.Frontend(), 0, []
    for n in [*cuts, len(pcm)]:
        frames += f.push(pcm[at : at + n]).tolist()
        at += n
    assert frames == c_features(pcm).tolist()


def test_one_sample_at_a_time():
    pcm, f = signal(9), runtime.Frontend()
    assert [row for s in pcm for row in f.push(np.array([s], np.int16)).tolist()] == c_features(
        pcm
    ).tolist()


def test_reset_equals_fresh():
    f = runtime.Frontend()
    f.push(signal(1)[:1234])
    f.reset()
    assert f.push(signal(2)).tolist() == c_features(signal(2)).tolist()


def test_causal_and_complete():
    """A frame appears with sample 160 (m + 1) - 1 and does not change when more samples follow."""
    pcm, f = signal(3), runtime.Frontend()
    assert len(f.push(pcm[: HOP - 1])) == 0 and len(f.push(pcm[HOP - 1 : HOP])) == 1
    assert c_features(pcm[: HOP * 5]).tolist() == c_features(pcm).tolist()[:5]


def speech_like(seconds=3):
    """Noise through slow formant-like resonances with pauses: something with a spectrum that moves.
    Floats, peak 1."""
    rng = np.random.default_rng(4)
    n = int(16000 * seconds)
    t = np.arange(n) / 16000
    x = sum(
        np.sin(2 * np.pi * np.cumsum(f + 200 * np.sin(2 * np.pi * r * t)) / 16000)
        for f, r in [(180, 3), (700, 2), (1900, 1.3), (3100, 0.7)]
    )
    x = (x + 0.3 * rng.normal(0, 1, n)) * (0.15 + np.abs(np.sin(2 * np.pi * 0.9 * t)))
    return x / np.abs(x).max()


@pytest.mark.parametrize(
    "decibel, mean, most", [(-6, 1, 40), (-12, 2, 40), (-20, 4, 100), (-30, 12, 300)]
)
def test_gain_does_not_matter(decibel, mean, most):
    """A peak near full scale, then up to 30 dB less: the features (1024 is 3 dB) move by a
    hundredth of their own spread at most. What remains is the rounding of the quieter samples to 16
    bits. Measured means: 0.4, 0.8, 2.0, 6.0."""
    x = speech_like() * 29200
    loud, quiet = (
        c_features(np.rint(x * g).astype(np.int16)).astype(float) for g in (1, 10 ** (decibel / 20))
    )
    difference = np.abs(loud - quiet)
    assert loud.std() > 3000 and difference.mean() < mean and difference.max() < most


def test_log2_is_within_a_unit_of_the_real_one():
    for x in [
        1,
        2,
        3,
        5,
        100,
        2**11,
        2**15 - 1,
        2**15,
        2**16 + 1,
        12345678901,
        2**51 + 12345,
        2**57 - 1,
    ]:
        assert abs(oracle.log2(x) - 1024 * math.log2(x)) < 1.0


def test_features_are_what_they_say():
    """Against floating point with the same triangles (their weights are rounded to 1/256): within 2
    units, 0.006 dB. Measured: 1.6."""
    pcm = np.rint(speech_like(0.5) * 20000).astype(np.int16)
    stream = np.concatenate([np.zeros(352), pcm])
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    frames = np.array(
        [
            np.abs(np.fft.rfft(stream[m * HOP : m * HOP + 512] * hann)) ** 2
            for m in range(len(pcm) // HOP)
        ]
    )
    triangles = np.zeros((257, 40))
    for k, p in oracle.POSITION.items():
        for band, share in (
            (math.floor(p), p - math.floor(p)),
            (math.floor(p) - 1, 1 - p + math.floor(p)),
        ):
            if 0 <= band < 40:
                triangles[k, band] += round(256 * share) / 256
    band, slow, expected = frames @ triangles, np.zeros(40), []
    for m, b in enumerate(band):
        slow = slow + (b - slow) / 2 ** min(5, m.bit_length())
        expected.append(
            1024
            * (np.log2(b + 128) - 0.5 * np.log2(slow + 128) - 0.5 * np.log2(slow.mean() + 2048))
        )
    expected = np.clip(np.array(expected), -16384, 16384)
    assert np.abs(c_features(pcm) - expected).max() < 2


def test_tables_are_not_near_a_half():
    """So that every libm rounds them alike."""
    entries = [2**15 * math.sin(2 * math.pi * i / 512) for i in range(1, 128)] + [
        2**14 * math.log2(1 + i / 32) for i in range(1, 32)
    ]
    entries += [256 * (p - math.floor(p)) for p in oracle.POSITION.values()]
    assert min(abs(e - math.floor(e) - 0.5) for e in entries) > 1e-6


def recordings():
    """The first three clips of every word of the test set."""
    from paths import SHARED

    folder = SHARED / "data" / "speech_commands" / "testing"
    if not folder.is_dir():
        pytest.skip("needs the recordings in ../shared, which are not here")
    soundfile = pytest.importorskip("soundfile")
    for word in sorted(folder.iterdir()):
        if not word.name.startswith("_"):
            yield from (
                soundfile.read(f, dtype="int16")[0] for f in sorted(word.rglob("*.flac"))[:3]
            )


def test_recordings_equal_the_oracle():
    for pcm in list(recordings())[::12]:
        assert c_features(pcm).tolist() == oracle.features(pcm.tolist())


@pytest.mark.parametrize("decibel, mean", [(-6, 60), (-20, 300)])
def test_gain_of_recordings_matters_little(decibel, mean):
    """Measured: 38 and 234, of a spread of 4600. Many clips are quiet: what remains is the floor
    and the rounding to 16 bits."""
    clips = list(recordings())
    loud = [c_features(pcm).astype(float) for pcm in clips]
    quiet = [c_features(np.rint(pcm * 10 ** (decibel / 20)).astype(np.int16)) for pcm in clips]
    assert len(clips) > 50 and np.mean([x.std() for x in loud]) > 4000
    assert np.mean([np.abs(a - b).mean() for a, b in zip(loud, quiet)]) < mean
