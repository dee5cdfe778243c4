/* SPDX-License-Identifier: Apache-2.0 */
/* Which of many flags are set, without a branch: what spikes cannot be predicted. For vectors'
 * machines, core and kernel. */
#ifndef LP_PLACES_H
#define LP_PLACES_H

#include "lp_fix.h"

typedef struct { /* of a byte: the places of the bits that are set, in order, and how many */
    uint16_t at[256][8];
    uint8_t count[256];
} lp_places;
#if defined(__GNUC__)
typedef uint16_t lp_lanes8 __attribute__((vector_size(16), aligned(2), may_alias));
#endif

static inline void lp_places_fill(lp_places *table)
{
    lp_zero(table, sizeof *table);
    for (uint32_t byte = 0; byte < 256; byte++)
        for (uint16_t k = 0; k < 8; k++)
            if (byte >> k & 1) table->at[byte][table->count[byte]++] = k;
}

/* list <- i where flags[i], 0 or 1, is set; how many. n is up to a multiple of 8, with zeros; list
 * has room for 8 more. */
LP_INLINE uint32_t lp_places_of(const lp_places *restrict table, const uint8_t *restrict flags,
                                uint32_t n, uint16_t *restrict list)
{
    const uint8_t *const end = flags + n;
    uint16_t *to = list;
#if defined(__GNUC__)
    lp_lanes8 from = {0};
#else
    uint16_t from = 0;
#endif
    for (; flags < end; flags += 8) {
        /* byte k times 2^(7 - 7 k + 56) is bit 56 + k */
        const uint64_t set = lp_le64(flags) * 0x0102040810204080u >> 56;
#if defined(__GNUC__)
        *(lp_lanes8 *)to = *(const lp_lanes8 *)table->at[set] + from;
#else
        for (uint32_t k = 0; k < 8; k++) to[k] = (uint16_t)(table->at[set][k] + from);
#endif
        from += 8;
        to += table->count[set];
    }
    return (uint32_t)(to - list);
}

#endif
