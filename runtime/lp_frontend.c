/* SPDX-License-Identifier: Apache-2.0 */
/* PCM -> log-mel frames with the level removed (SPEC.md, "Front end").
 *
 * Every frame: the last 512 samples, Hann, FFT, power, 40 mel bands, log2; from each band half of
 * its own slow level and half of the mean slow level of all bands is taken away. So a gain change
 * leaves the features as they are (above the floor), a steady hum or a coloured channel fades, and
 * a long vowel keeps half of its shape. Causal: nothing looks ahead. */
#include "edge_lp.h"
#include "lp_fix.h"
#include "lp_tables.h"

#define HALF (LP_WINDOW / 2) /* length of the complex FFT */
#define FLOOR_BAND 2048 /* 2^7 sample^2 in Q4: digital silence and converter noise count as this */
#define FLOOR_ALL (16 * FLOOR_BAND)
#define SLOW 5             /* slow level: time constant 2^5 frames */
#define FEATURE_MAX 16384  /* Q10: 16 octaves of power, 48 dB */
#define LOG2_FEATURES 5450 /* log2(40) in Q10 */

struct lp_frontend {
    int16_t samples[LP_WINDOW]; /* the last 512, oldest first; the newest hop is being filled */
    uint32_t filled;            /* of the newest hop */
    uint32_t frames;            /* saturates at 2^SLOW */
    int64_t slow[LP_FEATURES];  /* Q4 power */
    int32_t re[HALF], im[HALF];
};

size_t lp_frontend_size(void)
{
    lp_arena a = {0};
    lp_take(&a, sizeof(lp_frontend));
    return a.used;
}

int lp_frontend_init(lp_frontend **out, void *memory, size_t bytes)
{
    if (!out || !memory) return LP_E_ARG;
    if (bytes < lp_frontend_size() || (uintptr_t)memory % 8) return LP_E_SPACE;
    *out = memory;
    lp_frontend_reset(*out);
    return LP_OK;
}

void lp_frontend_reset(lp_frontend *f) { lp_zero(f, sizeof *f); }

/* (a * c + b * s) / 2^15, rounded to nearest. |a|, |b| < 2^31, |c|, |s| <= 2^15: the sum stays
 * below 2^47. Only the low 32 bits of the quotient are kept, so a logical shift does, which vector
 * units have. */
static inline int32_t rounded(int64_t sum) { return (int32_t)((uint64_t)(sum + 16384) >> 15); }
static inline int32_t rotate(int32_t a, int32_t c, int32_t b, int32_t s)
{
    return rounded((int64_t)a * c + (int64_t)b * s);
}

/* n with its eight bits in reverse order */
static inline uint32_t reversed(uint32_t n)
{
    static const uint8_t nibble[16] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};
    return (uint32_t)nibble[n & 15] << 4 | nibble[n >> 4];
}

/* Even samples into the real part, odd ones into the imaginary part, windowed, in Q6, in
 * bit-reversed order; from both ends at once, since the window is symmetric. |pcm| <= 2^15 and Hann
 * <= 1: |x| <= 2^21; the sum of |x| over the window is <= 2^21 * 256 = 2^29, which bounds every FFT
 * output. */
static void load(lp_frontend *f)
{
    const int16_t *x = f->samples, *y = f->samples + LP_WINDOW;
    for (uint32_t n = 0; n < HALF / 2; n++) {
        const uint16_t *w = lp_hann + 2 * n;
        uint32_t r = reversed(n), m = HALF - 1 - r; /* = reversed(HALF - 1 - n) */
        f->re[r] = (x[2 * n] * w[0]) >> 9;          /* 2^15 * 2^15: fits */
        f->im[r] = (x[2 * n + 1] * w[1]) >> 9;
        f->re[m] = (y[-2 - 2 * (int32_t)n] * w[2]) >> 9;
        f->im[m] = (y[-1 - 2 * (int32_t)n] * w[1]) >> 9;
    }
}

/* The first two stages of the FFT: angles 0 and a quarter turn, where rotate() is exact and needs
 * no multiplication. */
static void fft_begin(int32_t *restrict re, int32_t *restrict im)
{
    for (uint32_t i = 0; i < HALF; i += 4) {
        int32_t ar = re[i] + re[i + 1], br = re[i] - re[i + 1], cr = re[i + 2] + re[i + 3],
                dr = re[i + 2] - re[i + 3];
        int32_t ai = im[i] + im[i + 1], bi = im[i] - im[i + 1], ci = im[i + 2] + im[i + 3],
                di = im[i + 2] - im[i + 3];
        re[i] = ar + cr, re[i + 1] = br + di, re[i + 2] = ar - cr, re[i + 3] = br - di;
        im[i] = ai + ci, im[i + 1] = bi - dr, im[i + 2] = ai - ci, im[i + 3] = bi + dr;
    }
}

/* Complex radix-2 FFT of length 256, in place, decimation in time. */
LP_CLONES static void fft(int32_t *restrict re, int32_t *restrict im)
{
    fft_begin(re, im);
    for (uint32_t half = 4; half < HALF; half *= 2) {
        /* angles 2 pi j / (2 half) */
        const int32_t *c = lp_cosine + half - 4, *s = lp_sine + half - 4;
        for (uint32_t a = 0; a < HALF; a += 2 * half) {
            int32_t *restrict ar = re + a, *restrict ai = im + a, *restrict br = ar + half,
                              *restrict bi = ai + half;
            for (uint32_t j = 0; j < half; j++) {
                int32_t x = rotate(br[j], c[j], bi[j], s[j]), y = rotate(bi[j], c[j], br[j], -s[j]);
                br[j] = ar[j] - x;
                bi[j] = ai[j] - y;
                ar[j] += x;
                ai[j] += y;
            }
        }
    }
}

/* |X[k]|^2 of the 512 real samples in Q4, k = 1..255, from the FFT Z of their even and odd halves:
 *   X[k] = (Z[k] + conj Z[256-k]) / 2  -  i e^(-2 pi i k / 512) (Z[k] - conj Z[256-k]) / 2.   Twice
 *   X stays below 2^31, its Q12 square below 2^60.
 * k and 256 - k share their products. The result takes the place of Z[k]: low half in re, high half
 * in im. */
LP_CLONES static void powers(int32_t *restrict re, int32_t *restrict im)
{
    for (uint32_t k = 1; k <= HALF / 2; k++) {
        uint32_t j = HALF - k;
        int32_t er = re[k] + re[j], ei = im[k] - im[j], or_ = im[k] + im[j], oi = re[j] - re[k];
        int32_t s = lp_quarter[k], c = lp_quarter[HALF / 2 - k];
        int64_t p = (int64_t)or_ * c + (int64_t)oi * s;
        int32_t q = rotate(oi, c, or_, -s);
        int32_t xk = (er + rounded(p)) >> 1, yk = (ei + q) >> 1, xj = (er + rounded(-p)) >> 1,
                yj = (q - ei) >> 1;
        uint64_t at_k = (uint64_t)((int64_t)xk * xk + (int64_t)yk * yk) >> 8,
                 at_j = (uint64_t)((int64_t)xj * xj + (int64_t)yj * yj) >> 8;
        re[k] = (int32_t)(uint32_t)at_k, im[k] = (int32_t)(uint32_t)(at_k >> 32);
        re[j] = (int32_t)(uint32_t)at_j, im[j] = (int32_t)(uint32_t)(at_j >> 32);
    }
}

/* log2(x) in Q10, rounded, x >= 1: the exponent, and the fraction by a table of 32 and linear
 * interpolation (error < 2^-12). */
static int32_t log2_q10(uint64_t x)
{
    const uint32_t high = (uint32_t)(x >> 32), low = (uint32_t)x;
    const int32_t top = lp_top_bit(high ? high : low), e = high ? 32 + top : top;
    /* x < 2^59, so top < 31 where high is not 0; the highest bit goes to bit 31, then 15 */
    const uint32_t m = (high ? high << (31 - top) | low >> (top + 1) : low << (31 - top)) >> 16;
    uint32_t i = m >> 10 & 31, f = m & 1023;
    /* Q14 */
    uint32_t fraction = ((uint32_t)lp_log2_fraction[i] * (1024 - f) +
                         (uint32_t)lp_log2_fraction[i + 1] * f) >>
                        10;
    return e * 1024 + (int32_t)((fraction + 8) >> 4);
}

/* Powers of the 40 bands in Q4. The whole spectrum's power is below 2^51 (Parseval), times 256
 * below 2^59. */
static void bands(const lp_frontend *f, uint64_t band[LP_FEATURES])
{
    for (uint32_t b = 0; b < LP_FEATURES; b++) band[b] = 0;
    for (uint32_t b = 0; b <= LP_FEATURES; b++)
        for (uint32_t k = lp_mel_start[b]; k < lp_mel_start[b + 1]; k++) {
            uint64_t p = (uint64_t)(uint32_t)f->im[k] << 32 | (uint32_t)f->re[k],
                     up = p * lp_mel_weight[k - lp_mel_start[0]];
            if (b < LP_FEATURES) band[b] += up;
            if (b > 0) band[b - 1] += p * 256 - up;
        }
    for (uint32_t b = 0; b < LP_FEATURES; b++) band[b] >>= 8;
}

/* The slow level follows with 2^-shift; shift grows from 0 to SLOW over the first frames, so the
 * start is a running mean, not a guess. */
static uint32_t slow_shift(uint32_t frames)
{
    uint32_t shift = 0;
    while (shift < SLOW && frames >> shift) shift++;
    return shift;
}

static void frame(lp_frontend *f, int16_t features[LP_FEATURES])
{
    uint64_t band[LP_FEATURES];
    int64_t all = 0;
    uint32_t shift = slow_shift(f->frames);
    load(f);
    fft(f->re, f->im);
    powers(f->re, f->im);
    bands(f, band);
    for (uint32_t b = 0; b < LP_FEATURES; b++) {
        f->slow[b] += ((int64_t)band[b] - f->slow[b]) >> shift; /* stays in 0..2^51 */
        all += f->slow[b];
    }
    int32_t level = log2_q10((uint64_t)all + LP_FEATURES * FLOOR_ALL) - LOG2_FEATURES;
    for (uint32_t b = 0; b < LP_FEATURES; b++) { /* each log2 is within 0..57 * 1024 */
        int32_t now = log2_q10(band[b] + FLOOR_BAND),
                slow = log2_q10((uint64_t)f->slow[b] + FLOOR_BAND);
        features[b] = (int16_t)lp_clip((2 * now - slow - level) >> 1, -FEATURE_MAX, FEATURE_MAX);
    }
    if (f->frames < 1u << SLOW) f->frames++;
}

int lp_frontend_push(lp_frontend *f, const int16_t *pcm, size_t n, size_t *used,
                     int16_t features[LP_FEATURES])
{
    if (!used || !features || (!pcm && n)) return LP_E_ARG;
    const size_t want = LP_HOP - f->filled, got = n < want ? n : want;
    int16_t *to = f->samples + LP_WINDOW - LP_HOP + f->filled;
    for (size_t i = 0; i < got; i++) to[i] = pcm[i];
    f->filled += (uint32_t)got;
    *used = got;
    if (f->filled < LP_HOP) return 0;
    frame(f, features);
    for (uint32_t i = 0; i < LP_WINDOW - LP_HOP; i++) f->samples[i] = f->samples[i + LP_HOP];
    f->filled = 0;
    return 1;
}
