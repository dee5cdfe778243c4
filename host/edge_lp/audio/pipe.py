# SPDX-License-Identifier: Apache-2.0
"""Raw samples on a pipe, as blocks."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from edge_lp.audio.blocks import BLOCK, Blocks
from edge_lp.errors import AudioError
from edge_lp.text import notice


def pipe_blocks(stream: BinaryIO) -> Blocks:
    """Raw PCM, int16 little-endian, mono, 16 kHz. Yields what has arrived, without waiting for a
    full block. AudioError: nothing came."""
    odd, seen = b"", False
    read = getattr(stream, "read1", stream.read)
    while data := read(2 * BLOCK):
        seen, data = True, odd + data
        odd = data[len(data) & ~1 :]
        yield np.frombuffer(data[: len(data) & ~1], "<i2").astype(np.int16)
    if not seen:
        raise AudioError(
            "stdin: no samples came; expected raw PCM, int16 little-endian, mono, 16 kHz"
        )
    if odd:
        notice("note: stdin: the last byte is half a sample and was left out")
