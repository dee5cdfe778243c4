/* SPDX-License-Identifier: Apache-2.0 */
/* Which of many flags are set, without a branch: what spikes cannot be predicted. For vectors'
 * machines, core and kernel. */
#ifndef LP_PLACES_H
#define LP_PLACES_H

#include "lp_fix.h"

typedef struct { /* the places of the bits that are set in a byte, in order */
    uint16_t at[8];
} lp_places;
#if defined(__GNUC__)
typedef uint16_t lp_lanes8 __attribute__((vector_size(16), aligned(2), may_alias));
#endif

static inline void lp_places_fill(lp_places table[256])
{
    lp_zero(table, 256 * sizeof *table);
    for (uint32_t byte = 0; byte < 256; byte++)
        for (uint16_t k = 0, n = 0; k < 8; k++)
            if (byte >> k & 1) table[byte].at[n++] = k;
}

/* list <- i where flags[i], 0 or 1, is set; how many. n is up to a multiple of 8, with zeros; list
 * has room for 8 more. */
LP_INLINE uint32_t lp_places_of(const lp_places *restrict table, const uint8_t *restrict flags,
                                uint32_t n, uint16_t *restrict list)
{
    uint16_t *to = list;
    for (uint32_t i = 0; i < n; i += 8) {
        const uint64_t eight = lp_le32(flags + i) | (uint64_t)lp_le32(flags + i + 4) << 32;
        /* byte k times 2^(7 - 7 k + 56) is bit 56 + k */
        const lp_places *set = &table[eight * 0x0102040810204080u >> 56];
#if defined(__GNUC__)
        *(lp_lanes8 *)to = *(const lp_lanes8 *)set->at + (uint16_t)i;
#else
        for (uint32_t k = 0; k < 8; k++) to[k] = (uint16_t)(set->at[k] + i);
#endif
        to += eight * 0x0101010101010101u >> 56; /* the sum of the bytes */
    }
    return (uint32_t)(to - list);
}

#endif
