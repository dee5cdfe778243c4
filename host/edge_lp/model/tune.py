# SPDX-License-Identifier: Apache-2.0
"""A detector's parameters with a person's changes, in a person's units: what `listen` takes for a
while and `tune` writes into a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from edge_lp.errors import EdgeLpError
from edge_lp.model.format import pack, unpack
from edge_lp.model.spec import (
    MAX_WINDOW,
    MAX_WINDOWS,
    THRESHOLD_ONE,
    DetectorConfig,
    ModelSpec,
)
from edge_lp.runtime import FRAME_SECONDS

WAKE_SECONDS = 5.0  # behind a wake word that is new


def tuned(
    c: DetectorConfig,
    keywords: Sequence[str],
    threshold: Sequence[str] = (),
    window: str | None = None,
    refractory: float | None = None,
    hold: float | None = None,
    wake_seconds: float | None = None,
    stride: int | None = None,
) -> DetectorConfig:
    """threshold: "P" for all keywords or "WORD=P" for one, the later ones count; window: seconds,
    up to four separated by commas; stride: in frames; the others in seconds. Longer windows decide
    later: half of what they are longer by, on average, is added to the latency. EdgeLpError: what
    cannot be."""
    if stride is not None:
        c = replace(c, stride=stride)
    if threshold:
        c = replace(c, thresholds=_thresholds(c, keywords, threshold))
    if window is not None:
        windows = _windows(window)
        longer = sum(windows) / len(windows) - sum(c.windows) / len(c.windows)
        c = replace(c, windows=windows, latency=max(0, c.latency + int(longer / 2)))
    if refractory is not None:
        c = replace(c, refractory=_frames("--refractory", refractory, 0, 65535))
    if hold is not None:
        c = replace(c, hold=_frames("--hold", hold, 0, 65535))
    if wake_seconds is not None:
        if not c.wake_words:
            raise EdgeLpError("--wake-seconds: this model has no wake word, all words always count")
        c = replace(c, wake=_frames("--wake-seconds", wake_seconds, 0, 65535))
    if c.stride < 1 or any(w % c.stride for w in c.windows):
        raise EdgeLpError(
            f"--window {_seconds(c.windows)} does not fit --stride {c.stride}: expected multiples "
            f"of {_seconds([c.stride])} s, or --stride 1, which fits any window"
        )
    return c


def _seconds(frames: Iterable[int]) -> str:
    return ",".join(f"{n * FRAME_SECONDS:.2f}" for n in frames)


def arguments(before: DetectorConfig, now: DetectorConfig, keywords: Sequence[str]) -> list[str]:
    """The options with which tuned() makes `now` of `before`, as far as they differ: thresholds to
    four digits, wake words left out."""
    out: list[str] = []
    old, new = (c.integers(len(keywords)) for c in (before, now))
    for word, a, b in zip(keywords, old.thresholds, new.thresholds):
        if a != b:
            out += ["--threshold", f"{word}={b / THRESHOLD_ONE:.4f}".rstrip("0").rstrip(".")]
    if now.windows != before.windows:
        out += ["--window", _seconds(now.windows)]
    if now.stride != before.stride:
        out += ["--stride", str(now.stride)]
    for name in ("refractory", "hold", "wake"):
        if getattr(now, name) != getattr(before, name):
            option = "--wake-seconds" if name == "wake" else f"--{name}"
            out += [option, f"{getattr(now, name) * FRAME_SECONDS:.2f}"]
    return out


def with_wake_words(spec: ModelSpec, words: Sequence[str]) -> ModelSpec:
    """The same net, in which these keywords are the wake words: they come first, so labels, outputs
    and thresholds change their order. The others count for WAKE_SECONDS behind one, or for as long
    as they did. EdgeLpError: a word that is no keyword."""
    keywords = spec.labels[: spec.n_keywords]
    first = [_index(word, keywords, "--wake-word") for word in dict.fromkeys(words)]
    order = first + [i for i in range(len(spec.labels)) if i not in first]
    c, out = spec.detector, spec.layers[-1]
    one = len(c.thresholds) == 1
    thresholds = c.thresholds if one else tuple(c.thresholds[i] for i in order[: spec.n_keywords])
    wake = c.wake or round(WAKE_SECONDS / FRAME_SECONDS)
    outputs = replace(out, w=replace(out.w, codes=out.w.codes[:, order]), bias=out.bias[order])
    return replace(
        spec,
        labels=[spec.labels[i] for i in order],
        layers=[*spec.layers[:-1], outputs],
        detector=replace(c, thresholds=thresholds, wake_words=len(first), wake=wake),
    )


def tune(data: bytes, wake_word: Sequence[str] = (), **changes: Any) -> bytes:
    """.lpb bytes with another detector: wake words, then the arguments of tuned; and that in the
    provenance. ModelError: no model; EdgeLpError: what cannot be."""
    spec = unpack(data)
    if wake_word:
        spec = with_wake_words(spec, wake_word)
    config = tuned(spec.detector, spec.labels[: spec.n_keywords], **changes)
    provenance = {**spec.provenance, "tuned": f"from the model with CRC-32 {data[-4:][::-1].hex()}"}
    return pack(replace(spec, detector=config, provenance=provenance))


def _thresholds(
    c: DetectorConfig, keywords: Sequence[str], given: Sequence[str]
) -> tuple[float, ...]:
    n = len(keywords)
    values = list(c.thresholds) * (n if len(c.thresholds) == 1 else 1)
    for text in given:
        word, equals, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1
        if not 0 <= value <= 1:
            raise EdgeLpError(
                f"--threshold is {text}, expected a posterior between 0 and 1, or WORD=POSTERIOR"
            )
        if equals:
            values[_index(word, keywords, "--threshold")] = value
        else:
            values = [value] * n
    return tuple(values[:1] if len(set(values)) == 1 else values)


def _index(word: str, keywords: Sequence[str], option: str) -> int:
    if word not in keywords:
        raise EdgeLpError(f"{option}: no keyword {word!r}; there is {', '.join(keywords)}")
    return keywords.index(word)


def _windows(text: str) -> tuple[int, ...]:
    try:
        seconds = sorted(float(x) for x in text.split(","))
    except ValueError:
        seconds = []
    if not 1 <= len(seconds) <= MAX_WINDOWS:
        raise EdgeLpError(
            f"--window is {text}, expected 1 to {MAX_WINDOWS} numbers of seconds such as "
            "0.2,0.45,0.9"
        )
    windows = tuple(_frames("--window", s, 1, MAX_WINDOW) for s in seconds)
    if len(set(windows)) < len(windows):
        raise EdgeLpError(f"--window is {text}: one is there twice")
    return windows


def _frames(option: str, seconds: float, least: int, most: int) -> int:
    if not least * FRAME_SECONDS <= seconds <= most * FRAME_SECONDS:
        raise EdgeLpError(
            f"{option} is {seconds:g} s, expected {least * FRAME_SECONDS:g} to "
            f"{most * FRAME_SECONDS:g}"
        )
    return round(seconds / FRAME_SECONDS)
