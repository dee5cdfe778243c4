/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the core: the state of a group, as lp_core.c lays it out and strict mode (lp_strict.c)
 * steps it. Not for users of the runtime. */
#ifndef LP_CORE_H
#define LP_CORE_H

#include "edge_lp.h"
#include "lp_fix.h"

/* two accumulator lanes; h[] is in compartment order on every machine, w is for LP_DENSE3 */
typedef union {
    uint32_t w;
    uint16_t h[2];
} lanes;

typedef struct {
    const lp_group *spec;
    int32_t *u, *v;
    uint16_t *refract; /* steps still clamped; NULL when no compartment has a refractory period */
    uint8_t *spikes;   /* NULL: silent */
    lanes *acc;        /* ring of `slots` rows of `stride` words */
    /* strict mode: the same ring, 64 bits wide, 2 * stride a row, in place of acc */
    int64_t *wide;
    uint16_t *offset; /* per slot: what the codes' offsets have added up to */
    uint32_t stride, slots, head;
    uint16_t base;   /* value a fresh slot starts from */
    uint16_t packed; /* LP_DENSE3 rows are added by the word */
    /* lean: both decays are powers of two, 2^(12 - shift), and v's floor is 0 */
    uint8_t lean, shift_u, shift_v;
} group_state;

/* Strict mode's part of a step: updates a group, join NULL or the joined group's new v. 0, or 1 with
 * *where's index, what and value filled by the first compartment that left a range. */
int lp_strict_update(group_state *t, const int32_t *join, lp_overflow *where);
/* Strict mode's delivery: one source's spike into a slot's exact sums. The synapses visited. */
uint64_t lp_strict_add(int64_t *wide, const lp_synapses *y, uint32_t n_dst, uint32_t src);

#endif
