# SPDX-License-Identifier: Apache-2.0
"""Half an hour of a room: people who talk of other things, now and then a command, noise under all
of it; `edge-lp listen` hears it, and a picture shows what was said and what was made of it.

    python tools/half_hour.py MODEL --speech DIR --words DIR [--noise DIR] --out PNG

Each recording of --speech is heard once, in an order that --seed draws, until --minutes are full.
Between two of them, every --every seconds or so, somebody says a command, a clip of WORDS/WORD/*;
if the model has a wake word, that comes first. All are equally loud. The stream is the same for the
same folders and seed; --sound keeps it.

Counted as everywhere (edge_lp.measure.stream): a hit is the word said, within half a second; a
detection of a word that a recording's text has there is real, not false. With a wake word, what is
said without it is not to be detected.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from edge_lp.audio.files import read_file
from edge_lp.errors import EdgeLpError
from edge_lp.measure.clips import recordings, walk
from edge_lp.measure.embed import LOUD, LOUDEST, embed
from edge_lp.measure.intervals import poisson, wilson
from edge_lp.measure.stream import Detection, Row, Said, match, words_of_text
from edge_lp.measure.streams import long_recordings
from edge_lp.measure.transcripts import text_of
from edge_lp.model.find import read_model
from edge_lp.runtime import FRAME_SECONDS, SAMPLE_RATE, Model

PAUSE = (0.4, 2.0)  # seconds between two recordings
ROWS = 6  # of the picture
GREEN, RED, BLUE, GREY = "#2a7d2a", "#c02020", "#2060c0", "0.55"


@dataclass
class Stream:
    """pcm: (n,) int16; said: what should be detected, and what texts have; speech: (start, end) of
    each recording, seconds."""

    pcm: np.ndarray
    said: list[Said]
    speech: list[tuple[float, float]]


def compose(
    keywords: list[str],
    wake_words: int,
    speech: list[Path],
    clips: dict[str, list[Path]],
    noise: list[Path],
    minutes: float,
    every: float,
    seed: int,
) -> Stream:
    """The stream. EdgeLpError: not so much speech, or no clips of a wake word or of commands."""
    rng = np.random.default_rng(seed)
    wake = [w for w in keywords[:wake_words] if clips.get(w)]
    commands = [w for w in keywords[wake_words:] if clips.get(w)]
    if not (commands or wake) or (wake_words and not wake):
        raise EdgeLpError(f"no clips of {', '.join(keywords[: wake_words or None])} in --words")
    parts: list[np.ndarray] = []
    said: list[Said] = []
    spans: list[tuple[float, float]] = []
    at, due, size = 0, every * rng.uniform(0.5, 1.5), round(60 * minutes * SAMPLE_RATE)

    def add(pcm: np.ndarray) -> float:
        nonlocal at
        start = at / SAMPLE_RATE
        parts.append(pcm)
        at += len(pcm)
        return start

    for i in rng.permutation(len(speech)):
        if at >= size:
            break
        add(np.zeros(int(rng.uniform(*PAUSE) * SAMPLE_RATE)))
        if at / SAMPLE_RATE > due:
            asked = [str(rng.choice(x)) for x in (wake, commands) if x]
            files = [(w, clips[w][int(rng.integers(len(clips[w])))]) for w in asked]
            pcm, there = embed([(w, _read(p)) for w, p in files], rng)
            start = add(pcm.astype(np.float64))
            said += [replace(s, start=s.start + start, end=s.end + start) for s in there]
            due = at / SAMPLE_RATE + every * rng.uniform(0.5, 1.5)
        pcm = _loud(_read(speech[i]))
        start = add(pcm)
        spans.append((start, at / SAMPLE_RATE))
        texts = words_of_text(text_of(speech[i]) or "", len(pcm) / SAMPLE_RATE, keywords)
        said += [replace(s, start=s.start + start, end=s.end + start) for s in texts]
    if at < size:
        raise EdgeLpError(
            f"--speech has {at / SAMPLE_RATE / 60:.1f} minutes with its pauses, expected "
            f"{minutes:g}; give more or ask for fewer --minutes"
        )
    return Stream(_under(np.concatenate(parts), noise, rng), said, spans)


def _read(path: Path) -> np.ndarray:
    return read_file(path, note=lambda line: None)


def _loud(pcm: np.ndarray) -> np.ndarray:
    """As loud as the words are: its loudest 50 ms."""
    x = pcm.astype(np.float64)
    power = np.convolve(x**2, np.ones(LOUDEST) / LOUDEST, "same")
    return x * LOUD / max(1.0, np.sqrt(power.max()))


def _under(x: np.ndarray, noise: list[Path], rng: np.random.Generator) -> np.ndarray:
    """With recordings of noise, one after the other, 20 dB below the loudest 50 ms; int16."""
    at = 0
    while noise and at < len(x):
        n = _read(noise[int(rng.integers(len(noise)))]).astype(np.float64)[: len(x) - at]
        x[at : at + len(n)] += n * LOUD / 10 / max(1.0, n.std())
        at += len(n)
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def listen(model: str, wav: Path) -> list[Detection]:
    """What `edge-lp listen` says."""
    command = [sys.executable, "-m", "edge_lp", "listen", "--model", model, "--device", str(wav)]
    run = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    if run.returncode:
        raise EdgeLpError(run.stderr.strip())
    return [Detection(**json.loads(line)) for line in run.stdout.splitlines()]


def counts(rows: list[Row], seconds: float) -> dict[str, Any]:
    """What the picture shows, in numbers, with 95 % intervals."""
    hits, missed = sum(r.hit for r in rows), sum(r.missed for r in rows)
    false, hours = sum(r.false for r in rows), seconds / 3600
    low, high = wilson(missed, hits + missed)
    return {
        "minutes": round(seconds / 60, 2),
        "said": hits + missed,
        "hits": hits,
        "missed": missed,
        "missed_percent": [round(100 * p, 1) for p in (missed / max(1, hits + missed), low, high)],
        "false": false,
        "false_per_hour": [round(n / hours, 1) for n in (false, *poisson(false))],
        "real": sum(r.real for r in rows),
        "false_words": dict(Counter(r.heard.keyword for r in rows if r.false and r.heard)),
        "missed_words": dict(Counter(r.said.word for r in rows if r.missed and r.said)),
    }


def draw(stream: Stream, rows: list[Row], model: Model, title: str, path: Path) -> None:
    """Time line in rows: sound in grey, speech underlined; above, what was said; below, what was
    detected."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    seconds = len(stream.pcm) / SAMPLE_RATE
    span = seconds / ROWS
    figure, axes = pyplot.subplots(ROWS, 1, figsize=(15, 1.75 * ROWS), layout="constrained")
    hop = SAMPLE_RATE // 10
    x = np.abs(stream.pcm[: len(stream.pcm) // hop * hop].astype(float)).reshape(-1, hop)
    level = x.max(axis=1) / 32768
    t = (np.arange(len(level)) + 0.5) * hop / SAMPLE_RATE
    wake = model.detector.wake_words
    for i, ax in enumerate(axes):
        ax.fill_between(t, -level, level, color="0.75", linewidth=0)
        for a, b in stream.speech:
            ax.plot([a, b], [-0.55, -0.55], color="0.5", linewidth=2, solid_capstyle="butt")
        for k, r in enumerate(r for r in rows if i * span <= _at(r) < (i + 1) * span):
            opened = model.detector.wake * FRAME_SECONDS
            _mark(ax, r, model.keywords[:wake], opened, lower=k % 2 == 1)
        ax.set(xlim=(i * span, (i + 1) * span), ylim=(-1.3, 1.3), yticks=[])
        ax.spines[["top", "right", "left"]].set_visible(False)
        ticks = np.arange(np.ceil(i * span / 30), (i + 1) * span / 30 + 1e-9) * 30
        ax.set_xticks(ticks, [f"{s // 60:.0f}:{s % 60:02.0f}" for s in ticks], fontsize=8)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def _at(r: Row) -> float:
    return r.said.middle if r.said else r.heard.t if r.heard else 0.0


def _mark(ax: Any, r: Row, wake: list[str], opened: float, lower: bool) -> None:
    if r.said and not r.said.real:
        colour = GREEN if r.hit else RED
        ax.plot([r.said.middle] * 2, [0.1, 0.72], color=colour, linewidth=1)
        text = r.said.word if r.hit else f"{r.said.word} (missed)"
        at = 1.02 if lower else 0.76
        ax.text(r.said.middle, at, text, color=colour, ha="center", fontsize=8, clip_on=True)
    if r.heard:
        colour = GREEN if r.hit else BLUE if r.real else RED
        kind = "" if r.hit else " (real)" if r.real else " (false)"
        ax.plot(r.heard.t, -0.72, "^", color=colour, markersize=6)
        if not r.hit:
            text, at = r.heard.keyword + kind, -1.25 if lower else -1.0
            ax.text(r.heard.t, at, text, color=colour, ha="center", fontsize=8, clip_on=True)
        if r.heard.keyword in wake:
            ax.axvspan(r.heard.t, r.heard.t + opened, color="#ffe9a8", linewidth=0, zorder=0)


def main(arguments: list[str] | None = None) -> int:
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    a.add_argument("model", help="file, run directory or shipped model")
    a.add_argument("--speech", action="append", required=True, help="ordinary speech; repeatable")
    a.add_argument("--words", action="append", required=True, help="folder of WORD/*; repeatable")
    a.add_argument("--noise", help="recordings to lie under all of it, 20 dB below")
    a.add_argument("--minutes", type=float, default=30.0)
    a.add_argument("--every", type=float, default=60.0, help="seconds between commands, about")
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--sound", type=Path, metavar="WAV", help="keep what was heard")
    a.add_argument("--out", type=Path, default=Path("half-hour.png"))
    o = a.parse_args(arguments)
    try:
        model = Model(read_model(o.model))
        clips: dict[str, list[Path]] = {}
        for folder in o.words:
            for clip in walk(folder).clips:
                clips.setdefault(clip.word, []).append(clip.path)
        stream = compose(
            model.keywords, model.detector.wake_words, recordings(o.speech)[0], clips,
            long_recordings(o.noise) if o.noise else [], o.minutes, o.every, o.seed,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            wav = o.sound or Path(folder) / "room.wav"
            soundfile.write(wav, stream.pcm, SAMPLE_RATE)
            rows = match(stream.said, listen(o.model, wav))
    except EdgeLpError as e:
        print(f"half_hour: {e}", file=sys.stderr)
        return 2
    found = counts(rows, len(stream.pcm) / SAMPLE_RATE)
    title = (
        f"{o.model}, {found['minutes']:.0f} minutes: {found['hits']} of {found['said']} words "
        f"found, {found['false']} false events, {found['real']} of words that were really said"
    )
    draw(stream, rows, model, title, o.out)
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
