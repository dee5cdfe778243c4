/* SPDX-License-Identifier: Apache-2.0 */
/* 48 kHz and 8 kHz to 16 kHz: a sinc under a Kaiser window, of which the zeros are not visited. */
#include "../lp_audio.h"
#include "../lp_fix.h"
#include "lp_taps.h"

/* The last `span` samples, the oldest first, after x has come. */
static const int16_t *keep(int16_t *past, uint32_t span, uint16_t *at, int16_t x)
{
    past[*at] = past[*at + span] = x;
    *at = *at + 1u < span ? (uint16_t)(*at + 1) : 0;
    return past + *at;
}

/* A sum of Q14 taps with samples, to the nearest sample. The taps' magnitudes add up to less than
 * 3 * 2^14, so the sum and all on its way stay below 3 * 2^14 * 2^15 + 2^13 < 2^31. */
static int16_t sample(int32_t sum) { return (int16_t)lp_clip((sum + 8192) >> 14, -32768, 32767); }

size_t lp_decimate(lp_decimator *d, const int16_t *pcm, size_t n, int16_t *out)
{
    size_t found = 0;
    if (!d || !pcm || !out) return 0;
    for (size_t i = 0; i < n; i++) {
        const int16_t *past = keep(d->past, LP_DECIMATOR_SPAN, &d->at, pcm[i]);
        if (++d->phase < 3) continue;
        d->phase = 0;
        const int16_t *up = past + LP_DECIMATOR_SPAN / 2, *down = up;
        int32_t sum = up[0] * LP_THIRD_MIDDLE;
        for (uint32_t k = 0; k < 24; k += 2, up += 3, down -= 3) /* every third tap is 0 */
            sum += lp_third[k] * (up[1] + down[-1]) + lp_third[k + 1] * (up[2] + down[-2]);
        out[found++] = sample(sum);
    }
    return found;
}

size_t lp_interpolate(lp_interpolator *p, const int16_t *pcm, size_t n, int16_t *out)
{
    if (!p || !pcm || !out) return 0;
    for (size_t i = 0; i < n; i++) {
        const int16_t *up = keep(p->past, LP_INTERPOLATOR_SPAN, &p->at, pcm[i]) + 15;
        const int16_t *down = up;
        int32_t sum = 0;
        out[2 * i] = up[0]; /* a sample's own place: all other taps are 0 there */
        for (uint32_t k = 0; k < 16; k++) sum += lp_half[k] * (*++up + *down--);
        out[2 * i + 1] = sample(sum);
    }
    return 2 * n;
}
