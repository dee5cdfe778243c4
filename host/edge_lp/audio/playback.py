# SPDX-License-Identifier: Apache-2.0
"""Sound, to be listened to."""

from __future__ import annotations

import numpy as np

from edge_lp.audio.microphone import portaudio
from edge_lp.errors import AudioError
from edge_lp.runtime import SAMPLE_RATE


def play(pcm: np.ndarray) -> None:
    """(n,) int16 on the default output; returns when it is over. AudioError: there is none."""
    sd = portaudio()
    try:
        sd.play(pcm, SAMPLE_RATE, blocking=True)
    except (sd.PortAudioError, ValueError) as e:
        raise AudioError(f"cannot play: {e.args[0] if e.args else e}; leave out --play") from None
