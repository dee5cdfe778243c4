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
    const int32_t up = lp_max(m->drive_shift, 0), down = lp_max(-m->drive_shift, 0);
    const int32_t z = (sum * (1 << up)) >> down;
    return lp_clip22(z + bias);
}

/* Codes at `bit` are taken where they stand, and make sums 2^LP_STAND times as large, where a shift
 * is an instruction. Below 2^24 times 2^6. */
#define LP_STAND(bit) (LP_DSP || (bit) > 6 ? 0 : (bit))

/* s + the codes + 4 at `bit` of two half words, times two features. */
LP_INLINE int32_t lp_products(int32_t s, uint32_t w0, uint32_t w1, uint32_t bit, const int16_t *x,
                              uint32_t codes)
{
    const uint32_t down = bit - LP_STAND(bit), mask = 7u << LP_STAND(bit);
    if (LP_DSP) return lp_mac2((w0 | w1 << 16) >> bit & codes, lp_le16x2(x), s);
    return s + (int32_t)(w0 >> down & mask) * x[0] + (int32_t)(w1 >> down & mask) * x[1];
}

/* What the offsets of a dense matrix's codes add, to be taken back. */
static inline int32_t lp_drive_offset(const int16_t *x)
{
    int32_t offset = 0;
    for (uint32_t f = 0; f < LP_FEATURES; f++) offset -= 4 * x[f];
    return offset;
}

/* For a dense matrix: the sums of units column + 2 words j, which are the five of half a word, two
 * features at a time. */
LP_APART void lp_drive_column(const lp_matrix *m, uint32_t column, const int16_t *x, int32_t offset,
                              int32_t sum[5])
{
    const uint32_t row = 4 * DENSE3_WORDS(m->n_out), codes = lp_register(0x00070007u);
    const int16_t *const end = x + LP_FEATURES;
    const uint8_t *p = m->codes + 2 * column;
    int32_t s0 = offset, s1 = offset * (1 << LP_STAND(3)), s2 = offset * (1 << LP_STAND(6)),
            s3 = offset, s4 = offset;
    for (; x < end; x += 2, p += 2 * row) {
        const uint32_t w0 = lp_le16(p), w1 = lp_le16(p + row);
        s0 = lp_products(s0, w0, w1, 0, x, codes);
        s1 = lp_products(s1, w0, w1, 3, x, codes);
        s2 = lp_products(s2, w0, w1, 6, x, codes);
        s3 = lp_products(s3, w0, w1, 9, x, codes);
        s4 = lp_products(s4, w0, w1, 12, x, codes);
    }
    sum[0] = s0, sum[1] = s1 >> LP_STAND(3), sum[2] = s2 >> LP_STAND(6), sum[3] = s3, sum[4] = s4;
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

/* Every unit's drive. |feature| <= 2^15, |code|, and code + 4, <= 7, 40 features: sums stay below
 * 40 * 7 * 2^15 < 2^24. */
static inline void lp_drive(const lp_model *m, const int16_t *x, int32_t *drive)
{
    const lp_matrix *w = &m->layers[0].w;
    const uint32_t n = w->n_out, columns = 2 * DENSE3_WORDS(n);
    const int32_t offset = lp_drive_offset(x);
    int32_t s[5];
    for (uint32_t c = 0; w->kind == LP_DENSE3 && c < columns; c++) {
        lp_drive_column(w, c, x, offset, s);
        for (uint32_t j = 0, i = c; i < n; j++, i += columns) drive[i] = s[j];
    }
    if (w->kind != LP_DENSE3) lp_sparse_sums(w, x, drive, 1);
    for (uint32_t i = 0; i < n; i++) drive[i] = lp_drive_of(m, i, drive[i]);
}

#endif
