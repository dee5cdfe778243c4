# SPDX-License-Identifier: Apache-2.0
"""A calibration in words and numbers: detection error trade-off (misses against false events an
hour), by keyword and overall, with what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge_lp.measure.calibrate import GRID, Calibration, Half
from edge_lp.measure.intervals import poisson, wilson
from edge_lp.measure.stream import Tally
from edge_lp.text import plain

MISSED = (0.15, 0.2, 0.25, 0.3, 0.4)  # shares of words at which a curve is read


def per_hour(events: int, hours: float) -> dict[str, Any]:
    """Events an hour; each bound holds with 95 %."""
    low, high = poisson(events)
    return {
        "events": events,
        "per_hour": round(events / hours, 2),
        "from": round(low / hours, 2),
        "to": round(high / hours, 2),
    }


def share_missed(missed: int, asked: int) -> dict[str, Any]:
    """Misses in percent with their Wilson interval; of nothing asked, None."""
    low, high = wilson(missed, asked)
    percent = round(100 * missed / asked, 1) if asked else None
    return {
        "missed": missed,
        "asked": asked,
        "percent": percent,
        "ci95": [round(100 * low, 1), round(100 * high, 1)],
    }


def _at(words: Tally, speech: Tally, keywords: Sequence[int]) -> dict[str, Any]:
    pick = list(keywords)
    return {
        **share_missed(int(words.missed[pick].sum()), int(words.asked[pick].sum())),
        "wrong_among_words": int(words.false[pick].sum()),
        "false": per_hour(int(speech.false[pick].sum()), speech.hours),
        "real": {
            "detected": int(speech.real[pick].sum()),
            "said": int(speech.real_said[pick].sum()),
        },
    }


def curve(half: Half, keywords: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """(thresholds,) misses and (thresholds,) false events of some keywords, with one threshold for
    all."""
    pick = list(keywords)
    return (
        np.array([int(t.missed[pick].sum()) for t in half.words]),
        np.array([int(t.false[pick].sum()) for t in half.speech]),
    )


def false_at(half: Half, keywords: Sequence[int], share: float) -> dict[str, Any] | None:
    """False events at the highest common threshold that misses at most a share of the words. None:
    even the lowest one misses more."""
    missed, false = curve(half, keywords)
    asked = int(half.words[0].asked[list(keywords)].sum())
    reached = np.flatnonzero(missed <= share * asked)
    if not asked or not len(reached):
        return None
    i = int(reached[-1])
    return {
        "missed_percent": round(100 * int(missed[i]) / asked, 1),
        "threshold": round(float(GRID[i]), 4),
        **per_hour(int(false[i]), half.speech[0].hours),
    }


def groups(c: Calibration) -> dict[str, range]:
    """What is summed up: all keywords, or wake words and commands."""
    n, wake = len(c.keywords), c.wake_words
    return {"wake words": range(wake), "commands": range(wake, n)} if wake else {"all": range(n)}


def json(c: Calibration) -> dict[str, Any]:
    def half(h: Half) -> dict[str, Any]:
        return {
            "speech_hours": round(h.speech_at.hours, 4),
            "words": int(h.words_at.asked.sum()),
            "at_thresholds": {
                **{name: _at(h.words_at, h.speech_at, keys) for name, keys in groups(c).items()},
                **{w: _at(h.words_at, h.speech_at, [i]) for i, w in enumerate(c.keywords)},
            },
            "one_threshold_for_all": [
                {
                    "threshold": round(float(t), 5),
                    **{
                        name: {"missed": int(m[i]), "false": int(f[i])}
                        for name, (m, f) in curves.items()
                    },
                }
                for curves in [{name: curve(h, keys) for name, keys in groups(c).items()}]
                for i, t in enumerate(GRID)
            ],
        }

    return {
        "thresholds": dict(zip(c.keywords, (round(t, 5) for t in c.thresholds))),
        "target": {"false_per_hour": c.target.false_per_hour, "missed": c.target.missed},
        "reported": half(c.reported),
        "crosswise": {
            "speech_hours": round(c.crosswise[1].hours, 4),
            "words": int(c.crosswise[0].asked.sum()),
            **{name: _at(*c.crosswise, keys) for name, keys in groups(c).items()},
        },
        "as_is": {name: _at(*c.as_is, keys) for name, keys in groups(c).items()},
        "chosen_on": half(c.chosen),
        "worst": [
            {"file": str(f.path), "t": round(f.heard.t, 2), "word": f.heard.keyword}
            | {"score": round(f.heard.score, 4)}
            for f in c.worst
        ],
    }


def tables(c: Calibration) -> list[Any]:
    """For a reader: the report, the trade-off, what to listen to."""
    r, a = c.reported, c.chosen
    said = int(r.speech_at.real_said.sum())
    words, speech = c.crosswise
    rows: dict[str, Sequence[int]] = {plain(w): [i] for i, w in enumerate(c.keywords)}
    rows |= groups(c)
    return [
        f"thresholds chosen on {a.speech_at.hours:.2f} h of speech and {a.words_at.asked.sum()} "
        f"words; reported here: {r.speech_at.hours:.2f} h and {r.words_at.asked.sum()} words of "
        "other speakers",
        _report("with the chosen thresholds", c, r.words_at, r.speech_at, rows),
        f"in brackets: 95 % intervals; 0 events in {r.speech_at.hours:.2f} h mean at most "
        f"{3 / r.speech_at.hours:.2g} an hour. {said} keywords are in the texts of this speech; "
        "detecting them is real, not false",
        _report(
            f"crosswise: all {speech.hours:.2f} h and {words.asked.sum()} words, each half of the "
            "speakers at the thresholds that the other half chose", c, words, speech, groups(c),
        ),
        _report("the same with the model's own thresholds", c, *c.as_is, groups(c)),
        _trade(c),
        *([_listen(c)] if c.worst else []),
    ]  # fmt: skip


def _table(title: str, *columns: str) -> Any:
    from rich.table import Table

    t = Table(box=None, padding=(0, 2, 0, 0), title=title, title_justify="left", title_style="dim")
    for i, column in enumerate(columns):
        t.add_column(column, justify="right" if i else "left")
    return t


def _report(
    title: str, c: Calibration, words: Tally, speech: Tally, rows: Mapping[str, Sequence[int]]
) -> Any:
    """A row for each group of keywords; thresholds where they are all of one keyword."""
    single = len(rows) > len(groups(c))
    head = ["", *(["threshold"] if single else []), "missed, %", "of"]
    t = _table(title, *head, "false events an hour", "events", "real")
    for name, keywords in rows.items():
        x = _at(words, speech, keywords)
        low, high = x["ci95"]
        f, at = x["false"], f"{c.thresholds[keywords[0]]:.3f}" if len(keywords) == 1 else ""
        missed = "-" if x["percent"] is None else f"{x['percent']:.1f} [{low:.0f} to {high:.0f}]"
        t.add_row(
            name,
            *([at] if single else []),
            missed,
            str(x["asked"]),
            f"{f['per_hour']:.1f} [{f['from']:.1f} to {f['to']:.1f}]",
            str(f["events"]),
            f"{x['real']['detected']} of {x['real']['said']}",
        )
    return t


def _trade(c: Calibration) -> Any:
    t = _table(
        f"false events an hour with one threshold for all, in all {c.both.speech_at.hours:.2f} h",
        "missed, at most",
        *(f"{100 * share:.0f} %" for share in MISSED),
    )
    for name, keywords in groups(c).items():
        cells = []
        for share in MISSED:
            f = false_at(c.both, keywords, share)
            cells.append(f"{f['per_hour']:.1f} (at {f['threshold']:.3f})" if f else "-")
        t.add_row(name, *cells)
    return t


def _listen(c: Calibration) -> Any:
    t = _table("worst false events, both halves", "word", "score", "at", "file")
    t.columns[3].justify = "left"
    for f in c.worst:
        at = f"{int(f.heard.t // 60)}:{f.heard.t % 60:05.2f}"
        t.add_row(plain(f.heard.keyword), f"{f.heard.score:.3f}", at, plain(f.path))
    return t
