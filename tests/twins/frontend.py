# SPDX-License-Identifier: Apache-2.0
"""The front end in Python's integers (SPEC.md, "Front end"). The tables come from their formulas,
the FFT is the recursive definition."""

from __future__ import annotations

import math
from collections.abc import Sequence

WINDOW, HOP, BANDS = 512, 160, 40
BIN_HZ, LOW_HZ, HIGH_HZ = 16000 / WINDOW, 60.0, 7800.0
SLOWEST = 5  # the slow level's low-pass: 2^5 frames
FLOOR = 2**11  # Q4 power added to a band before its logarithm
MEAN_FLOOR = 40 * 2**15  # the same for the sum of all slow levels
LOG2_40 = 5450  # Q10
LARGEST = 2**14  # of a feature

SIN = [round(2**15 * math.sin(2 * math.pi * i / WINDOW)) for i in range(WINDOW)]
COS = [SIN[(i + 128) % WINDOW] for i in range(WINDOW)]
LOG2 = [round(2**14 * math.log2(1 + i / 32)) for i in range(33)]


def _mel(hz: float) -> float:
    return 2595 * math.log10(1 + hz / 700)


# pos(k) of the bins between 60 and 7800 Hz
POSITION = {
    k: p
    for k in range(WINDOW // 2 + 1)
    if 0 < (p := 41 * (_mel(BIN_HZ * k) - _mel(LOW_HZ)) / (_mel(HIGH_HZ) - _mel(LOW_HZ))) < 41
}

Complex = tuple[int, int]


def rnd(x: int, n: int) -> int:
    """x / 2^n to the nearest integer, a half upwards."""
    return (x + 2 ** (n - 1)) // 2**n


def _turn(z: Complex, i: int) -> Complex:
    """z times e^(-2 pi i / 512), rounded."""
    return rnd(z[0] * COS[i] + z[1] * SIN[i], 15), rnd(z[1] * COS[i] - z[0] * SIN[i], 15)


def fft(z: Sequence[Complex]) -> list[Complex]:
    """Discrete Fourier transform of a power of two of complex integers, each twiddle product
    rounded."""
    if len(z) == 1:
        return list(z)
    even, odd = fft(z[::2]), fft(z[1::2])
    turned = [_turn(o, WINDOW // len(z) * j) for j, o in enumerate(odd)]
    return [(e[0] + t[0], e[1] + t[1]) for e, t in zip(even, turned)] + [
        (e[0] - t[0], e[1] - t[1]) for e, t in zip(even, turned)
    ]


def power(pcm: Sequence[int]) -> list[int]:
    """512 samples -> Q4 power of bins 0..255."""
    x = [(s * ((2**15 - COS[n]) // 2)) // 2**9 for n, s in enumerate(pcm)]
    spectrum = fft([(x[n], x[n + 1]) for n in range(0, WINDOW, 2)])
    out = []
    for k, a in enumerate(spectrum):
        b = spectrum[-k]
        turned = _turn((a[1] + b[1], b[0] - a[0]), k)
        re, im = (a[0] + b[0] + turned[0]) // 2, (a[1] - b[1] + turned[1]) // 2
        out.append((re * re + im * im) // 2**8)
    return out


def mel_bands(p: Sequence[int]) -> list[int]:
    """Q4 power of the bins -> of the 40 bands."""
    total = [0] * (BANDS + 2)  # one more on either side, thrown away
    for k, position in POSITION.items():
        weight = round(2**8 * (position - int(position)))
        total[int(position) + 1] += p[k] * weight
        total[int(position)] += p[k] * (2**8 - weight)
    return [t // 2**8 for t in total[1:-1]]


def log2(x: int) -> int:
    """log2 of an integer >= 1, Q10."""
    e = x.bit_length() - 1
    m = x * 2**15 // 2**e
    i, f = m // 1024 - 32, m % 1024
    return 1024 * e + rnd((LOG2[i] * (1024 - f) + LOG2[i + 1] * f) // 1024, 4)


def features(pcm: Sequence[int]) -> list[list[int]]:
    """A stream from its start, int16 at 16 kHz -> its complete frames of 40 features, Q10."""
    stream = [0] * (WINDOW - HOP) + [int(s) for s in pcm]
    slow, out = [0] * BANDS, []
    for m in range(len(pcm) // HOP):
        band = mel_bands(power(stream[m * HOP : m * HOP + WINDOW]))
        h = min(SLOWEST, m.bit_length())
        slow = [s + (b - s) // 2**h for s, b in zip(slow, band)]
        level = log2(sum(slow) + MEAN_FLOOR) - LOG2_40
        out.append(
            [
                max(-LARGEST, min(LARGEST, (2 * log2(b + FLOOR) - log2(s + FLOOR) - level) // 2))
                for b, s in zip(band, slow)
            ]
        )
    return out
