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


def bits_of(pcm):
    """(n,) int16 at 16 kHz -> its 96 n bits as firmware/tools/pico.cjs makes them: a straight line
    from sample to sample, 24 dB below full scale, by a modulator of whole numbers."""
    bits, inner, outer, full, at = bytearray(96 * len(pcm)), 0, 0, 96 * 2**19, 0
    samples = [*pcm.tolist(), 0]
    for before, after in zip(samples, samples[1:]):
        for k in range(96):
            y = full if outer >= 0 else -full
            bits[at] = y > 0
            inner += before * (96 - k) + after * k - y
            outer += inner - y
            at += 1
    return np.packbits(np.frombuffer(bytes(bits), np.uint8)).tobytes()
