# SPDX-License-Identifier: Apache-2.0
"""Why a recording was, or was not, detected: each layer beside its float reference, and for every
frame which gate of the detector said no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from edge_lp.measure.clips import SILENCE, UNKNOWN
from edge_lp.measure.trace import Trace, trace
from edge_lp.model.format import unpack
from edge_lp.model.reference import ReferenceNet
from edge_lp.model.spec import I_IN, DetectorConfig
from edge_lp.runtime import FRAME_SECONDS, SAMPLE_RATE
from edge_lp.text import plain

# What the detector makes of a frame (SPEC.md, "Detector"); the best label is the greatest posterior
EVENT = "detected"
CANDIDATE = "candidate"  # the best guess so far; must stay unbeaten for `hold` frames
HELD = "held"  # a candidate waits, and this frame does not beat it
BELOW = "below threshold"
OTHER = "not a keyword"
ASLEEP = "no wake word before it"
REFRACTORY = "refractory"  # too soon after an event
BEHIND = {EVENT: REFRACTORY, CANDIDATE: HELD}  # what a decision's gate is until the next decision


@dataclass(frozen=True)
class Explanation:
    """trace: of the spiking net; reference: the same weights in float arithmetic, (frames, n) of
    each hidden layer; reference_logits: (frames, labels); nmse: of each hidden layer, of the units
    that move by more than one spike can say (its square over 12, as of any rounding); gates: what
    the detector made of each frame."""

    trace: Trace
    reference: list[np.ndarray]
    reference_logits: np.ndarray
    nmse: list[float]
    gates: list[str]

    @property
    def decision(self) -> str:
        """As evaluate decides on a clip: the greatest mean logit of its first second."""
        frames = self.trace.logits[: SAMPLE_RATE // 160 - 2]
        return self.trace.labels[int(frames.sum(axis=0).argmax())]


def nmse(reference: np.ndarray, decoded: np.ndarray, least: float = 1e-6) -> float:
    """Normalised error as Nair & Indiveri define it (eq. 7), 1 = perfect: 1 - sum (ref - y)^2 / sum
    (ref - mean)^2 over time, averaged over the units whose reference moves: its variance is above
    `least`. Their code leaves out units that hardly move, too, for one of them spoils the mean."""
    error = ((reference - decoded) ** 2).sum(axis=0)
    spread = ((reference - reference.mean(axis=0)) ** 2).sum(axis=0)
    moves = spread > least * len(reference)
    return float((1 - error[moves] / spread[moves]).mean()) if moves.any() else float("nan")


def gates(posteriors: np.ndarray, n_keywords: int, c: DetectorConfig) -> list[str]:
    """(frames, labels) posteriors 0..1 -> what the detector made of each frame; of one between two
    decisions, what the first of them left. The frames that it calls detected are those in which the
    runtime reports an event (tests hold that)."""
    x = c.integers(n_keywords)
    p = np.rint(np.asarray(posteriors) * 32767).astype(int)
    found: list[str] = []
    free, awake, candidate, score, wakes, woken = 0, 0, -1, 0, False, False
    for t, row in enumerate(p):
        if (t + 1) % x.stride:
            found.append(BEHIND.get(found[-1], found[-1]) if found else BELOW)
            continue
        best = int(row.argmax())
        if t < free and not (woken and best >= x.wake_words):
            gate = REFRACTORY
        elif best >= n_keywords:
            gate = OTHER
        elif x.wake_words and best >= x.wake_words and t >= awake:
            gate = ASLEEP
        elif row[best] < x.thresholds[best]:
            gate = BELOW
        elif candidate < 0 or row[best] > score:
            gate, candidate, score, wakes = CANDIDATE, t, int(row[best]), best < x.wake_words
        else:
            gate = HELD
        if candidate >= 0 and gate != CANDIDATE:
            gate = HELD
        if candidate >= 0 and t - candidate >= x.hold:
            gate, candidate, free, woken = EVENT, -1, t + x.refractory + 1, wakes
            awake = t + x.wake + 1 if wakes else awake
        found.append(gate)
    return found


def explain(data: bytes, pcm: np.ndarray) -> Explanation:
    """.lpb bytes and a recording, (n,) int16 at 16 kHz; behind it come zeros, until its last word
    is decided."""
    spec = unpack(data)
    c = spec.detector
    tail = round(c.tail * FRAME_SECONDS * SAMPLE_RATE)
    t = trace(data, np.concatenate([pcm, np.zeros(tail, np.int16)]))
    net = ReferenceNet.from_spec(spec)
    states = [layer[0] for layer in net.states(t.features[None])]
    ends = np.cumsum([0, *t.layers])
    decoded = [t.decoded[:, a:b] for a, b in zip(ends, ends[1:])]
    spike = I_IN * 64 * spec.feedback / (spec.ceiling + 1)  # what one stands for, at once
    return Explanation(
        t,
        states,
        net(t.features[None])[0],
        [nmse(r, d, spike**2 / 12) for r, d in zip(states, decoded)],
        gates(t.posteriors, t.n_keywords, c),
    )


@dataclass(frozen=True)
class Stretch:
    """Frames first..last with the same best label and the same gate. posterior: its greatest."""

    first: int
    last: int
    label: str
    posterior: float
    threshold: float | None
    gate: str


def stretches(e: Explanation, c: Sequence[float]) -> list[Stretch]:
    """c: the thresholds, one a keyword or one for all."""
    best = e.trace.posteriors.argmax(axis=1)
    found, at = [], 0
    for (label, gate), group in groupby(zip(best.tolist(), e.gates)):
        n = len(list(group))
        keyword = label < e.trace.n_keywords
        found.append(
            Stretch(
                at,
                at + n - 1,
                e.trace.labels[label],
                float(e.trace.posteriors[at : at + n, label].max()),
                float(c[label if len(c) > 1 else 0]) if keyword else None,
                gate,
            )
        )
        at += n
    return found


def verdict(e: Explanation) -> str:
    """One line: what was detected; or how near the nearest keyword came, and what said no."""
    if e.trace.events:
        return "detected: " + ", ".join(
            f"{e.trace.labels[x.label]} at {x.middle * FRAME_SECONDS:.2f} s ({x.score:.3f})"
            for x in e.trace.events
        )
    keywords = e.trace.posteriors[:, : e.trace.n_keywords]
    t, label = np.unravel_index(int(keywords.argmax()), keywords.shape)
    thresholds = e.trace.thresholds
    gate, best = e.gates[t], e.trace.labels[int(e.trace.posteriors[t].argmax())]
    because = {
        BELOW: f"below its threshold of {thresholds[label if len(thresholds) > 1 else 0]:.3f}",
        OTHER: f"{best.strip('_')} was more likely",
    }.get(gate, gate)
    return (
        f"nothing detected; nearest: {e.trace.labels[label]}, {keywords[t, label]:.3f} at "
        f"{(t + 1) * FRAME_SECONDS:.2f} s: {because}"
    )


def json(e: Explanation) -> dict[str, Any]:
    t = e.trace
    return {
        "decision": e.decision,
        "events": [
            {"t": round(x.middle * FRAME_SECONDS, 2), "keyword": t.labels[x.label]}
            | {"score": round(x.score, 4)}
            for x in t.events
        ],
        "verdict": verdict(e),
        "nmse": [None if np.isnan(x) else round(x, 4) for x in e.nmse],
        "spikes": [int(x.sum()) for x in np.split(t.spikes, np.cumsum(t.layers)[:-1], axis=1)],
        "stretches": [
            {
                "from_frame": s.first,
                "to_frame": s.last,
                "best": s.label,
                "posterior": round(s.posterior, 4),
                "threshold": s.threshold,
                "gate": s.gate,
            }
            for s in stretches(e, t.thresholds)
        ],
    }


def tables(e: Explanation) -> list[Any]:
    """For a reader."""
    from rich.table import Table

    t = Table(box=None, padding=(0, 2, 0, 0))
    for column, right in (
        ("from", True),
        ("to", True),
        ("best", False),
        ("posterior", True),
        ("threshold", True),
        ("", False),
    ):
        t.add_column(column, justify="right" if right else "left")
    for s in stretches(e, e.trace.thresholds):
        dim = s.label in (*SILENCE, *UNKNOWN)
        t.add_row(
            f"{s.first * FRAME_SECONDS:.2f} s",
            f"{(s.last + 1) * FRAME_SECONDS:.2f} s",
            plain(s.label),
            f"{s.posterior:.3f}",
            "" if s.threshold is None else f"{s.threshold:.3f}",
            s.gate,
            style="dim" if dim else "bold" if s.gate == EVENT else None,
        )
    layers = ", ".join("–" if np.isnan(x) else f"{x:.3f}" for x in e.nmse)
    return [
        plain(verdict(e)),
        f"as a clip (evaluate): {plain(e.decision)}",
        t,
        f"spiking against float, NMSE by layer (1 is perfect; units that move): {layers}",
    ]
