# SPDX-License-Identifier: Apache-2.0
"""The detector in C against its integer twin, its exponential against the real one, and the whole
chain against the twins in a row."""

import math

import numpy as np
import pytest
from edge_lp import runtime
from edge_lp.model import spec
from edge_lp.model.format import pack
from hypothesis import given, settings
from hypothesis import strategies as st
from random_model import random_spec
from twins import detector as oracle
from twins import frontend as frontend_oracle
from twins import net as net_oracle

ONE = 32767


def config(window, threshold, refractory, latency, hold=0):
    """threshold in Q15"""
    return spec.DetectorConfig(window, threshold / ONE, refractory, latency, hold)


def events_of(events):
    return [(e.frame, e.middle, e.label, round(e.score * ONE)) for e in events]


def random_logits(rng, n, labels, size):
    """Q8 logits in which one label after the other stands out for a while."""
    leader = rng.integers(0, labels, n // 20 + 1).repeat(20)[:n]
    return (
        (rng.normal(0, size / 4, (n, labels)) + size * np.eye(labels)[leader])
        .astype(np.int64)
        .clip(-(2**31), 2**31 - 1)
        .astype(np.int32)
    )


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 64),
    st.integers(1, 200),
    st.sampled_from([0, 1, 3000, 16384, 32766, ONE]),
    st.sampled_from([0, 1, 17, 65535]),
    st.sampled_from([0, 5, 65535]),
    st.sampled_from([0, 1, 9, 65535]),
    st.sampled_from([1, 300, 2000, 40000, 2**31]),
)
def test_equals_the_oracle(seed, labels, window, threshold, refractory, latency, hold, size):
    rng = np.random.default_rng(seed)
    keywords, logits = int(rng.integers(0, labels + 1)), random_logits(rng, 120, labels, size)
    events, posteriors = runtime.Detector(
        labels, keywords, config(window, threshold, refractory, latency, hold)
    ).push(logits)
    expected, expected_posteriors = oracle.detect(
        logits.tolist(), keywords, window, threshold, refractory, latency, hold
    )
    assert posteriors.tolist() == expected_posteriors
    assert events_of(events) == expected


@pytest.mark.parametrize("value", [-(2**31), -32768, -32767, 32767, 2**31 - 1])
@pytest.mark.parametrize("window", [1, 199, 200])
def test_extremes(value, window):
    """All frames of the longest window at the clip: the sums are the greatest there are."""
    logits = np.full((410, 3), -value if value != -(2**31) else 2**31 - 1, np.int32)
    logits[:, 1] = value
    events, posteriors = runtime.Detector(3, 3, config(window, 10000, 3, 1)).push(logits)
    expected, expected_posteriors = oracle.detect(logits.tolist(), 3, window, 10000, 3, 1)
    assert posteriors.tolist() == expected_posteriors and events_of(events) == expected and expected


def test_ties_go_to_the_first_label_and_fillers_are_never_detected():
    d = runtime.Detector(4, 2, config(1, 0, 0, 0))
    assert [e.label for e in d.push(np.zeros((3, 4), np.int32))[0]] == [0, 0, 0]
    assert d.push(np.array([[0, 0, 5000, 5000]], np.int32))[0] == []


def test_refractory_and_middle():
    logits = np.tile(np.array([4000, 0], np.int32), (30, 1))
    events, _ = runtime.Detector(2, 1, config(1, 20000, 9, 4)).push(logits)
    assert [(e.frame, e.middle) for e in events] == [(0, 0), (10, 6), (20, 16)]


def test_hold_waits_for_the_best_guess():
    logits = np.zeros((30, 3), np.int32)
    logits[5:8, 0], logits[8:12, 1] = 500, 1500  # a first guess, then a better one
    at_once, held = (
        runtime.Detector(3, 2, config(1, 20000, 0 if hold else 20, 0, hold)).push(logits)[0]
        for hold in (0, 6)
    )
    assert [(e.frame, e.label) for e in at_once] == [(5, 0)]
    assert [(e.frame, e.label) for e in held] == [(8, 1)]


def test_reset_equals_fresh_and_any_split_equals_one_run():
    logits = random_logits(np.random.default_rng(8), 300, 5, 2000)
    fresh = runtime.Detector(5, 4, config(20, 16000, 30, 10)).push(logits)
    d = runtime.Detector(5, 4, config(20, 16000, 30, 10))
    d.push(logits[50:])
    d.reset()
    parts = [d.push(logits[a:b]) for a, b in ((0, 1), (1, 77), (77, 300))]
    assert [e for events, _ in parts for e in events] == fresh[0] and fresh[0]
    assert np.concatenate([p for _, p in parts]).tolist() == fresh[1].tolist()


def test_exponential_and_softmax_are_what_they_say():
    """Within 2^-8 of e^-x, posteriors within 1/200 of the real softmax."""
    assert max(abs(oracle.exp(d) / 2**15 - math.exp(-d / 256)) for d in range(5000)) < 2**-8
    rng = np.random.default_rng(3)
    for _ in range(200):
        mean = rng.integers(-1500, 1500, 12)
        real = np.exp(mean / 256) / np.exp(mean / 256).sum()
        assert np.abs(np.array(oracle.posteriors(mean.tolist())) / ONE - real).max() < 0.005


@pytest.fixture(scope="module")
def chain():
    """Two seconds of sound, a model that detects in it, and what the twins make of it."""
    rng = np.random.default_rng(12)
    t = np.arange(32000) / 16000
    tone = np.sin(2 * np.pi * (300 + 900 * np.abs(np.sin(3 * t))) * t) * (np.sin(5 * t) > 0)
    pcm = np.rint(6000 * tone + rng.normal(0, 30, 32000)).astype(np.int16)
    settings_ = (6, 3000, 12, 3)
    spec = random_spec(5, (24, 24), 6, 5, detector=config(*settings_))
    run = net_oracle.run(spec, frontend_oracle.features(pcm.tolist()))
    events, posteriors = oracle.detect(run.logits, 5, *settings_)
    assert len(events) > 2 and run.spikes > 0
    return spec, pcm, events, posteriors, run.spikes


@pytest.mark.parametrize("chunk", [1, 159, 160, 161, 1000, 32000])
def test_spotter_equals_the_twins_in_a_row_for_any_chunking(chain, chunk):
    spec, pcm, expected, posteriors, spikes = chain
    spotter = runtime.Spotter(runtime.Model(pack(spec)))
    for _ in range(2):  # a fresh one, then after a reset
        events = [e for at in range(0, len(pcm), chunk) for e in spotter.push(pcm[at : at + chunk])]
        assert events_of(events) == expected
        assert (spotter.posterior() * ONE).round().astype(int).tolist() == posteriors[-1]
        assert spotter.counts().spikes == spikes
        spotter.reset()
