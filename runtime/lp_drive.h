/* SPDX-License-Identifier: Apache-2.0 */
/* The first layer's drive, which is held over a frame's steps (SPEC.md, "Network"): (sum over
 * features of code * feature) * 2^drive_shift + bias. */
#ifndef LP_DRIVE_H
#define LP_DRIVE_H

#include "edge_lp.h"
#include "lp_codes.h"
#include "lp_fix.h"

/* Unit i's drive from its sum, |sum| < 2^24 (below); shifted by at most 6: below 2^30. */
static inline int32_t lp_drive_of(const lp_model *m, uint32_t i, int32_t sum)
{
    const lp_layer *l = &m->layers[0];
    const int32_t bias = lp_le16s(l->bias + 2 * i) * (1 << l->bias_shift); /* <= 2^22 */
    const int32_t z = m->drive_shift < 0 ? sum >> -m->drive_shift : sum * (1 << m->drive_shift);
    return lp_clip(z + bias, -LP_DRIVE_MAX, LP_DRIVE_MAX);
}

/* s + the codes + 4 at `bit` of two half words, times two features. */
LP_INLINE int32_t lp_products(int32_t s, uint32_t w0, uint32_t w1, uint32_t bit, const int16_t *x,
                              uint32_t codes)
{
    if (LP_DSP) return lp_mac2((w0 | w1 << 16) >> bit & codes, lp_le16x2(x), s);
    return s + (int32_t)(w0 >> bit & 7) * x[0] + (int32_t)(w1 >> bit & 7) * x[1];
}

/* For a dense matrix: the five units of half a word at a time, two features a turn. */
static inline void lp_dense_sums(const lp_matrix *m, const int16_t *x, int32_t *sum,
                                 uint32_t stride)
{
    const uint32_t words = DENSE3_WORDS(m->n_out), codes = lp_register(0x00070007u);
    int32_t offset = 0; /* of the codes */
    for (uint32_t f = 0; f < LP_FEATURES; f++) offset -= 4 * x[f];
    for (uint32_t column = 0; column < 2 * words; column++) {
        const uint8_t *p = m->codes + 2 * column;
        int32_t s[5] = {offset, offset, offset, offset, offset};
        for (uint32_t f = 0; f < LP_FEATURES; f += 2, p += 8 * words) {
            const uint32_t w0 = lp_le16(p), w1 = lp_le16(p + 4 * words);
            s[0] = lp_products(s[0], w0, w1, 0, x + f, codes);
            s[1] = lp_products(s[1], w0, w1, 3, x + f, codes);
            s[2] = lp_products(s[2], w0, w1, 6, x + f, codes);
            s[3] = lp_products(s[3], w0, w1, 9, x + f, codes);
            s[4] = lp_products(s[4], w0, w1, 12, x + f, codes);
        }
        for (uint32_t j = 0, i = column; j < 5 && i < m->n_out; j++, i += 2 * words)
            sum[i * stride] = s[j];
    }
}

static inline void lp_sparse_sums(const lp_matrix *m, const int16_t *x, int32_t *sum,
                                  uint32_t stride)
{
    for (uint32_t i = 0; i < m->n_out; i++) sum[i * stride] = 0;
    for (uint32_t f = 0; f < LP_FEATURES; f++) {
        const uint8_t *e;
        uint32_t count = sparse3_row(m->codes, f, &e), i;
        for (uint32_t k = 0; k < count; k++) {
            int32_t code = sparse3_entry(e + 2 * k, &i);
            sum[i * stride] += code * x[f];
        }
    }
}

/* sum[i * stride] <- sum over features of code * feature. |feature| <= 2^15, |code|, and code + 4,
 * <= 7, 40 features: below 40 * 7 * 2^15 < 2^24. */
static inline void lp_drive_sums(const lp_model *m, const int16_t *x, int32_t *sum, uint32_t stride)
{
    const lp_matrix *w = &m->layers[0].w;
    if (w->kind == LP_DENSE3) lp_dense_sums(w, x, sum, stride);
    else lp_sparse_sums(w, x, sum, stride);
}

#endif
