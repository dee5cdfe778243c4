# SPDX-License-Identifier: Apache-2.0
"""Bits as a PDM microphone gives them."""

import numpy as np


def modulated(x):
    """A second-order sigma-delta modulator: (n,) of -1..1 at the bits' rate -> bytes, the first bit
    in the highest place."""
    bits, a, b = bytearray(len(x)), 0.0, 0.0
    for i, v in enumerate(x.tolist()):
        bits[i] = b >= 0
        y = 1.0 if bits[i] else -1.0
        a += v - y
        b += a - 2 * y + y  # Boser and Wooley's loop with the second integrator undelayed
    return np.packbits(np.frombuffer(bytes(bits), np.uint8)).tobytes()
