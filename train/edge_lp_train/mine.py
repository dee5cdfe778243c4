# SPDX-License-Identifier: Apache-2.0
"""Hard negatives: the places of the training speech in which a net is nearest to hearing what
nobody said. The next stage hears them again and again, each time in other noise, while most of the
hours have nothing left to teach (regional hard-example mining, Hou et al., ICASSP 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
from edge_lp.runtime import HOP

from edge_lp_train.check import CHUNK, MAX_SPEECH, REFRACTORY, Infer, features, frame_scores, pieces
from edge_lp_train.presets import TrainConfig

EACH = 3  # places of a piece of CHUNK, at most
PLACES = 300


def hard_places(
    speech: Sequence[np.ndarray], config: TrainConfig, infer: Infer
) -> list[tuple[int, int]]:
    """(recording, sample): the ends of the PLACES stretches with the greatest scores for a wake
    word, the greatest first. Of the speech so much is heard as a check does."""
    x = features(islice(pieces(speech, CHUNK), MAX_SPEECH // CHUNK))
    if not len(x):
        return []
    wake = slice(len(config.wake))
    found = []
    for i, s in enumerate(frame_scores(infer(x), config.windows)[..., wake].max(axis=2)):
        for _ in range(EACH):
            t = int(s.argmax())
            found.append((float(s[t]), i * CHUNK + (t + 1) * HOP))
            s[max(0, t - REFRACTORY) : t + REFRACTORY] = -np.inf
    ends = np.cumsum([len(r) for r in speech])
    places = [at for _, at in sorted(found, reverse=True)[:PLACES]]
    which = np.searchsorted(ends, places)
    return [(int(r), int(at - ends[r] + len(speech[r]))) for r, at in zip(which, places)]
