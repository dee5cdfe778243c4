# SPDX-License-Identifier: Apache-2.0
"""Writes lp_tables.h, the front end's constants (SPEC.md, "Front end"):

python runtime/make_tables.py > runtime/lp_tables.h
"""

import math

RATE, FFT, BANDS, LOW_HZ, HIGH_HZ = 16000, 512, 40, 60.0, 7800.0


def mel(hz):
    return 2595.0 * math.log10(1.0 + hz / 700.0)


def rows(values, per=12):
    return ",\n    ".join(
        ", ".join(str(v) for v in values[i : i + per]) for i in range(0, len(values), per)
    )


def pair(angle):
    """The turn by -angle as the FFT takes it."""
    c, s = (round(-32768 * f(angle)) & 0xFFFF for f in (math.cos, math.sin))
    return f"0x{s << 16 | c:08x}"


def main():
    # two radix-2 stages a pass: the angles of the second are every other one of the bins'
    turns = [pair(math.pi * j / 64) for j in range(64)]
    bins = [pair(2 * math.pi * k / FFT) for k in range(FFT // 4 + 1)]
    log2 = [round(16384 * math.log2(1 + i / 32)) for i in range(33)]
    # Position of each bin on the axis where band b has its peak at b + 1: bin k gives its fraction
    # to band floor(p), the rest to the one below.
    at = [
        (mel(k * RATE / FFT) - mel(LOW_HZ)) / (mel(HIGH_HZ) - mel(LOW_HZ)) * (BANDS + 1)
        for k in range(FFT // 2 + 1)
    ]
    inside = [k for k, p in enumerate(at) if 0 < p < BANDS + 1]
    first, end = inside[0], inside[-1] + 1
    weight = [round(256 * (at[k] - math.floor(at[k]))) for k in range(first, end)]
    starts = [
        next(k for k in range(first, end + 1) if k == end or at[k] >= b) for b in range(BANDS + 2)
    ]
    print(f"""/* SPDX-License-Identifier: Apache-2.0 */
/* Made by runtime/make_tables.py; SPEC.md, "Front end", has the formulas. */
#ifndef LP_TABLES_H
#define LP_TABLES_H

#include <stdint.h>

/* clang-format off */

/* Turns by an angle: round(-2^15 cos) in the lower half, round(-2^15 sin) in the upper one; minus,
 * since 2^15 would not fit. Of pi j / 64, j = 0..63 */
static const uint32_t lp_turns[{len(turns)}] = {{
    {rows(turns, 8)}}};
/* The same of 2 pi k / {FFT}, k = 0..{FFT // 4}, of which the Hann window is made, too */
static const uint32_t lp_bin_turns[{len(bins)}] = {{
    {rows(bins, 8)}}};

/* round(2^14 log2(1 + i / 32)), i = 0..32 */
static const uint16_t lp_log2_fraction[{len(log2)}] = {{
    {rows(log2)}}};

/* {BANDS} triangles, equally spaced in mel = 2595 log10(1 + f / 700) from {LOW_HZ:g} to
 * {HIGH_HZ:g} Hz, peak 1. Segment b, between the peaks of bands b - 1 and b, is the bins
 * lp_mel_start[b] .. lp_mel_start[b + 1] - 1; bin k adds lp_mel_weight[k - lp_mel_start[0]] / 256
 * of its power to band b and the rest to band b - 1. */
static const uint8_t lp_mel_start[{len(starts)}] = {{
    {rows(starts)}}};
static const uint8_t lp_mel_weight[{len(weight)}] = {{
    {rows(weight)}}};

#endif""")


if __name__ == "__main__":
    main()
