# SPDX-License-Identifier: Apache-2.0
"""Clips and phrases spoken by the voices at hand: keywords without recordings, more speakers for
those with few, words that nearly are one, and many that are none of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import soxr
from edge_lp.audio.synth import trimmed
from edge_lp.errors import EdgeLpError, MissingDependency
from edge_lp.runtime import SAMPLE_RATE
from rich.progress import track

from edge_lp_train.engines import Voice, voices
from edge_lp_train.files import cache, keep, log, read_arrays
from edge_lp_train.negatives import near, others, sounds
from edge_lp_train.presets import TrainConfig

# Common short words and near misses of the commands; a keyword of the run is left out.
OTHERS = (
    "about after again ago all also and any are ask back bad be best big black blue book both boy "
    "but by call came can car come cold could "
    "cut dark day did dinner do done door down each east easy eat end even every eye face far "
    "fast feet few find fire first fish food for "
    "friend from full game gave get girl give glass gold gone good got great green grow had half "
    "hand hard has head hear heat help her here "
    "high him his hold home hot hour how ice if in inch is it job just keep key kind king know "
    "lamp land large last late learn leave let "
    "lift light like line list little live long look lost love low made make man many may me mean "
    "men milk mind miss money more most moth "
    "move much music must name near need never new next nice night nod nope north not note "
    "nothing now of oh old once one only open or other "
    "our out over own page part people phone pick place plan play please point pop put quick "
    "quite rain ran read ready real red rest ride "
    "rise road rock room round run said same sat saw say school sea see seek self sell send set "
    "she ship shop short should show shut side "
    "sing sit sleep slow small snow so some song soon sound south spot stack staff stall star "
    "start stay step still stock stone story strong "
    "such sun sure swap table take talk tall tell ten than that the them then there these they "
    "thing think this time tip to top tough town "
    "toy tree try turn under upper us use very voice wait walk wall want warm was wash watch "
    "water way we week well went west what when "
    "where white who why wide will wind wish with woman word work world write year yell yep "
    "yesterday yet you young your computer kitchen "
    "window telephone hello thank sorry maybe tomorrow morning evening weather "
    "commute commuter compute computed compare compose compass compact company complete computing "
    "tutor pewter neuter scooter router shooter suitor disputed reputed recruiter polluter future "
    "pure curious human music student union humour tuna beauty duty deputy "
    "another together remember number summer butter letter water better matter "
    "canoe cucumber contribute distributor community opportunity customer comfort "
    "alexa jarvis siri robot monitor speaker television radio button"
).split()

VERSION = 2  # of what is below and of negatives.py: another one is spoken anew
# Texts for each clip of a keyword
NEAR, OTHER, PHRASES = 2, 5, 2.5
HELD_OUT = 0.2  # as many again, by other voices, to validate
PHRASE_WORDS = 6
NEAR_IN_PHRASE = 0.5  # of the phrases have a near miss in them
PACE = (0.8, 1.3)
TRACT = (0.85, 1.2)  # by which all frequencies rise: other vocal tracts, other pitches
LEVEL = (-26.0, -1.0)  # dB of full scale, peak


@dataclass
class Spoken:
    """clips: (n,) int16 of at most a second, words: what each is; speech: phrases of other words,
    spoken in one go, of any length."""

    words: list[str]
    clips: list[np.ndarray]
    speech: list[np.ndarray]


def speak(config: TrainConfig) -> tuple[Spoken, Spoken]:
    """config.synth_clips clips of each word that is to be said (config.said, else of each keyword),
    twice as many that nearly are it, five times as
    many of other words, phrases; and a fifth as much by voices that are kept aside. The same for
    the same configuration and engines, so they are kept in the cache. MissingDependency: nothing
    can speak."""
    try:
        found, missing = voices()
    except MissingDependency as e:
        raise MissingDependency(f"{e}; or train without synthesised voices: --synth 0") from None
    count = {v.engine: 0 for v in found}
    for v in found:
        count[v.engine] += 1
    log.print(
        f"voices: {', '.join(f'{e} {n}' for e, n in count.items())}"
        + (f"; not installed: {', '.join(missing)}" if missing else ""),
        markup=False,
        soft_wrap=True,
    )
    words = _said(config)
    if silent := [w for w, s in zip(words, sounds([text_of(w) for w in words])) if not s]:
        raise EdgeLpError(f"{', '.join(silent)}: nothing that can be spoken; expected words")
    sets = [v for v in found if not v.held_out], [v for v in found if v.held_out]
    sizes = config.synth_clips, max(1, round(HELD_OUT * config.synth_clips))
    return _kept(config, sets[0], sizes[0], 0), _kept(config, sets[1], sizes[1], 1)


def _kept(config: TrainConfig, some: Sequence[Voice], n: int, which: int) -> Spoken:
    """From the cache, or spoken and kept there."""
    of = (VERSION, config.words, _said(config), config.seed, n, which, [v.name for v in some])
    kept = cache("spoken", repr(of))
    try:
        f = read_arrays(kept, ("words", "samples", "lengths"))
        pieces = np.split(f["samples"], np.cumsum(f["lengths"])[:-1])
        words = [str(w) for w in f["words"]]
        return Spoken(words, pieces[: len(words)], pieces[len(words) :])
    except EdgeLpError:
        pass  # it is not there, or damaged
    said = _speak(config, some, n, which)
    pieces = said.clips + said.speech
    keep(kept, {
        "words": np.array(said.words),
        "samples": np.concatenate(pieces),
        "lengths": np.array([len(x) for x in pieces]),
    })  # fmt: skip
    return said


def _speak(config: TrainConfig, some: Sequence[Voice], n: int, which: int) -> Spoken:
    rng = np.random.default_rng([config.seed, which])
    keywords = [text_of(w) for w in config.words]
    rest = others(keywords, OTHERS)
    texts = [(w, text_of(w)) for w in _said(config) for _ in range(n)]
    misses: list[str] = []
    for word in _said(config):
        made = near(text_of(word), keywords, rest, config.seed)
        texts += [(t, t) for t in rng.choice(made, NEAR * n if made else 0).tolist()]
        misses += made
    texts += [(w, w) for w in rng.choice(rest, OTHER * n).tolist()]
    phrases = [("", _phrase(rest, misses, rng)) for _ in range(round(PHRASES * n))]
    draw = _Draw(some, config.seed, which)
    with ThreadPoolExecutor() as pool:
        work = pool.map(draw, range(len(texts) + len(phrases)), texts + phrases)
        said = list(track(work, "speaking", len(texts) + len(phrases), console=log,
                          disable=not log.is_terminal))  # fmt: skip
    clips = [_second(x) for x in said[: len(texts)]]
    kept = [(w, c) for (w, _), c in zip(texts, clips) if c.any()]
    return Spoken([w for w, _ in kept], [c for _, c in kept], said[len(texts) :])


def _said(config: TrainConfig) -> tuple[str, ...]:
    return config.said or config.words


def _phrase(vocabulary: list[str], misses: list[str], rng: np.random.Generator) -> str:
    words = rng.choice(vocabulary, PHRASE_WORDS).tolist()
    if misses and rng.random() < NEAR_IN_PHRASE:
        words[int(rng.integers(len(words)))] = str(rng.choice(misses))
    return " ".join(words)


def text_of(word: str) -> str:
    """What is spoken for a keyword: folders may have _ for a space."""
    return word.replace("_", " ").strip()


class _Draw:
    """Text number i by a voice, at a pace and a pitch that its number draws."""

    def __init__(self, some: Sequence[Voice], seed: int, which: int) -> None:
        self.seed = [seed, which]
        self.voices = {True: [v for v in some if v.phonetic], False: list(some)}

    def __call__(self, i: int, text: tuple[str, str]) -> np.ndarray:
        rng = np.random.default_rng([*self.seed, i])
        some = self.voices["[[" in text[1]]
        engines = {v.engine: v.share for v in some}
        p = np.array(list(engines.values()))
        engine = rng.choice(list(engines), p=p / p.sum())
        mine = [v for v in some if v.engine == engine]
        voice = mine[int(rng.integers(len(mine)))]
        tract = float(np.exp(rng.uniform(*np.log(TRACT))))
        pace, pitch = float(np.exp(rng.uniform(*np.log(PACE)))), float(rng.random())
        x = trimmed(voice.say(text[1], pace / tract, pitch)).astype(np.float32)
        if text[0] and len(x) > tract * SAMPLE_RATE:  # a slow speaker: the same one, hurried
            pace *= 1.05 * len(x) / (tract * SAMPLE_RATE)
            x = trimmed(voice.say(text[1], pace / tract, pitch)).astype(np.float32)
        if not len(x):
            return np.zeros(0, np.int16)
        x = soxr.resample(x, SAMPLE_RATE * tract, SAMPLE_RATE)
        level = 10 ** (rng.uniform(*LEVEL) / 20) / max(1.0, float(np.abs(x).max()))
        return np.rint(x * level * 32767).astype(np.int16)


def _second(x: np.ndarray) -> np.ndarray:
    """The word in the middle of a second; what is longer is cut at its end."""
    x = x[:SAMPLE_RATE]
    free = SAMPLE_RATE - len(x)
    return np.pad(x, (free // 2, free - free // 2))
