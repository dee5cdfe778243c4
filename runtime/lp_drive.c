/* SPDX-License-Identifier: Apache-2.0 */
/* The products of the first layer's drive (lp_drive.h): a file of its own, as both the sigma-delta
 * kernel and the general core call it. */
#include "lp_drive.h"

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

void lp_drive_column(const lp_matrix *m, uint32_t column, const int16_t *x, int32_t offset,
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
