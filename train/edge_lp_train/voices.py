# SPDX-License-Identifier: Apache-2.0
"""Synthesised voices for training: more speakers for thin keywords, and many words that are none of
them."""

from __future__ import annotations

import numpy as np
from edge_lp.errors import MissingDependency
from rich.progress import track

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
    "window telephone hello thank sorry maybe tomorrow morning evening weather"
).split()


PHRASE_WORDS = 6


def synthesise(config: TrainConfig) -> tuple[list[str], list[np.ndarray], list[np.ndarray]]:
    """config.synth_clips clips of each keyword and ten times as many of other words: words, int16
    one-second clips. And five times as many phrases of other words, spoken in one go, of any
    length."""
    from edge_lp.audio.synth import command_clips, say, voices

    others = [w for w in OTHERS if w not in config.words]
    wanted = [
        (config.words, config.synth_clips * len(config.words)),
        (others, config.synth_clips * 10),
    ]
    words, clips = [], []
    try:
        for k, (vocabulary, n) in enumerate(wanted):
            for word, clip in track(
                command_clips(list(vocabulary), n, seed=config.seed + k),
                description="speaking",
                total=n,
            ):
                words.append(word)
                clips.append(clip)
    except MissingDependency as e:
        raise MissingDependency(f"{e}; or train without synthesised voices: --synth 0") from None
    rng = np.random.default_rng(config.seed)
    known = voices()
    phrases = []
    for _ in track(range(5 * config.synth_clips), description="speaking"):
        voice, variant = known[int(rng.integers(len(known)))]
        text = " ".join(rng.choice(others, PHRASE_WORDS))
        phrases.append(
            say(text, voice, int(rng.integers(140, 220)), int(rng.integers(25, 80)), variant)
        )
    return words, clips, phrases
