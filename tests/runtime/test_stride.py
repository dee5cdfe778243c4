# SPDX-License-Identifier: Apache-2.0
"""A detector that decides every so many frames."""

from dataclasses import replace

import numpy as np
import pytest
from detector_cases import as_twin, config, random_logits
from edge_lp import runtime
from edge_lp.audio.files import read_file
from edge_lp.model.find import read_model
from paths import SHARED
from twins import detector as twin


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_a_stride_hears_every_so_many_frames_and_nothing_between(stride):
    """The last frame of each `stride` decides; whatever the others say, posteriors, events and open
    frames are those of the decided frames in a row, at their own times."""
    rng = np.random.default_rng(stride)
    c = config((12, 24, 60), (16000, 12000, 14000, 8000), 24, 7, 12, 1, 60, stride)
    logits = random_logits(rng, 1203, 5, 2000)
    taken = logits[stride - 1 :: stride]
    every = replace(
        c, windows=tuple(w // stride for w in c.windows), refractory=24 // stride,
        latency=0, hold=12 // stride, wake=60 // stride, stride=1,
    )  # fmt: skip
    one, d = runtime.Detector(5, 4, every), runtime.Detector(5, 4, c)
    events, left = [], 0
    for t, row in enumerate(logits):
        found, posterior = d.push(row)
        if (t + 1) % stride:
            assert found == [] and d.awake() == left
            continue
        expected, same = one.push(taken[t // stride])
        assert posterior.tolist() == same.tolist()
        left = d.awake()
        assert left == stride * one.awake()
        events += found
        assert [(e.frame + 1, e.label, e.score, e.wake) for e in found] == [
            ((e.frame + 1) * stride, e.label, e.score, e.wake) for e in expected
        ]
        assert all(e.middle == max(0, e.frame - 7) for e in found)
    assert len({e.wake for e in events}) == 2 and len(events) > 5
    assert as_twin(events) == twin.detect(logits.tolist(), 4, c)[0]


def test_times_that_are_no_multiple_of_the_stride():
    """They are of real frames: what lies within them counts, a hold ends with the first decision
    that is so late."""
    logits = np.tile(np.array([4000, 0], np.int32), (40, 1))
    for refractory, hold, frames in (
        (0, 0, [3, 7, 11, 15, 19, 23, 27, 31, 35, 39]),
        (3, 0, [3, 7, 11, 15, 19, 23, 27, 31, 35, 39]),
        (4, 0, [3, 11, 19, 27, 35]),
        (7, 0, [3, 11, 19, 27, 35]),
        (8, 0, [3, 15, 27, 39]),
        (0, 1, [3, 11, 19, 27]),  # the last ones' hold is over behind the end
        (0, 4, [3, 11, 19, 27]),
        (4, 5, [3, 19]),
    ):
        c = config(4, 20000, refractory, 0, hold, 0, 0, 4)
        events, _ = runtime.Detector(2, 1, c).push(logits)
        assert [e.frame for e in events][: len(frames)] == frames, (refractory, hold)
        assert as_twin(events) == twin.detect(logits.tolist(), 1, c)[0]


def test_a_new_configuration_and_a_reset_begin_the_stride_anew():
    """Frames go on being counted from the last reset; what was skipped is of before."""
    c = config(4, 20000, 0, 0, 0, 0, 0, 4)
    loud = np.tile(np.array([4000, 0], np.int32), (40, 1))
    for again, first in (
        (lambda d: d.reset(), 3),
        (lambda d: d.configure(replace(c, windows=(3,), stride=3)), 10 + 2),
        (lambda d: d.configure(replace(c, windows=(8,))), 10 + 3),
        (lambda d: d.configure(replace(c, refractory=5)), 11),  # nothing is forgotten
    ):
        d = runtime.Detector(2, 1, replace(c, windows=(8,)))
        d.configure(c)
        assert len(d.push(loud[:10])[0]) == 2
        again(d)
        events, posteriors = d.push(loud[:8])
        assert events[0].frame == first
        before = 0 if first != 11 else 1
        assert (posteriors[0].max() > 0) == before


@pytest.fixture(scope="module")
def spoken():
    """PCM of a wake word and a command behind it, twelve times, and the net's logits of it."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("no recordings in ../shared")
    wake = sorted((folder / "wake_words" / "testing" / "computer").iterdir())
    said = [
        sorted((folder / "speech_commands" / "testing" / word).glob("*.flac"))[0]
        for word in ("stop", "left", "yes", "go", "down", "right", "no", "up", "on", "off") * 2
    ]
    clips = [read_file(p) for pair in zip(wake, said) for p in pair][:24]
    pause = np.zeros(4000, np.int16)
    pcm = np.concatenate([np.concatenate([pause, clip]) for clip in clips])
    model = runtime.Model(read_model("computer"))
    return model, pcm, runtime.Net(model).push(runtime.Frontend().push(pcm))


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_recorded_wake_words_and_commands_are_the_twin_s(spoken, stride):
    model, pcm, logits = spoken
    c = replace(model.detector, windows=(20, 44, 88), hold=3, stride=stride)
    expected, posteriors = twin.detect(logits.tolist(), model.n_keywords, c)
    spotter = runtime.Spotter(model, config=c)
    assert as_twin(spotter.push(pcm)) == expected
    assert (spotter.posterior() * 32767).round().astype(int).tolist() == posteriors[-1]
    assert sum(e.wake for e in expected) > 6 and sum(not e.wake for e in expected) > 4
