# SPDX-License-Identifier: Apache-2.0
"""Words one after another: how many are found when so much time lies between them.

    python tools/in_a_row.py --words WORDS --noise DIR "now=commands12" "longer=other.lpb"

A drawn word of WORDS/WORD/*, cut to where it is loud, every --gaps seconds, all equally loud, noise
20 dB below; each model hears them with its own detector. Long windows hear less in ordinary speech,
and also less of words that follow each other: this shows the price. Counted as everywhere
(edge_lp.measure.stream); of a model with a wake word, its commands without the gate. Prints a table
in Markdown. The same words and noise for every model and gap, by --seed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from edge_lp.audio.files import read_file
from edge_lp.errors import EdgeLpError
from edge_lp.measure.calibrate import ungated
from edge_lp.measure.clips import recordings, walk
from edge_lp.measure.embed import embed
from edge_lp.measure.stream import Detection, Said, match
from edge_lp.model.find import read_model
from edge_lp.runtime import FRAME_SECONDS, SAMPLE_RATE, Model, Spotter

GAPS = (3.0, 1.0, 0.5, 0.2)
EDGE = 0.025  # seconds around a word


def cut(word: str, pcm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The word alone, as loud as every other."""
    loud, (said,) = embed([(word, pcm)], rng)
    first, last = ((t * SAMPLE_RATE) for t in (said.start - EDGE, said.end + EDGE))
    return loud[max(0, int(first)) : int(last)]


def found(model: Model, pcm: np.ndarray, said: list[Said]) -> tuple[int, int]:
    """Words that are hit, and false detections."""
    events = Spotter(model, config=ungated(model.detector)).push(pcm)
    heard = [
        Detection(t=e.middle * FRAME_SECONDS, keyword=model.keywords[e.label], score=e.score)
        for e in events
    ]
    rows = match(said, heard)
    return sum(r.hit for r in rows), sum(r.false for r in rows)


def main(arguments: list[str] | None = None) -> int:
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    a.add_argument("models", nargs="+", metavar="NAME=MODEL")
    a.add_argument("--words", type=Path, required=True, help="folder of WORD/*")
    a.add_argument("--noise", type=Path, help="a recording or a folder: its first lies below")
    a.add_argument("--gaps", type=float, nargs="+", default=GAPS, help="seconds between words")
    a.add_argument("--count", type=int, default=300, help="words.  [default: 300]")
    a.add_argument("--seed", type=int, default=7)
    o = a.parse_args(arguments)
    try:
        named = [text.partition("=") for text in o.models]
        models = [(n, Model(read_model(m or n))) for n, _, m in named]
        rng = np.random.default_rng(o.seed)
        keywords = models[0][1].keywords
        clips: dict[str, list[Path]] = {}
        for clip in walk(o.words).clips:
            if clip.word in keywords:
                clips.setdefault(clip.word, []).append(clip.path)
        if not clips:
            raise EdgeLpError(f"{o.words}: no folder of any of {', '.join(keywords)}")
        drawn = [str(rng.choice(list(clips))) for _ in range(o.count)]
        paths = [(w, clips[w][int(rng.integers(len(clips[w])))]) for w in drawn]
        words = [(w, cut(w, read_file(p), rng)) for w, p in paths]
        noise = read_file(recordings([o.noise])[0][0]) if o.noise else None
        print(f"of {o.count} words found (false)" + "".join(f" | {g:g} s" for g in o.gaps))
        print("|".join(["---"] * (1 + len(o.gaps))))
        streams = [embed(words, rng, noise, gap=(gap, gap)) for gap in o.gaps]
        for name, model in models:
            cells = ["{} ({})".format(*found(model, *s)) for s in streams]
            print(" | ".join([name, *cells]))
    except (EdgeLpError, OSError) as e:
        print(f"in_a_row: {e}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
