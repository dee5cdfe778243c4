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
#if LP_VECTORS
    int32_t z[2 * HALF + 1]; /* complex numbers, real parts in front */
    uint64_t power[HALF];    /* of bins, then of bands */
#else
    int32_t z[2 * HALF]; /* complex numbers, parts together, as they are loaded and stored; powers
                            take their places */
#endif
};

typedef char lp_frontend_of_a_board
    [offsetof(lp_frontend, z) + 2 * HALF * sizeof(int32_t) == LP_BOARD_FRONTEND ? 1 : -1];

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

void lp_frontend_reset(lp_frontend *f)
{
    if (f) lp_zero(f, sizeof *f);
}

typedef struct {
    int32_t re, im;
} point;

/* Of a table's turn, both negated. Not (int16_t)w: vectors shall not be as long as ones of 16 bits
 * would be. */
LP_INLINE int32_t cosine(uint32_t w) { return (int32_t)(w << 16) >> 16; }
LP_INLINE int32_t sine(uint32_t w) { return (int32_t)w >> 16; }

/* A point is turned in 32 bits, in two halves: z = 2^15 high + low, 0 <= low < 2^15, and as |re|,
 * |im| < 2^30 high has 16 bits. A Cortex-M4 multiplies both parts of a half at once, from one word.
 */
#if LP_DSP
typedef uint32_t pair;
LP_INLINE pair low(point z) { return lp_halves(z.re, z.im) & 0x7fff7fff; }
LP_INLINE pair high(point z) { return lp_halves_15(z.re, z.im); }
LP_INLINE int32_t dot(pair p, uint32_t w, int32_t acc) { return lp_mac2(p, w, acc); }
LP_INLINE int32_t cross(pair p, uint32_t w, int32_t acc) { return lp_mac2_crossed(p, w, acc); }
#else
typedef point pair;
LP_INLINE pair low(point z) { return (pair){z.re & 0x7fff, z.im & 0x7fff}; }
LP_INLINE pair high(point z) { return (pair){z.re >> 15, z.im >> 15}; }
LP_INLINE int32_t dot(pair p, uint32_t w, int32_t acc)
{
    return acc + p.re * cosine(w) + p.im * sine(w);
}
LP_INLINE int32_t cross(pair p, uint32_t w, int32_t acc)
{
    return acc + p.re * sine(w) - p.im * cosine(w);
}
#endif

/* z e^(-i angle), where w holds -cos and -sin: *minus* its real part, and its imaginary part, both
 * to nearest. Bias 16383 rounds a half of the real part up, 16384 one of minus the real part. The
 * sums of low stay below sqrt(2) 2^30 + 2^14 < 2^31. */
LP_INLINE point turn(point z, uint32_t w, int32_t bias)
{
    const pair l = low(z), h = high(z);
    return (point){dot(h, w, dot(l, w, bias) >> 15), cross(h, w, cross(l, w, 16384) >> 15)};
}

LP_INLINE int32_t *at(int32_t *z, uint32_t i) { return z + (LP_VECTORS ? 1 : 2) * i; }
LP_INLINE point load(int32_t *z, uint32_t i)
{
    point x;
    if (LP_VECTORS) x.re = z[i], x.im = z[HALF + i];
    else lp_two_words(z + 2 * i, &x.re, &x.im);
    return x;
}
LP_INLINE void store(int32_t *z, uint32_t i, int32_t x, int32_t y)
{
    if (LP_VECTORS) z[i] = x, z[HALF + i] = y;
    else lp_put_two_words(z + 2 * i, x, y);
}
#if LP_VECTORS
typedef uint64_t longs;
LP_INLINE longs *longs_of(lp_frontend *f) { return f->power; }
LP_INLINE uint64_t load_long(const longs *p, uint32_t i) { return p[i]; }
LP_INLINE void store_long(longs *p, uint32_t i, uint64_t x) { p[i] = x; }
#else
typedef int32_t longs; /* 64 bits in the place of a point */
LP_INLINE longs *longs_of(lp_frontend *f) { return f->z; }
LP_INLINE uint64_t load_long(longs *z, uint32_t i)
{
    const point x = load(z, i);
    return (uint64_t)(uint32_t)x.im << 32 | (uint32_t)x.re;
}
LP_INLINE void store_long(longs *z, uint32_t i, uint64_t x)
{
    store(z, i, (int32_t)(uint32_t)x, (int32_t)(uint32_t)(x >> 32));
}
#endif

/* The Hann window at i, i + 128, i + 256 and i + 384, i < 128, in Q15: halves of 1 - cos, rounded
 * down, from -cos and -sin of 2 pi i / 512. */
typedef struct {
    int32_t at[4];
} window;
LP_INLINE window hann(uint32_t w)
{
    const int32_t c = cosine(w), s = sine(w);
    return (window){{(32768 + c) >> 1, (32768 - s) >> 1, (32768 - c) >> 1, (32768 + s) >> 1}};
}

/* The first two stages of the FFT, at angles 0 and a quarter turn: exact, without products.
 * Even samples go into the real part, odd ones into the imaginary part, windowed, in Q6;
 * |pcm| <= 2^15 and Hann <= 1: |x| <= 2^21. The sum of |x| over the window is <= 2^21 * 256 = 2^29,
 * which bounds all that follows. Places n, n + 64, n + 128, n + 192 of the complex signal go to
 * where the next stages want them: four in a row, n's six bits reversed. */
LP_CLONES static void begin(const int16_t *restrict x, int32_t *restrict z)
{
    enum { LANES = LP_VECTORS ? 8 : 1 };
    static const uint8_t reversed[8] = {0, 4, 2, 6, 1, 5, 3, 7};
    for (uint32_t n = 0; n < HALF / 4; n += LANES) {
        int32_t to_re[LANES][4], to_im[LANES][4];
        for (uint32_t l = 0; l < LANES; l++) {
            const uint32_t i = 2 * (n + l), j = i + 128, k = i + 256, m = i + 384;
            const window e = hann(lp_bin_turns[i]), o = hann(lp_bin_turns[i + 1]);
            const point a = {x[i] * e.at[0] >> 9, x[i + 1] * o.at[0] >> 9},
                        c = {x[j] * e.at[1] >> 9, x[j + 1] * o.at[1] >> 9},
                        b = {x[k] * e.at[2] >> 9, x[k + 1] * o.at[2] >> 9},
                        d = {x[m] * e.at[3] >> 9, x[m + 1] * o.at[3] >> 9};
            const point s = {a.re + b.re, a.im + b.im}, t = {a.re - b.re, a.im - b.im},
                        u = {c.re + d.re, c.im + d.im}, v = {c.re - d.re, c.im - d.im};
            to_re[l][0] = s.re + u.re, to_im[l][0] = s.im + u.im;
            to_re[l][1] = t.re + v.im, to_im[l][1] = t.im - v.re;
            to_re[l][2] = s.re - u.re, to_im[l][2] = s.im - u.im;
            to_re[l][3] = t.re - v.im, to_im[l][3] = t.im + v.re;
        }
        for (uint32_t l = 0; l < LANES; l++) {
            const int32_t *r = to_re[l], *m = to_im[l];
            int32_t *const to = at(z, 4 * (8u * reversed[(n + l) & 7] + reversed[n >> 3]));
            store(to, 0, r[0], m[0]), store(to, 1, r[1], m[1]);
            store(to, 2, r[2], m[2]), store(to, 3, r[3], m[3]);
        }
    }
}

/* Every step-th of a table's turns, n of them, side by side for vectors. */
LP_APART static void gather(uint32_t *to, const uint32_t *table, uint32_t n, uint32_t step)
{
    for (uint32_t j = 0; j < n; j++) to[j] = table[step * j];
}

/* Two stages at once of a complex radix-2 FFT of length 256, in place, decimation in time: four
 * transforms of length h become one. The second stage's odd half, d, is turned by a quarter more:
 * -i (re + i im) = im - i re. */
LP_INLINE void pass(int32_t *restrict z, uint32_t h)
{
    const uint32_t step = 64 / h;
    uint32_t first[LP_VECTORS ? 64 : 1], second[LP_VECTORS ? 64 : 1];
    if (LP_VECTORS) gather(first, lp_turns, h, step), gather(second, lp_bin_turns, h, 2 * step);
    for (uint32_t n = 0; n < HALF; n += 4 * h)
        for (uint32_t j = 0; j < h; j++) {
            int32_t *const x = at(z, n + j), *const y = at(x, 2 * h);
            const uint32_t w1 = LP_VECTORS ? first[j] : lp_turns[step * j],
                           w2 = LP_VECTORS ? second[j] : lp_bin_turns[2 * step * j];
            const point b = turn(load(x, h), w1, 16383), d = turn(load(y, h), w1, 16383);
            const point p = load(x, 0), q = load(y, 0);
            const point a0 = {p.re - b.re, p.im + b.im}, b0 = {p.re + b.re, p.im - b.im},
                        c0 = {q.re - d.re, q.im + d.im}, d0 = {q.re + d.re, q.im - d.im};
            const point c1 = turn(c0, w2, 16383), d1 = turn(d0, w2, 16384);
            store(x, 0, a0.re - c1.re, a0.im + c1.im);
            store(y, 0, a0.re + c1.re, a0.im - c1.im);
            store(x, h, b0.re + d1.im, b0.im + d1.re);
            store(y, h, b0.re - d1.im, b0.im - d1.re);
        }
}

LP_CLONES static void fft(int32_t *restrict z)
{
    pass(z, 4);
    pass(z, 16);
    pass(z, 64);
}

LP_INLINE uint64_t power(int32_t x, int32_t y)
{
    return (uint64_t)((int64_t)x * x + (int64_t)y * y) >> 8;
}

/* |X[k]|^2 of the 512 real samples in Q4, k = 1..255, from the FFT Z of their even and odd halves:
 *   X[k] = (Z[k] + conj Z[256-k]) / 2  -  i e^(-2 pi i k / 512) (Z[k] - conj Z[256-k]) / 2.   Twice
 *   X stays below 2^31, its Q12 square below 2^60. The brackets are the FFTs of the even and of the
 *   odd samples, over each of which the window sums to 128: twice them stays below 2^29, so the
 *   high half of a turn has 16 bits.
 * k and 256 - k share their products. Without vectors the result takes the place of Z[k]: low half
 * in re, high half in im. */
LP_CLONES static void powers(int32_t *restrict from, longs *restrict to)
{
    int32_t *const z = LP_VECTORS ? from : (int32_t *)to;
    longs mirror[LP_WIDE ? HALF / 2 : 1];
    for (uint32_t k = LP_WIDE ? 0 : 1; k < HALF / 2; k++) { /* 0: nobody's, but vectors' fill */
        const uint32_t j = HALF - k, w = lp_bin_turns[k];
        const point a = load(z, k), b = load(z, j), o = {a.im + b.im, b.re - a.re};
        const int32_t er = a.re + b.re, ei = a.im - b.im;
        const pair l = low(o), h = high(o);
        const int32_t p = dot(l, w, 16383), ph = dot(h, w, 0);
        const int32_t q = cross(h, w, cross(l, w, 16384) >> 15);
        const uint64_t at_k = power((er - (ph + (p >> 15))) >> 1, (ei + q) >> 1),
                       at_j = power((er + (ph + ((p + 1) >> 15))) >> 1, (q - ei) >> 1);
        store_long(to, k, at_k);
        if (LP_WIDE) store_long(mirror, k, at_j);
        else store_long(to, j, at_j);
    }
#if LP_WIDE /* back to front in a loop of its own: else nothing is vectorised */
    for (uint32_t k = 1; k < HALF / 2; k++) to[HALF - k] = mirror[k];
#endif
    const point middle = load(z, HALF / 2); /* of k = 128, its own partner */
    store_long(to, HALF / 2, power(middle.re, middle.im));
}

/* log2(x) in Q10, rounded, x >= 1: the exponent, and the fraction by a table of 32 and linear
 * interpolation (error < 2^-12). */
static int32_t log2_q10(uint64_t x)
{
    int32_t e;
    const uint32_t m = lp_top_bits(x, &e), i = m >> 10 & 31, f = m & 1023;
    const uint32_t at = lp_log2_fraction[i], step = lp_log2_fraction[i + 1] - at;
    return e * 1024 + (int32_t)((at + (step * f >> 10) + 8) >> 4); /* Q14 to Q10 */
}

/* Powers of the 40 bands in Q4, from those of the bins, whose place they take: bands begin behind
 * their index. The whole spectrum's power is below 2^51 (Parseval), times 256 below 2^59. */
LP_CLONES static void bands(longs *restrict z)
{
    uint64_t below = 0; /* what the segment below gives to its upper band */
    const uint8_t *weight = lp_mel_weight;
    for (uint32_t b = 0; b <= LP_FEATURES; b++) {
        uint64_t all = 0, low = 0;
        uint32_t high = 0; /* a power is below 2^51, a weight below 2^8, a segment 17 bins */
        for (uint32_t k = lp_mel_start[b]; k < lp_mel_start[b + 1]; k++, weight++) {
#if LP_VECTORS
            all += z[k];
            low += z[k] * *weight;
#else
            const point p = load(z, k);
            all += (uint64_t)(uint32_t)p.im << 32 | (uint32_t)p.re;
            low += (uint64_t)(uint32_t)p.re * *weight;
            high += (uint32_t)p.im * *weight;
#endif
        }
        const uint64_t up = low + ((uint64_t)high << 32);
        if (b) store_long(z, b - 1, (below + 256 * all - up) >> 8);
        below = up;
    }
}

/* The slow level follows with 2^-shift; shift grows from 0 to SLOW over the first frames, so the
 * start is a running mean, not a guess. */
static uint32_t slow_shift(uint32_t frames)
{
    uint32_t shift = 0;
    while (shift < SLOW && frames >> shift) shift++;
    return shift;
}

/* Features from the bands, whose slow levels follow with 2^-shift. */
LP_CLONES static void level(lp_frontend *f, uint32_t shift, int16_t features[LP_FEATURES])
{
    longs *const z = longs_of(f);
    uint64_t all = 0;
    for (uint32_t b = 0; b < LP_FEATURES; b++) { /* stays in 0..2^51 */
        f->slow[b] += ((int64_t)load_long(z, b) - f->slow[b]) >> shift;
        all += (uint64_t)f->slow[b];
    }
    const int32_t mean = log2_q10(all + LP_FEATURES * FLOOR_ALL) - LOG2_FEATURES;
    for (uint32_t b = 0; b < LP_FEATURES; b++) { /* each log2 is within 0..57 * 1024 */
        int32_t now = log2_q10(load_long(z, b) + FLOOR_BAND),
                slow = log2_q10((uint64_t)f->slow[b] + FLOOR_BAND);
        features[b] = (int16_t)lp_clip((2 * now - slow - mean) >> 1, -FEATURE_MAX, FEATURE_MAX);
    }
}

static void frame(lp_frontend *f, int16_t features[LP_FEATURES])
{
    const uint32_t shift = slow_shift(f->frames);
    int32_t *z = LP_VECTORS ? f->z : lp_hidden(f->z);
    longs *power = LP_VECTORS ? longs_of(f) : (longs *)z;
    begin(f->samples, z);
    fft(z);
    powers(z, power);
    bands(power);
    level(f, shift, features);
    if (f->frames < 1u << SLOW) f->frames++;
}

int lp_frontend_push(lp_frontend *f, const int16_t *pcm, size_t n, size_t *used,
                     int16_t features[LP_FEATURES])
{
    if (!f || !used || !features || (!pcm && n)) return LP_E_ARG;
    const size_t want = LP_HOP - f->filled, got = n < want ? n : want;
    int16_t *to = f->samples + LP_WINDOW - LP_HOP + f->filled;
    lp_copy(to, pcm, got * sizeof(int16_t));
    f->filled += (uint32_t)got;
    *used = got;
    if (f->filled < LP_HOP) return 0;
    frame(f, features);
    for (uint32_t i = 0; i < LP_WINDOW - LP_HOP; i++) f->samples[i] = f->samples[i + LP_HOP];
    f->filled = 0;
    return 1;
}
