# SPDX-License-Identifier: Apache-2.0
"""Writes lp_taps.h, the constants of lp_rate.c and lp_pdm.c:

python runtime/audio/make_taps.py > runtime/audio/lp_taps.h
"""

import math


def bessel(x):
    """The modified Bessel function I0, by its series."""
    return math.fsum((x / 2) ** (2 * k) / math.factorial(k) ** 2 for k in range(40))


def taps(offsets, rate, span, beta=5.0):
    """A sinc with its zeros at multiples of `rate` under a Kaiser window over -span..span, at these
    offsets from the middle; times `rate`."""
    window = [bessel(beta * math.sqrt(1 - (k / span) ** 2)) / bessel(beta) for k in offsets]
    return [
        w * math.sin(math.pi * k / rate) / (math.pi * k / rate) for k, w in zip(offsets, window)
    ]


def shares():
    """Of each byte: what its bits, the highest first, add to four integrators in a row, as fields
    of 9, 7, 6 and 4 bits from the last integrator on."""
    for byte in range(256):
        s = [0, 0, 0, 0]
        for bit in range(7, -1, -1):
            x = byte >> bit & 1
            for j in range(4):
                s[j] += x
                x = s[j]
        yield s[3] | s[2] << 9 | s[1] << 16 | s[0] << 22


def rows(values, per=12):
    lines = [values[i : i + per] for i in range(0, len(values), per)]
    return ",\n    ".join(", ".join(str(v) for v in line) for line in lines)


def main():
    third = taps([k for k in range(1, 37) if k % 3], 3, 36)
    gain = 1 + 2 * math.fsum(third)
    half = taps([k / 2 for k in range(1, 33, 2)], 1, 15.5)
    gain_half = 2 * math.fsum(half)
    print(f"""/* SPDX-License-Identifier: Apache-2.0 */
/* Made by runtime/audio/make_taps.py. */
#ifndef LP_TAPS_H
#define LP_TAPS_H

#include <stdint.h>

/* clang-format off */

/* Low-pass at a third of the band, Q14: the middle, and what is 1, 2, 4, 5, 7 .. 35 samples beside
 * it; a sinc under a Kaiser window (beta 5) of 73 samples */
#define LP_THIRD_MIDDLE {round(16384 / gain)}
static const int16_t lp_third[24] = {{
    {rows([round(16384 * t / gain) for t in third])}}};

/* Between two samples, Q14: what is 1/2, 3/2 .. 31/2 samples beside it; the same window over 31 */
static const int16_t lp_half[16] = {{
    {rows([round(16384 * t / gain_half) for t in half], 8)}}};

/* What eight bits, the highest first, add to four integrators in a row: bits 0..8 to the last one,
 * 9..15, 16..21 and 22..25 to those before */
static const uint32_t lp_pdm_share[256] = {{
    {rows([f"0x{s:07x}" for s in shares()], 8)}}};

#endif""")


if __name__ == "__main__":
    main()
