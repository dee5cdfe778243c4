# SPDX-License-Identifier: Apache-2.0
"""The main job on an embedded example: a synthesised stream of spoken commands, the model's
detections, one picture of it all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp import plots
from edge_lp.files import make_folder, write_file
from edge_lp.measure.stream import MATCH_SECONDS, Row, Said, detections, match
from edge_lp.measure.trace import trace
from edge_lp.model.find import read_model
from edge_lp.runtime import SAMPLE_RATE, Model
from edge_lp.text import plain

OTHERS = ("seven", "house", "marvin", "bird")  # said too; not to be detected
VOICES = (
    ("en-us", 50),
    ("en", 40),
    ("en-gb-scotland", 60),
    ("en-us-nyc", 70),
    ("en-gb-x-rp", 55),
    ("en-029", 30),
)


NOISE_DB = -50.0  # of full scale, under everything


def compose(keywords: list[str], seed: int = 7) -> tuple[np.ndarray, list[Said]]:
    """(n,) int16 at 16 kHz: each keyword once and a few other words, several voices, gaps of 0.7 to
    1.2 s, soft noise.

    MissingDependency: no synthesiser."""
    from edge_lp.audio.synth import say

    rng = np.random.default_rng(seed)
    words = [*keywords, *(w for w in OTHERS if w not in keywords)]
    parts, said, at = [np.zeros(SAMPLE_RATE)], [], 1.0
    for i, k in enumerate(rng.permutation(len(words))):
        voice, pitch = VOICES[i % len(VOICES)]
        pcm = say(words[k], voice=voice, rate=int(rng.integers(140, 181)), pitch=pitch).astype(
            np.float64
        )
        loud = np.flatnonzero(np.abs(pcm) > 0.02 * np.abs(pcm).max())
        pcm = (
            pcm[loud[0] : loud[-1] + 1]
            * 32768
            * 10 ** (rng.uniform(-14, -6) / 20)
            / np.abs(pcm).max()
        )
        gap = int(rng.uniform(0.7, 1.2) * SAMPLE_RATE)
        said.append(Said(words[k], at, at + len(pcm) / SAMPLE_RATE, voice, words[k] in keywords))
        parts += [pcm, np.zeros(gap)]
        at += (len(pcm) + gap) / SAMPLE_RATE
    clean = np.concatenate(parts)
    white = rng.normal(size=len(clean))
    noise = np.convolve(white, 0.8 ** np.arange(32), "same")  # a gentle slope, like a room's
    noise *= 32768 * 10 ** (NOISE_DB / 20) / noise.std()
    return np.clip(np.rint(clean + noise), -32768, 32767).astype(np.int16), said


def run(model: str, out: str | Path) -> tuple[list[Row], list[Path]]:
    """Composes, listens, draws. Returns the rows of the table and the files written (demo.wav,
    demo.png)."""
    import soundfile

    data = read_model(model)
    opened, out = Model(data), make_folder(out)
    pcm, said = compose(opened.keywords)
    wav = io.BytesIO()
    soundfile.write(wav, pcm, SAMPLE_RATE, subtype="PCM_16", format="WAV")
    heard = trace(data, pcm)
    files = [
        write_file(out / "demo.wav", wav.getvalue()),
        plots.stream(pcm, heard, said, out / "demo.png"),
    ]
    return match(said, detections(heard.events, opened.labels)), files


def table(rows: list[Row]) -> list[Any]:
    """The rows for a reader, and a line that counts them."""
    from rich.table import Table
    from rich.text import Text

    t = Table(box=None, padding=(0, 2, 0, 0))
    for column, right in (
        ("said", False),
        ("at", True),
        ("voice", False),
        ("detected", False),
        ("at", True),
        ("score", True),
        ("", False),
    ):
        t.add_column(column, justify="right" if right else "left")
    for r in rows:
        said: tuple[Any, ...] = ("", "", "")
        heard = ("", "", "")
        if r.said:
            word = Text(plain(r.said.word), "" if r.said.keyword else "dim")
            said = word, f"{r.said.middle:.2f} s", r.said.voice
        if r.heard:
            heard = plain(r.heard.keyword), f"{r.heard.t:.2f} s", f"{r.heard.score:.2f}"
        verdicts = [Text("✓", "green")] * r.hit
        verdicts += [Text("missed", "red")] * r.missed + [Text("false", "red")] * r.false
        t.add_row(*said, *heard, Text(", ").join(verdicts))
    hits = sum(r.hit for r in rows)
    return [
        t,
        f"{hits} of {hits + sum(r.missed for r in rows)} keywords detected within {MATCH_SECONDS} "
        f"s of where they were said, {sum(r.false for r in rows)} false detections",
    ]
