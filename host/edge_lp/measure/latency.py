# SPDX-License-Identifier: Apache-2.0
"""From the end of a word to its event, stage by stage, on streams of clips.

A word lasts as measure.embed says: its 50 ms have 5 % of the loudest ones' power or more. Behind
its end come

    window  until the candidate's frame, in which the posterior is best: windows that average over
            the word are fullest some time behind it (or before its end: then this is negative);
    hold    for which no better guess may come, or the candidate is replaced (lp_detect.c); it ends
            with a decision;
    block   until the samples of the deciding frame are handed over, which are cut into blocks.

What a microphone's buffers add lies before all this and is the machine's: `listen` shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.audio.blocks import LIVE_BLOCK
from edge_lp.errors import EdgeLpError
from edge_lp.measure.calibrate import ungated
from edge_lp.measure.chain import Chain, Progress, on_all_cores, quiet
from edge_lp.measure.stream import Said, detections, match
from edge_lp.measure.streams import Cache, Words, positives
from edge_lp.model.spec import DetectorConfig
from edge_lp.model.tune import tuned
from edge_lp.runtime import FRAME_SECONDS, SAMPLE_RATE, Detector, Event, Model
from edge_lp.text import Notice, notice, plain

STAGES = ("window", "hold", "block")
SHARES = (10, 50, 90, 99)  # percent of the words, up to which a distribution is told


@dataclass(frozen=True)
class Decided:
    """An event and the frame whose logits decided it, `hold` or more behind the event's own."""

    event: Event
    frame: int


@dataclass(frozen=True)
class Latency:
    """asked: words in the streams. words: of each that was hit, its keyword. stages: (hits, 3) the
    seconds of each of STAGES."""

    config: DetectorConfig
    block: int
    asked: int
    words: list[str]
    stages: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """(hits,) seconds from a word's end to its event."""
        return self.stages.sum(axis=1)


def decisions(detector: Detector, logits: np.ndarray) -> list[Decided]:
    """(frames, labels) -> the events, each with the frame in which it came."""
    return [Decided(e, i) for i in range(len(logits)) for e in detector.push(logits[i : i + 1])[0]]


def stages(said: Said, d: Decided, block: int) -> tuple[float, float, float]:
    """The seconds of each of STAGES, for blocks of so many samples that begin with the stream."""
    candidate, decided = ((f + 1) * FRAME_SECONDS for f in (d.event.frame, d.frame))
    samples = round(decided * SAMPLE_RATE)
    handed = -(-samples // block) * block / SAMPLE_RATE
    return candidate - said.end, decided - candidate, handed - decided


def latency(
    data: bytes,
    folders: Sequence[str | Path],
    tuning: dict[str, Any],
    noise: str | Path | None = None,
    snr: float = 20.0,
    each: int = 100,
    block: int = LIVE_BLOCK,
    progress: Progress = quiet,
    note: Notice = notice,
) -> Latency:
    """An .lpb model with its detector as model.tune.tuned changes it, without its gate, on the same
    streams as measure.calibrate. block: in samples. AudioError: no clips; EdgeLpError: not a word
    is hit, and what tuned raises."""
    model = Model(data)
    config = ungated(tuned(model.detector, model.keywords, **tuning))
    chain, cache = Chain(model), Cache.of(data)
    halves = positives(folders, model.keywords, noise, snr, each, note)
    streams = [*halves[0], *halves[1]]

    def one(stream: Words) -> tuple[int, list[tuple[str, tuple[float, float, float]]]]:
        r = cache.logits(chain, stream)
        found = decisions(Detector(len(model.labels), model.n_keywords, config), r.logits)
        heard = detections((d.event for d in found), model.labels)
        by_heard = dict(zip(map(id, heard), found))
        hits = [x for x in match(r.said, heard) if x.hit and x.said]
        return len(r.said), [
            (x.said.word, stages(x.said, by_heard[id(x.heard)], block)) for x in hits if x.said
        ]

    done = list(progress(on_all_cores(one, streams), len(streams)))
    rows = [row for _, found in done for row in found]
    if not rows:
        raise EdgeLpError("no word of these clips is detected: there is no latency to measure")
    words, seconds = zip(*rows)
    return Latency(config, block, sum(n for n, _ in done), list(words), np.array(seconds))


def _distribution(seconds: np.ndarray) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(seconds, p)), 3) for p in SHARES}


def json(x: Latency) -> dict[str, Any]:
    """Seconds."""
    keywords = list(dict.fromkeys(x.words))
    return {
        "words": x.asked,
        "hits": len(x.words),
        "block": x.block / SAMPLE_RATE,
        "windows": [w * FRAME_SECONDS for w in x.config.windows],
        "hold": x.config.hold * FRAME_SECONDS,
        "stride": x.config.stride * FRAME_SECONDS,
        "latency": _distribution(x.total),
        "stages": {s: _distribution(x.stages[:, i]) for i, s in enumerate(STAGES)},
        "keywords": {
            w: _distribution(x.total[[k for k, word in enumerate(x.words) if word == w]])
            for w in sorted(keywords)
        },
    }


def tables(x: Latency) -> list[Any]:
    """For a reader."""
    from rich.table import Table

    t = Table(box=None, padding=(0, 2, 0, 0))
    t.add_column("")
    for p in SHARES:
        t.add_column(f"{p} %", justify="right")
    found = json(x)
    rows = {**found["stages"], "all": found["latency"]}
    for name, d in rows.items():
        t.add_row(name, *(f"{v:.2f}" for v in d.values()), style="bold" if name == "all" else "")
    t.add_section()
    for word, d in found["keywords"].items():
        t.add_row(plain(word), *(f"{v:.2f}" for v in d.values()), style="dim")
    windows = ", ".join(f"{w:g}" for w in found["windows"])
    return [
        f"{found['hits']} of {found['words']} words hit; windows {windows} s, hold "
        f"{found['hold']:g} s, a decision every {found['stride']:g} s, blocks of "
        f"{1000 * found['block']:g} ms",
        "seconds from a word's end to its event; in so many percent of the hits, at most",
        t,
    ]
