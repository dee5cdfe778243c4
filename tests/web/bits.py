# SPDX-License-Identifier: Apache-2.0
"""What the page has to make out of a recording, by the runtime on this machine."""

from typing import NamedTuple

import numpy as np
from edge_lp.audio.files import read_file
from edge_lp.model.find import read_model
from edge_lp.runtime import FRAME_SECONDS, Frontend, Model, Net, Spotter

TAIL = np.zeros(2 * 16000, np.int16)  # what the page hears behind a recording


class Bits(NamedTuple):
    """Digests of all features and logits; events as the page has them."""

    features: str
    logits: str
    events: list


def digest(values):
    """What app.js computes of all features and logits: sum = 31 sum + x, modulo 2^32, signed."""
    total = 0
    for x in values.ravel().tolist():
        total = (31 * total + x) & 0xFFFFFFFF
    return str(total - (1 << 32) if total >> 31 else total)


def bits(recording):
    """Of the default model."""
    pcm = np.concatenate([read_file(recording), TAIL])
    model = Model(read_model("commands12"))
    features = Frontend().push(pcm)
    events = [
        {
            "t": round(e.middle * FRAME_SECONDS, 2),
            "keyword": model.labels[e.label],
            "score": e.score,
        }
        for e in Spotter(model).push(pcm)
    ]
    return Bits(digest(features), digest(Net(model).push(features)), events)
