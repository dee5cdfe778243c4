/* SPDX-License-Identifier: Apache-2.0 */
/* PDM to PCM: a cascade of integrators and combs (Hogenauer, 1981) of order 4 that takes 32 bits a
 * sample, eight at a time. */
#include "../lp_audio.h"
#include "../lp_fix.h"
#include "lp_taps.h"

#define MEAN_BITS 10 /* the mean over some 2^10 samples of 48 kHz */

/* Eight bits into four integrators, each of which adds up what the one before it has become. After
 * eight of these steps integrator j holds what it held, C(7 + i, i) times what the one i before it
 * held, and its share of the bits: four fields of a table's word. */
LP_INLINE void integrate(uint32_t *s, uint8_t bits)
{
    const uint32_t share = lp_pdm_share[bits];
    s[3] += 8 * s[2] + 36 * s[1] + 120 * s[0] + (share & 511);
    s[2] += 8 * s[1] + 36 * s[0] + (share >> 9 & 127);
    s[1] += 8 * s[0] + (share >> 16 & 63);
    s[0] += share >> 22;
}

/* A sample at 48 kHz, -2^19 (zeros only) .. 2^19 (ones only): sums modulo 2^32 are right as long as
 * their differences are, and those are 0..32^4 = 2^20. */
static int32_t comb(lp_pdm *p, uint32_t x)
{
    for (uint32_t j = 0; j < 4; j++) {
        const uint32_t before = p->comb[j];
        p->comb[j] = x;
        x -= before;
    }
    return (int32_t)x - (1 << 19);
}

/* Without its mean, to 16 bits. |mean| <= 2^19 * 2^10, since it moves towards 2^10 x; the mean in
 * Q0 is within -2^19..2^19 too, so the difference is within 2^20. */
static int16_t level(lp_pdm *p, int32_t x)
{
    const int32_t y = x - (p->mean >> MEAN_BITS);
    const uint32_t down = 4u - (p->gain < 4 ? p->gain : 4u);
    p->mean += y;
    return (int16_t)lp_clip(down ? (y + (1 << (down - 1))) >> down : y, -32768, 32767);
}

size_t lp_pdm_pcm(lp_pdm *p, const uint8_t *bits, size_t n, int16_t *pcm)
{
    size_t found = 0;
    if (!p || !bits || !pcm) return 0;
    uint32_t s[4] = {p->integrator[0], p->integrator[1], p->integrator[2], p->integrator[3]};
    for (size_t i = 0; i < n; i++) {
        integrate(s, bits[i]);
        p->phase = (uint8_t)((p->phase + 1) & 3);
        if (p->phase) continue;
        const int16_t x = level(p, comb(p, s[3]));
        found += lp_decimate(&p->to_16k, &x, 1, pcm + found);
    }
    for (uint32_t j = 0; j < 4; j++) p->integrator[j] = s[j];
    return found;
}
