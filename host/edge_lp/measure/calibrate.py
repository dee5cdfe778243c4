# SPDX-License-Identifier: Apache-2.0
"""Thresholds from measurement: misses against false events, chosen on one half of the speakers and
reported on the other; and, so that all hours say something, each half at what the other chose.

The net runs once over each stream (measure.streams); its logits then meet the C detector at each
threshold of a grid. That gives every keyword a curve of misses and false events. Thresholds are
taken from the curves of the half that chooses: those that minimise misses + lambda x false events,
keyword by keyword, for the lambda at which the sum meets the target. Then the model with these
thresholds, as it will be written, hears both halves.

A model with a wake word: the wake words' false events meet the target, the commands' misses theirs,
without the gate; and the report has the gate too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.errors import AudioError, EdgeLpError
from edge_lp.measure.chain import Chain, Progress, on_all_cores, quiet
from edge_lp.measure.clips import reasons
from edge_lp.measure.stream import Detection, Tally, detections, match, tally
from edge_lp.measure.streams import Cache, Recorded, Speech, Words, negatives, positives
from edge_lp.model.format import pack, unpack
from edge_lp.model.spec import THRESHOLD_ONE, DetectorConfig
from edge_lp.runtime import Detector, Model
from edge_lp.text import Notice, notice

# posteriors .38 to .9998, as a model file can hold them
GRID = np.round(THRESHOLD_ONE / (1 + np.exp(-np.linspace(-0.5, 8.5, 55)))) / THRESHOLD_ONE
LAMBDAS = np.geomspace(1e3, 1e-4, 141)  # misses that one false event is worth
PRIOR = 10  # words of each keyword that behave like the average


@dataclass(frozen=True)
class Target:
    """false_per_hour: at most; missed: share of the words, instead (None: not). Of a model with a
    wake word both count, the first for wake words, the second for commands."""

    false_per_hour: float = 1.0
    missed: float | None = None

    @classmethod
    def of(cls, false_per_hour: float | None, missed_percent: float | None) -> Target:
        """What a person gave; None: nothing."""
        return cls(
            1.0 if false_per_hour is None else false_per_hour,
            None if missed_percent is None else missed_percent / 100,
        )


@dataclass(frozen=True)
class FalseEvent:
    """A false event, for a person to listen to."""

    path: Path
    heard: Detection


@dataclass
class Half:
    """What one half of the speakers gave. words, speech: a tally for each threshold of the grid,
    without a gate; words_at (without), speech_at (with): at the chosen thresholds."""

    words: list[Tally]
    speech: list[Tally]
    words_at: Tally
    speech_at: Tally

    @classmethod
    def zero(cls, n: int) -> Half:
        none = Tally.zero(n)
        return cls([none] * len(GRID), [none] * len(GRID), none, none)


@dataclass
class Calibration:
    """chosen: the half whose speakers chose the thresholds; reported: the other. thresholds: one a
    keyword. worst: the false events of both halves with the greatest scores. crosswise: words
    (without a gate) and speech (with it) of all speakers, each half of them at the thresholds that
    the other half chose (two-fold cross-validation). as_is: the same at the model's own."""

    keywords: list[str]
    wake_words: int
    thresholds: list[float]
    target: Target
    chosen: Half
    reported: Half
    worst: list[FalseEvent]
    crosswise: tuple[Tally, Tally]
    as_is: tuple[Tally, Tally]

    @property
    def both(self) -> Half:
        """The curves of all speakers."""
        a, b = self.chosen, self.reported
        return Half(
            [x + y for x, y in zip(a.words, b.words)],
            [x + y for x, y in zip(a.speech, b.speech)],
            a.words_at + b.words_at,
            a.speech_at + b.speech_at,
        )


def with_thresholds(config: DetectorConfig, thresholds: Sequence[float]) -> DetectorConfig:
    """The same detector with one threshold for each keyword, or one for all."""
    return replace(config, thresholds=tuple(thresholds))


def ungated(config: DetectorConfig) -> DetectorConfig:
    """The same detector without its wake word's gate: every keyword always counts."""
    return replace(config, wake_words=0, wake=0)


@dataclass
class _Bench:
    """A model, its chain and its cache: hears a stream with any detector."""

    model: Model
    chain: Chain
    cache: Cache

    def recorded(self, stream: Speech | Words) -> Recorded:
        return self.cache.logits(self.chain, stream)

    def detector(self, config: DetectorConfig) -> Detector:
        return Detector(len(self.model.labels), self.model.n_keywords, config)

    def heard(self, r: Recorded, config: DetectorConfig) -> list[Detection]:
        return detections(self.detector(config).push(r.logits)[0], self.model.labels)

    def sweep(self, stream: Speech | Words) -> list[Tally]:
        """A tally for each threshold of the grid. Above the greatest posterior of the stream there
        is nothing to hear."""
        r, keywords = self.recorded(stream), self.model.keywords
        config = ungated(self.model.detector)
        posteriors = self.detector(config).push(r.logits)[1][:, : len(keywords)]
        peak = posteriors.max(initial=0) / THRESHOLD_ONE
        nothing = tally(r.said, [], keywords, r.seconds)
        return [
            tally(r.said, self.heard(r, with_thresholds(config, [t])), keywords, r.seconds)
            if t <= peak + 1e-4
            else nothing
            for t in GRID
        ]

    def once(
        self, stream: Speech | Words, config: DetectorConfig
    ) -> tuple[Tally, list[FalseEvent]]:
        """A tally with one detector, and the false events of ordinary speech."""
        r = self.recorded(stream)
        heard, false = self.heard(r, config), []
        if isinstance(stream, Speech):
            rows = match(r.said, heard)
            false = [FalseEvent(stream.path, row.heard) for row in rows if row.false and row.heard]
        return tally(r.said, heard, self.model.keywords, r.seconds), false


def _curves(tallies: Sequence[Tally], column: str) -> np.ndarray:
    """(thresholds, keywords)"""
    return np.array([getattr(t, column) for t in tallies], float)


def cheapest(missed: np.ndarray, false: np.ndarray, price: float) -> np.ndarray:
    """(thresholds, keywords) misses and false events -> for each keyword the index of its threshold
    with the least missed + price x false; of several equal ones the middle one."""
    cost = missed + price * false
    best = np.isclose(cost, cost.min(axis=0), rtol=0, atol=1e-9)
    return np.array([np.flatnonzero(b)[np.count_nonzero(b) // 2] for b in best.T])


def shrunk(missed: np.ndarray, false: np.ndarray, asked: np.ndarray) -> tuple[Any, Any]:
    """(thresholds, keywords) misses and false events, each keyword's curve moved towards that of
    all keywords as if PRIOR more of its words had behaved like the average: few clips of a word
    say little about its own best threshold."""
    own = PRIOR / (PRIOR + asked)
    rate, pooled = missed / np.maximum(1, asked), missed.sum(axis=1) / max(1, asked.sum())
    weight = np.where(asked > 0, asked, max(1.0, asked.mean()))
    return (
        weight * ((1 - own) * rate + own * pooled[:, None]),
        (1 - own) * false + own * false.mean(axis=1)[:, None],
    )


def choose(
    words: Sequence[Tally], speech: Sequence[Tally], keywords: Sequence[int], target: Target
) -> np.ndarray:
    """Indices into the grid for some keywords (given by index): as near to the target as a price of
    a false event brings them, on the side that keeps it, if any does."""
    pick = list(keywords)
    missed, false = _curves(words, "missed")[:, pick], _curves(speech, "false")[:, pick]
    asked, hours = words[0].asked[pick], speech[0].hours
    smooth, each = shrunk(missed, false, asked), range(len(pick))
    best = cheapest(*smooth, LAMBDAS[0])
    for price in LAMBDAS:  # falling: fewer misses, more false events
        index = cheapest(*smooth, price)
        if target.missed is None and false[index, each].sum() > target.false_per_hour * hours:
            break
        best = index
        if target.missed is not None and missed[index, each].sum() <= target.missed * asked.sum():
            break
    return best


def calibrate(
    data: bytes,
    positive: Sequence[str | Path],
    negative: Sequence[str | Path],
    noise: str | Path | None = None,
    snr: float = 20.0,
    target: Target = Target(),
    each: int = 100,
    worst: int = 20,
    progress: Progress = quiet,
    note: Notice = notice,
) -> Calibration:
    """Measures an .lpb model. positive: folders of words; negative: folders of ordinary speech;
    noise: recordings to lie under the words, snr dB below. AudioError: see positives, negatives;
    EdgeLpError: too few speakers to halve. Speech that cannot be read is skipped, with a notice."""
    model = Model(data)
    if not model.keywords:
        raise EdgeLpError("the model has no keywords: nothing to calibrate")
    words = positives(positive, model.keywords, noise, snr, each, note)
    speech = negatives(negative, note)
    if not all((*words, *speech)):
        raise EdgeLpError(
            "too few speakers to choose thresholds on one half of them and to report on the other; "
            "give at least two, of words and of speech"
        )
    material: list[tuple[int, Words | Speech]] = []
    for half in (0, 1):
        material += [*((half, s) for s in words[half]), *((half, s) for s in speech[half])]
    bench = _Bench(model, Chain(model), Cache.of(data))
    halves, material, skipped = _sweep(bench, material, progress)
    if not all(h.speech[0].seconds for h in halves):
        raise EdgeLpError(
            f"of one half of the speakers no speech can be read: {reasons(skipped)}; give more"
        )
    if skipped:
        note(f"note: skipped {reasons(skipped)}")
    thresholds, others = (GRID[_choice(half, model, target)].tolist() for half in halves)
    crosswise, as_is, found = _hear(bench, material, halves, (thresholds, others), progress)
    worst_ones = sorted(found, key=lambda f: -f.heard.score)[:worst]
    return Calibration(
        model.keywords, model.detector.wake_words, thresholds, target, *halves, worst_ones,
        crosswise, as_is,
    )  # fmt: skip


def _sweep(
    bench: _Bench, material: Sequence[tuple[int, Words | Speech]], progress: Progress
) -> tuple[tuple[Half, Half], list[tuple[int, Words | Speech]], list[tuple[Path, str]]]:
    """Everything at every threshold, of which only sums are kept; what of it could be read; and
    which speech could not, and why: one bad file must not cost the hours before it."""
    halves = Half.zero(bench.model.n_keywords), Half.zero(bench.model.n_keywords)
    read: list[tuple[int, Words | Speech]] = []
    skipped: list[tuple[Path, str]] = []

    def task(job: tuple[int, Words | Speech]) -> list[Tally] | str:
        stream = job[1]
        try:
            return bench.sweep(stream)
        except AudioError as e:
            if isinstance(stream, Words):
                raise
            return str(e).removeprefix(f"{stream.path}: ")

    for (half, stream), row in zip(material, progress(on_all_cores(task, material), len(material))):
        if isinstance(row, str):
            if isinstance(stream, Speech):
                skipped.append((stream.path, row))
            continue
        h, name = halves[half], "words" if isinstance(stream, Words) else "speech"
        setattr(h, name, [a + b for a, b in zip(getattr(h, name), row)])
        read.append((half, stream))
    return halves, read, skipped


def _choice(half: Half, model: Model, target: Target) -> np.ndarray:
    wake, index = model.detector.wake_words, np.zeros(model.n_keywords, int)
    for keywords, aim in (
        (range(wake), Target(target.false_per_hour)),
        (range(wake, model.n_keywords), target),
    ):
        if keywords:
            index[list(keywords)] = choose(half.words, half.speech, keywords, aim)
    return index


def _hear(
    bench: _Bench,
    material: Sequence[tuple[int, Words | Speech]],
    halves: tuple[Half, Half],
    thresholds: tuple[Sequence[float], Sequence[float]],
    progress: Progress,
) -> tuple[tuple[Tally, Tally], tuple[Tally, Tally], list[FalseEvent]]:
    """Everything with the first half's thresholds, into the halves; the first half's material with
    the second half's, too; and everything with the model's own. Returns words and speech crosswise
    and with the model's thresholds, and the false events with the first half's."""
    own, as_it_is = bench.model.detector, 2
    gated = [*(with_thresholds(own, t) for t in thresholds), own]  # by whose thresholds
    jobs = [
        (by, half, stream) for by in (0, 1, 2) for half, stream in material if by != 1 or not half
    ]
    none = Tally.zero(bench.model.n_keywords)
    across, as_is = [none, none], [none, none]  # words, speech
    found: list[FalseEvent] = []

    def task(job: tuple[int, int, Words | Speech]) -> tuple[Tally, list[FalseEvent]]:
        by, _, stream = job
        return bench.once(stream, ungated(gated[by]) if isinstance(stream, Words) else gated[by])

    done = on_all_cores(task, jobs)
    for (by, half, stream), (counts, false) in zip(jobs, progress(done, len(jobs))):
        speech = isinstance(stream, Speech)
        if by == as_it_is:
            as_is[speech] += counts
        elif by != half:
            across[speech] += counts
        if by == 0:
            name = "speech_at" if speech else "words_at"
            setattr(halves[half], name, getattr(halves[half], name) + counts)
            found += false
    return (across[0], across[1]), (as_is[0], as_is[1]), found


def calibrated(data: bytes, c: Calibration) -> bytes:
    """.lpb bytes with the thresholds, and in the provenance what they rest on. ModelError: no
    model."""
    spec = unpack(data)
    r = c.reported
    missed, asked = int(r.words_at.missed.sum()), int(r.words_at.asked.sum())
    text = (
        f"{missed} of {asked} words missed, {int(r.speech_at.false.sum())} false events in "
        f"{r.speech_at.hours:.2f} h of speech by others than chose the thresholds"
    )
    detector = with_thresholds(spec.detector, c.thresholds)
    return pack(
        replace(spec, detector=detector, provenance={**spec.provenance, "calibrated": text})
    )
