# SPDX-License-Identifier: Apache-2.0
"""One channel of several, and gain."""

import numpy as np
import pytest
import soundfile
from edge_lp.audio.blocks import amplified
from edge_lp.audio.files import file_blocks
from edge_lp.errors import AudioError


def test_a_channel_alone(tmp_path):
    pcm = np.arange(-3000, 3000, dtype=np.int16).reshape(-1, 2)
    soundfile.write(tmp_path / "a.wav", pcm, 16000)
    notes = []
    for channel in (1, 2):
        heard = np.concatenate(list(file_blocks(tmp_path / "a.wav", notes.append, channel=channel)))
        assert np.array_equal(heard, pcm[:, channel - 1])
    assert notes == []
    with pytest.raises(AudioError, match="no channel 3; expected 1 to 2"):
        list(file_blocks(tmp_path / "a.wav", notes.append, channel=3))


def test_gain_rounds_and_clips():
    (loud,) = amplified([np.array([100, -100, 32767, -32768], np.int16)], 20)
    assert loud.tolist() == [1000, -1000, 32767, -32768] and loud.dtype == np.int16
