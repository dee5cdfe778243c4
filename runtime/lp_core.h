/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the core: its state in memory, and what its files ask of each other. Not for users of the
 * runtime.
 *   lp_core.c     lays the state out and steps it
 *   lp_update.h   updates a group of compartments, a part of it
 *   lp_synapse.c  knows the kinds of synapses: checks them and delivers spikes
 *   lp_strict.c   strict mode's slow step
 *   lp_state.c    state out and back in */
#ifndef LP_CORE_H
#define LP_CORE_H

#include "edge_lp.h"
#include "lp_fix.h"
#include "lp_places.h"

/* Explicit vectors, where the target has them and the compiler writes them as GCC does. */
#if defined(__GNUC__) && LP_VECTORS
#define VECTORS 1
typedef uint16_t lanes16 __attribute__((vector_size(32), aligned(2), may_alias));
#else
#define VECTORS 0
#endif

/* Room for whole vectors, so that a loop over them has no rest: behind a group's u, v, spikes and
 * accumulators. */
static inline uint32_t lp_padded(uint32_t n) { return VECTORS ? (n + 31) & ~31u : n; }

/* two accumulator lanes; h[] is in compartment order on every machine, w is for LP_DENSE3 */
typedef union {
    uint32_t w;
    uint16_t h[2];
} lanes;

typedef struct {
    const lp_group *spec;
    int32_t *u, *v;
    uint16_t *refract; /* steps still clamped; NULL when no compartment has a refractory period */
    uint8_t *spikes;   /* NULL: silent; else n of them, to a multiple of 8 with zeros */
    lanes *acc;        /* ring of `slots` rows of `stride` words */
    /* strict mode: the same ring, 64 bits wide, 2 * stride a row, in place of acc */
    int64_t *wide;
    uint16_t *offset; /* per slot: what the codes' offsets have added up to */
    uint32_t stride, slots, head;
    uint16_t base;   /* value a fresh slot starts from */
    uint16_t packed; /* LP_DENSE3 rows are added by the word */
    /* lean: both decays are powers of two, 2^(12 - shift), and v's floor is 0 */
    uint8_t lean, shift_u, shift_v;
    uint16_t odd_u, odd_v; /* decay = odd * 2^(12 - shift) */
} group_state;

/* the head of the dynamic block */
typedef struct {
    uint64_t network, check; /* lp_core_state's seal: of which network, and a sum of what follows */
    lp_counts counts;
    lp_overflow overflow;
    uint32_t heads[1]; /* n_groups of them */
} clock_state;

struct lp_core {
    lp_core_spec spec;
    group_state *groups;
    /* synapses by source: first[group], first[n_groups] for the input axons, then next[synapses];
     * NOWHERE ends a chain */
    uint32_t *first, *next;
    uint16_t *list;     /* spiking sources of one group, in order */
    lp_places *places;  /* NULL without vectors */
    clock_state *clock; /* start of the dynamic block */
    size_t dynamic_bytes;
};
#define NOWHERE UINT32_MAX

/* What a group's synapses ask of its accumulators. */
typedef struct {
    uint32_t delay; /* the longest */
    uint32_t words; /* a slot's */
    uint16_t base, packed;
} incoming;

uint32_t lp_sources(const lp_core_spec *s, const lp_synapses *y);
int lp_synapses_check(const lp_core_spec *s, const lp_synapses *y);
incoming lp_incoming(const lp_core_spec *s, uint32_t group);
/* The spikes of list[count] into the slot where they are due. The synapses visited. */
uint64_t lp_deliver(group_state *t, const lp_synapses *y, const uint16_t *list, size_t count);

/* Strict mode's part of a step: updates a group, join NULL or the joined group's new v. 0, or 1
 * with *where's index, what and value filled by the first compartment that left a range. */
int lp_strict_update(group_state *t, const int32_t *join, lp_overflow *where);
/* Strict mode's delivery: the spikes into a slot's exact sums. The synapses visited. */
uint64_t lp_strict_add(int64_t *wide, const lp_synapses *y, uint32_t n_dst, const uint16_t *list,
                       size_t count);

#endif
