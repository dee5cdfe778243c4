/* SPDX-License-Identifier: Apache-2.0 */
/* The first layer's drive, which is held over a frame's steps (SPEC.md, "Network"): (sum over
 * features of code * feature) * 2^drive_shift + bias. */
#ifndef LP_DRIVE_H
#define LP_DRIVE_H

#include "edge_lp.h"
#include "lp_codes.h"
#include "lp_fix.h"

/* |bias| <= 2^22 */
static inline int32_t lp_bias_of(const lp_layer *l, uint32_t i)
{
    return lp_le16s(l->bias + 2 * i) * (1 << l->bias_shift);
}

/* Minus a unit's drive, from its sum, |sum| < 2^24 (below); shifted by at most 6: below 2^30. */
static inline int32_t lp_minus_drive(const lp_model *m, int32_t bias, int32_t sum)
{
    const int32_t up = lp_max(m->drive_shift, 0), down = lp_max(-m->drive_shift, 0);
    const int32_t z = (sum * (1 << up)) >> down;
    return lp_minus_clip22(z + bias);
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
void lp_drive_column(const lp_matrix *m, uint32_t column, const int16_t *x, int32_t offset,
                     int32_t sum[5]);

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
    for (uint32_t i = 0; i < n; i++)
        drive[i] = -lp_minus_drive(m, lp_bias_of(&m->layers[0], i), drive[i]);
}

#endif
