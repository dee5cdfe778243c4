/* SPDX-License-Identifier: Apache-2.0 */
/* How 3-bit codes lie in a model's bytes (SPEC.md, "Dense coding" and "Sparse coding"). Both store
 * code + 4, 0..7. */
#ifndef LP_CODES_H
#define LP_CODES_H

#include "lp_fix.h"

#define DENSE3_WORDS(n_dst) (((n_dst) + 9u) / 10u) /* ten codes a word, five in each half */

/* Bytes of a row. */
static inline size_t dense3_row(uint32_t n_dst) { return 4u * (size_t)DENSE3_WORDS(n_dst); }

/* Code -4..3 of target i in a dense row. Word k, field j (bits 3 j) holds targets 2 (j words + k)
 * in its lower half, one more above. */
static inline int32_t dense3_code(const uint8_t *row, uint32_t words, uint32_t i)
{
    uint32_t pair = i / 2, field = pair / words, k = pair % words;
    return (int32_t)(lp_le32(row + 4 * k) >> (3 * field + 16 * (i % 2)) & 7) - 4;
}

/* Row src of a sparse block: *entries points at that many 16-bit entries. */
static inline uint32_t sparse3_row(const uint8_t *block, uint32_t src, const uint8_t **entries)
{
    uint32_t from = lp_le16(block + 2 * src), to = lp_le16(block + 2 * src + 2);
    *entries = block + 2 * from;
    return to - from;
}

static inline int32_t sparse3_entry(const uint8_t *entry, uint32_t *target)
{
    uint32_t e = lp_le16(entry);
    *target = e & 0x1fffu;
    return (int32_t)(e >> 13) - 4;
}

/* n_src + 1 offsets (16-bit units from the block's start, rising, the last one the block's end),
 * then the entries, targets rising in a row. */
static inline int sparse3_valid(const uint8_t *block, size_t bytes, uint32_t n_src, uint32_t n_dst)
{
    if (bytes % 2 || bytes < 2 * ((size_t)n_src + 1) || bytes > 131070) return 0;
    if (lp_le16(block) != n_src + 1 || 2 * (size_t)lp_le16(block + 2 * n_src) != bytes) return 0;
    for (uint32_t i = 0; i < n_src; i++)
        if (lp_le16(block + 2 * i + 2) < lp_le16(block + 2 * i)) return 0;
    for (uint32_t i = 0; i < n_src; i++) {
        const uint8_t *e;
        uint32_t count = sparse3_row(block, i, &e), next = 0, target;
        for (uint32_t k = 0; k < count; k++) {
            sparse3_entry(e + 2 * k, &target);
            if (target < next || target >= n_dst) return 0;
            next = target + 1;
        }
    }
    return 1;
}

#endif
