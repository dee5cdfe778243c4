# SPDX-License-Identifier: Apache-2.0
"""Small things that many tests need."""

import soundfile
from edge_lp.model.find import write_model
from edge_lp.model.format import pack
from random_model import random_spec


def things_to_hear(folder, pcm):
    """folder with m.lpb, a model that hears something in everything, and a.wav, a recording."""
    write_model(folder / "m.lpb", pack(random_spec(3)))
    soundfile.write(folder / "a.wav", pcm, 16000)
    return folder


def raising(error):
    """A stand-in for any function, that raises."""

    def function(*arguments, **named):
        raise error

    return function
