# SPDX-License-Identifier: Apache-2.0
"""The detector in C against its integer twin, its exponential against the real one, and the whole
chain against the twins in a row."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from detector_cases import ONE, as_twin, config, random_logits, words
from edge_lp import runtime
from edge_lp.binding import ffi, lib
from edge_lp.model.format import pack
from edge_lp.model.spec import DetectorConfig
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import ROOT
from random_model import random_spec
from twins import detector as twin
from twins import frontend as frontend_twin
from twins import net as net_twin

FRAMES = st.sampled_from([0, 1, 9, 17, 65535])
THRESHOLD = st.sampled_from([0, 1, 3000, 16384, 32766, ONE])


@st.composite
def cases(draw):
    """n_labels, n_keywords, and any configuration of them."""
    n_labels = draw(st.sampled_from([1, 2, 3, 4, 6, 12, 12, 64]))
    n_keywords = draw(st.integers(0, n_labels))
    stride = draw(st.sampled_from([1, 1, 2, 3, 4, 8, 50]))
    decisions = st.integers(1, 200 // stride)
    windows = draw(st.lists(decisions, min_size=1, max_size=4, unique=True))
    one_each = draw(st.booleans()) and n_keywords > 0
    n_thresholds = n_keywords if one_each else 1
    thresholds = draw(st.lists(THRESHOLD, min_size=n_thresholds, max_size=n_thresholds))
    wake_words = draw(st.integers(0, min(3, n_keywords)))
    wake = draw(st.sampled_from([0, 1, 25, 65535])) if wake_words else 0
    return (
        n_labels,
        n_keywords,
        config(
            sorted(stride * w for w in windows),
            thresholds,
            draw(FRAMES),
            draw(st.sampled_from([0, 5, 65535])),
            draw(FRAMES),
            wake_words,
            wake,
            stride,
        ),
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), cases(), st.sampled_from([1, 300, 2000, 40000, 2**31]))
def test_equals_the_twin(seed, case, size):
    n_labels, n_keywords, c = case
    logits = random_logits(np.random.default_rng(seed), 120, n_labels, size)
    events, posteriors = runtime.Detector(n_labels, n_keywords, c).push(logits)
    expected, expected_posteriors = twin.detect(logits.tolist(), n_keywords, c)
    assert posteriors.tolist() == expected_posteriors
    assert as_twin(events) == expected


@pytest.mark.parametrize("value", [-(2**31), -32768, -32767, 32767, 2**31 - 1])
@pytest.mark.parametrize("windows", [(1,), (199,), (200,), (1, 2, 199, 200)])
def test_extremes(value, windows):
    """All frames of the longest window at the clip, and four posteriors of 1: the sums and the
    product are the greatest there are."""
    logits = np.full((410, 3), -value if value != -(2**31) else 2**31 - 1, np.int32)
    logits[:, 1] = value
    c = config(windows, 10000, 3, 1)
    events, posteriors = runtime.Detector(3, 3, c).push(logits)
    expected, expected_posteriors = twin.detect(logits.tolist(), 3, c)
    assert posteriors.tolist() == expected_posteriors and as_twin(events) == expected and expected
    assert posteriors.max() == (ONE if value > 0 else ONE // 2)


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


def test_windows_that_disagree_lower_every_posterior():
    """Each window is sure of another label: the geometric mean is sure of none. Renormalised it
    would say half and half."""
    logits = np.zeros((40, 2), np.int32)
    logits[:38, 0], logits[38:, 1] = 2000, 2000
    _, short = runtime.Detector(2, 2, config(2, 0, 0, 0)).push(logits)
    _, long = runtime.Detector(2, 2, config(40, 0, 0, 0)).push(logits)
    _, both = runtime.Detector(2, 2, config((2, 40), 0, 0, 0)).push(logits)
    assert short[-1].argmax() == 1 and long[-1].argmax() == 0 and both[-1].sum() < 0.3 * ONE
    for a, b, c in zip(short[-1].tolist(), long[-1].tolist(), both[-1].tolist()):
        assert c == math.isqrt(a * b)


def test_each_keyword_has_its_own_threshold():
    logits = words(12, (3, 0), (8, 1), loud=600)
    reached = runtime.Detector(4, 3, config(1, 0, 0, 0)).push(logits)[1].max()
    high, low = int(reached) + 1, int(reached)
    for thresholds, heard in (
        ((low, high, low), [0]),
        ((high, low, low), [1]),
        ((low, low, high), [0, 1]),
    ):
        events, _ = runtime.Detector(4, 3, config(1, thresholds, 0, 0)).push(logits)
        assert [e.label for e in events] == heard


def test_the_wake_word_opens_a_window_of_so_many_frames():
    """After the event, frames 1..wake count; a command neither ends the window nor restarts it."""
    said = [(2, 1), (10, 0), (15, 1), (29, 1), (30, 2), (31, 1)]
    d = runtime.Detector(4, 3, config(1, 20000, 0, 0, 0, 1, 20))
    events, _ = d.push(words(40, *said))
    assert [(e.frame, e.label, e.wake) for e in events] == [
        (10, 0, True),
        (15, 1, False),
        (29, 1, False),
        (30, 2, False),
    ]
    d.reset()
    left = []
    for row in words(33, *said):
        d.push(row)
        left.append(d.awake())
    assert left[9:13] == [0, 20, 19, 18] and left[29:33] == [1, 0, 0, 0]


def test_a_command_may_follow_its_wake_word_at_once():
    """The refractory frames of a wake word's event hold back wake words alone; those of a command's
    event hold back everything. It was everything behind each: half a second of every window."""
    d = runtime.Detector(4, 3, config(1, 20000, 10, 0, 0, 1, 40))
    said = [(5, 0), (9, 0), (12, 1), (15, 2), (21, 0), (23, 2), (24, 0), (34, 0), (35, 0)]
    events, posteriors = d.push(words(60, *said))
    assert [(e.frame, e.label) for e in events] == [(5, 0), (12, 1), (23, 2), (34, 0)]
    from edge_lp.measure.explain import EVENT, REFRACTORY, gates

    told = gates(posteriors / 32767, 3, config(1, 20000, 10, 0, 0, 1, 40))
    assert [told[t] for t, _ in said] == [
        *(EVENT, REFRACTORY, EVENT, REFRACTORY, REFRACTORY, EVENT, REFRACTORY, EVENT, REFRACTORY),
    ]


def test_a_command_that_is_held_when_the_refractory_frames_end_is_judged_on():
    d = runtime.Detector(4, 3, config(1, 20000, 4, 0, 6, 1, 40))
    events, _ = d.push(words(60, (2, 0), (10, 1), (30, 2)))  # 0 is an event in 8, quiet to 12
    assert [(e.frame, e.label) for e in events] == [(2, 0), (10, 1), (30, 2)]


def test_another_wake_word_restarts_the_window():
    said = [(5, 0), (20, 0), (38, 1), (41, 1)]
    events, _ = runtime.Detector(4, 3, config(1, 20000, 0, 0, 0, 1, 20)).push(words(50, *said))
    assert [(e.frame, e.label) for e in events] == [(5, 0), (20, 0), (38, 1)]


def test_a_candidate_of_the_last_frame_is_still_an_event_behind_the_window():
    """What counts is the candidate's frame, not that of its event, `hold` frames later; and the
    window opens with the wake word's event."""
    said = [(5, 0), (28, 1), (29, 2)]
    events, _ = runtime.Detector(4, 3, config(1, 20000, 0, 0, 3, 1, 20)).push(words(50, *said))
    assert [(e.frame, e.label) for e in events] == [(5, 0), (28, 1)]
    events, _ = runtime.Detector(4, 3, config(1, 20000, 0, 0, 3, 1, 19)).push(words(50, *said))
    assert [(e.frame, e.label) for e in events] == [(5, 0)]


def test_without_wake_words_everything_counts_and_without_a_window_only_they_do():
    said = words(30, (5, 0), (8, 1), (11, 2), (20, 1))
    for wake_words, wake, heard in ((0, 0, [0, 1, 2, 1]), (1, 0, [0]), (2, 0, [0, 1, 1])):
        events, _ = runtime.Detector(4, 3, config(1, 20000, 0, 0, 0, wake_words, wake)).push(said)
        assert [e.label for e in events] == heard


CONFIGS = [
    config(20, 16000, 30, 10),
    config((5, 20, 45), (9000, 12000, 14000, 8000), 10, 10, 4, 1, 60),
    config((4, 20, 44), (9000, 12000, 14000, 8000), 10, 10, 4, 1, 60, 4),
]


@pytest.mark.parametrize("c", CONFIGS, ids=["1.0", "1.1", "1.2"])
def test_reset_equals_fresh_and_any_split_equals_one_run(c):
    logits = random_logits(np.random.default_rng(8), 300, 5, 2000)
    fresh = runtime.Detector(5, 4, c).push(logits)
    d = runtime.Detector(5, 4, c)
    d.push(logits[50:])
    d.reset()
    parts = [d.push(logits[a:b]) for a, b in ((0, 1), (1, 77), (77, 300))]
    assert [e for events, _ in parts for e in events] == fresh[0] and fresh[0]
    assert np.concatenate([p for _, p in parts]).tolist() == fresh[1].tolist()


def test_the_memory_is_the_configuration_s():
    """Two rows of an int16 a label for each window, and one for each decision of the longest one.
    What does not fit is refused and changes nothing, unless the memory has room; memory need not be
    zeros."""

    def c_of(c):
        return ffi.new("lp_detector_config *", c.integers(10)._asdict())

    def bytes_of(c):
        assert lib.lp_detector_size(12, c_of(c), size) == 0
        return size[0]

    size = ffi.new("size_t *")
    short, long = config((20, 60), 20000, 0, 0), config(90, 20000, 0, 0)
    sizes = [bytes_of(short), bytes_of(long)]
    assert sizes[1] - sizes[0] == (90 + 2 - 60 - 4) * 12 * 2 and sizes[0] < 64 * 12 * 2 + 600
    for c in (config((4, 8, 60), 0, 0, 0), config((4, 8, 12, 100), 0, 0, 0)):
        for stride in (1, 2, 4):
            strided = replace(c, stride=stride)
            rows = 2 * len(c.windows) + c.windows[-1] // stride
            assert strided.rows == rows
            assert bytes_of(strided) - sizes[0] == -(-(rows - 64) * 12 * 2 // 8) * 8
    short, long, many = c_of(short), c_of(long), c_of(config((1, 2, 60), 20000, 0, 0))
    memory = ffi.new("uint64_t[]", [2**64 - 1] * (sizes[1] // 8))
    d, event = ffi.new("lp_detector **"), ffi.new("lp_event *")
    assert lib.lp_detector_init(d, 12, 10, short, memory, sizes[0] - 8) == lib.LP_E_SPACE
    assert lib.lp_detector_init(d, 12, 10, short, memory, sizes[0]) == 0
    assert lib.lp_detector_configure(d[0], long) == lib.LP_E_SPACE
    assert lib.lp_detector_configure(d[0], many) == lib.LP_E_SPACE
    loud = ffi.new("int32_t[12]", [9000])
    found = [lib.lp_detector_push(d[0], loud, event) for _ in range(60)]
    assert sum(found) > 0 and event.frame == 59
    assert lib.lp_detector_init(d, 12, 10, short, memory, sizes[1]) == 0
    for c in (long, many, short):
        assert lib.lp_detector_configure(d[0], c) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"windows": [0, 0, 0, 0]},
        {"windows": [5, 5, 0, 0]},
        {"windows": [9, 5, 0, 0]},
        {"windows": [5, 0, 7, 0]},
        {"windows": [5, 201, 0, 0]},
        {"windows": [0, 5, 0, 0]},
        {"stride": 0},
        {"stride": 2},
        {"stride": 10},
        {"stride": 65535},
        {"thresholds": [0, 0, 32768]},
        {"wake_words": 4},
        {"wake": 1},
    ],
    ids=str,
)
def test_configurations_that_cannot_be(change):
    """By the C, and before it by Python, with the field's name."""
    good = config(5, 0, 0, 0).integers(3)
    bad = good._replace(**change)
    c = ffi.new("lp_detector_config *", good._asdict())
    memory, d = ffi.new("uint64_t[]", 2000), ffi.new("lp_detector **")
    assert lib.lp_detector_init(d, 4, 3, c, memory, 16000) == 0
    c = ffi.new("lp_detector_config *", bad._asdict())
    assert lib.lp_detector_configure(d[0], c) == lib.LP_E_ARG
    with pytest.raises(ValueError, match=next(iter(change)).rstrip("s").replace("_", ".")):
        DetectorConfig.of(bad).integers(3)
    with pytest.raises(ValueError, match="2 detector thresholds, 3 keywords"):
        config(5, (1, 2), 0, 0).integers(3)
    for name in ("refractory", "latency", "hold"):
        for frames in (-1, 65536):
            with pytest.raises(ValueError, match=name):
                replace(config(5, 0, 0, 0), **{name: frames}).integers(3)


def test_worked_examples():
    """SPEC.md, "Detector": the geometric mean, and which frames are open, on twin and C."""
    text = (ROOT / "SPEC.md").read_text(encoding="utf-8")
    section = text[text.index("## Detector\n") : text.index("## Model file\n")]
    worked = re.search(r"```worked\n(.*?)```", section, re.DOTALL)[1].splitlines()
    assert len(worked) == 5
    for line in worked:
        *p, q = (int(x) for x in re.findall(r"\d+", line))
        assert twin.root(math.prod(p), len(p)) == q
    blocks = re.findall(r"```detect\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        n = [int(x) for x in re.findall(r"\d+", block.split("\n")[0])]
        c = config(n[0], n[1:3], *n[3:])
        rows = {row.split()[0]: row.split()[1:] for row in block.splitlines()[1:]}
        said = [(t, int(i)) for t, i in enumerate(rows["leads"]) if i != "-"]
        logits = words(len(rows["frame"]), *said, labels=3)
        assert as_twin(runtime.Detector(3, 2, c).push(logits)[0]) == twin.detect(logits, 2, c)[0]
        d, found = runtime.Detector(3, 2, c), []
        for row in logits:
            events, _ = d.push(row)
            found.append(str(events[0].label) if events else "-")
        assert found == rows["event"]


def test_root():
    """Every power and its neighbours, by another definition."""
    for n in (1, 2, 3, 4):
        for q in [*range(1, 300), *range(300, ONE, 997), ONE]:
            assert twin.root(q**n, n) == q and twin.root(q**n - 1, n) == q - 1


def test_exponential_and_softmax_are_what_they_say():
    """Within 2^-8 of e^-x, posteriors within 1/200 of the real softmax."""
    assert max(abs(twin.exp(d) / 2**15 - math.exp(-d / 256)) for d in range(5000)) < 2**-8
    rng = np.random.default_rng(3)
    for _ in range(200):
        mean = rng.integers(-1500, 1500, 12)
        real = np.exp(mean / 256) / np.exp(mean / 256).sum()
        assert np.abs(np.array(twin.posteriors(mean.tolist())) / ONE - real).max() < 0.005


@pytest.fixture(scope="module", params=["1.0", "1.1", "1.2"])
def chain(request):
    """Two seconds of sound, a model that detects in it, and what the twins make of it."""
    rng = np.random.default_rng(12)
    t = np.arange(32000) / 16000
    tone = np.sin(2 * np.pi * (300 + 900 * np.abs(np.sin(3 * t))) * t) * (np.sin(5 * t) > 0)
    pcm = np.rint(6000 * tone + rng.normal(0, 30, 32000)).astype(np.int16)
    c = config(6, 3000, 12, 3)
    if request.param == "1.1":
        c = config((2, 6, 17), (3000, 4000, 2000, 500, 12000), 12, 3, 1, 5, 50)
    if request.param == "1.2":
        c = config((2, 6, 18), (3000, 4000, 2000, 500, 12000), 12, 3, 1, 5, 50, 2)
    spec = random_spec(5, (24, 24), 6, 5, detector=c)
    run = net_twin.run(spec, frontend_twin.features(pcm.tolist()))
    events, posteriors = twin.detect(run.logits, 5, c)
    assert len(events) > 2 and run.spikes > 0
    return spec, pcm, events, posteriors, run.spikes


@pytest.mark.parametrize("chunk", [1, 159, 160, 161, 1000, 32000])
def test_spotter_equals_the_twins_in_a_row_for_any_chunking(chain, chunk):
    spec, pcm, expected, posteriors, spikes = chain
    spotter = runtime.Spotter(runtime.Model(pack(spec)))
    for _ in range(2):  # a fresh one, then after a reset
        events = [e for at in range(0, len(pcm), chunk) for e in spotter.push(pcm[at : at + chunk])]
        assert as_twin(events) == expected
        assert (spotter.posterior() * ONE).round().astype(int).tolist() == posteriors[-1]
        assert spotter.counts().spikes == spikes
        spotter.reset()


def test_a_spotter_with_another_detector(chain):
    """A longer window than the model's needs more memory, and gets it."""
    spec, pcm, *_ = chain
    c = config((10, 150), 1000, 3, 0)
    other = runtime.Spotter(runtime.Model(pack(replace(spec, detector=c)))).push(pcm)
    assert runtime.Spotter(runtime.Model(pack(spec)), config=c).push(pcm) == other and other


def test_c10_samples_beyond_a_frame_are_not_lost(chain):
    """C10: lp_spotter_hear takes any number of samples; too little room for its events and NULL
    pointers are the caller's mistake, and nothing is taken."""
    spec, pcm, expected, *_ = chain
    model = runtime.Model(pack(spec))
    need = ffi.new("size_t *")
    assert lib.lp_spotter_size(model.c, 0, need) == 0
    memory, s = ffi.new("uint64_t[]", need[0] // 8 + 1), ffi.new("lp_spotter **")
    assert lib.lp_spotter_init(s, model.c, 0, memory, need[0]) == 0
    samples, events = ffi.from_buffer("int16_t[]", pcm), ffi.new("lp_event[]", 4)
    found = []
    for at in range(0, len(pcm), 512):
        assert lib.lp_spotter_hear(s[0], samples + at, 512, events, 3) == lib.LP_E_ARG
        n = min(512, len(pcm) - at)
        found += [
            (e.frame, e.label)
            for e in events[0 : lib.lp_spotter_hear(s[0], samples + at, n, events, 4)]
        ]
    assert found == [(e.frame, e.label) for e in expected]
    used, frames = ffi.new("size_t *"), ffi.new("int *")
    frontend = runtime.Frontend()
    wrong = [
        lib.lp_spotter_push(s[0], samples, 1, ffi.NULL, frames, events),
        lib.lp_spotter_push(s[0], samples, 1, used, ffi.NULL, events),
        lib.lp_spotter_push(s[0], samples, 1, used, frames, ffi.NULL),
        lib.lp_spotter_push(s[0], ffi.NULL, 1, used, frames, events),
        lib.lp_spotter_hear(s[0], ffi.NULL, 1, events, 4),
        lib.lp_spotter_hear(s[0], samples, 1, ffi.NULL, 4),
        lib.lp_frontend_push(frontend._p, samples, 1, ffi.NULL, ffi.NULL),
    ]
    assert wrong == [lib.LP_E_ARG] * len(wrong)
    assert lib.lp_spotter_hear(s[0], ffi.NULL, 0, events, 1) == 0


def test_a_threshold_may_change_while_it_listens():
    """Neither an open wake window nor the means so far are lost with a new threshold; other windows
    or wake words start anew."""
    c = config(4, 20000, 0, 0, 0, 1, 50)
    wake, command = np.array([4000, 0, 0], np.int32), np.array([0, 4000, 0], np.int32)
    for change, kept in (
        ({"thresholds": (0.1, 0.2)}, True),
        ({"refractory": 1, "hold": 1, "latency": 3, "wake": 9}, True),
        ({"windows": (3,)}, False),
        ({"stride": 2}, False),
        ({"wake_words": 0, "wake": 0}, False),
    ):
        d = runtime.Detector(3, 2, c)
        assert [e.wake for e in d.push(np.tile(wake, (4, 1)))[0]][:1] == [True]
        awake = d.awake()
        d.configure(replace(c, **change))
        assert d.awake() == (awake if kept else 0) and awake > 40
        leads = int(d.push(np.tile(command, (change.get("stride", 1), 1)))[1][-1].argmax())
        assert leads == (0 if kept else 1), change  # three of four frames were the wake word's
    with pytest.raises(MemoryError):
        d.configure(config(5, 20000, 0, 0, 0, 1, 50))
