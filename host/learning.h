/* SPDX-License-Identifier: Apache-2.0 */
/* Loihi-1's learning engine beside the core: spikes become traces, and at the end of each learning
 * epoch sums of products of traces change weights and tags (docs/loihi.md, "Learning", says what is
 * computed and where each width comes from). For Python; no part of the runtime. */
#ifndef LEARNING_H
#define LEARNING_H

#include "edge_lp.h"
#include "noise.h"

/* cdef: the Python binding is cut from here to the line "cdef end". */
#define LP_LEARN_EPOCH 63  /* the longest: spike times within an epoch have 6 bits, 0 is none */
#define LP_LEARN_FACTORS 8 /* of a product, at most */
#define LP_LEARN_WORK 16   /* what a product of a synapse takes, in synaptic operations */
#define LP_LEARN_TRACE 129 /* entries of a decay's table: magnitudes 0..128 */

/* What a factor reads; the traces first, in the order of lp_learner's. */
typedef enum {
    LP_X1,
    LP_X2,
    LP_Y1,
    LP_Y2,
    LP_Y3,
    LP_X0,
    LP_Y0,
    LP_R0,
    LP_R1,
    LP_WEIGHT,
    LP_TAG
} lp_variable;

typedef struct { /* clip(variable + add) to [-2^bits, 2^bits - 1], or the sign of the sum */
    lp_variable what;
    int32_t add, bits, sign;
} lp_factor;

/* Counts for synapses where `when` holds (LP_X0: the source spiked in the epoch; LP_Y0: the target
 * did; LP_TAG: always), with traces as they were at that spike, or at the epoch's end; gated: only
 * in every 2^k-th epoch. Adds clip16((mantissa * product of the factors >> right) << left). */
typedef struct {
    lp_variable target, when;                      /* target: LP_WEIGHT or LP_TAG */
    int32_t gated, mantissa, right, left, n, wide; /* wide: the product has more than 31 bits */
    lp_factor factors[LP_LEARN_FACTORS];
} lp_product;

typedef struct {                     /* one of x1 x2 y1 y2 y3, or r1 */
    uint8_t used, impulse, fraction; /* impulse: + fraction / 256; unused ones stay 0 */
    uint8_t *now;                    /* (n) 0..127, as of the end of the last epoch */
    uint8_t *history;                /* (epoch + 1, n), room */
    /* the next value of each magnitude, rounded down, and the chance of one more in 2^-16 */
    uint8_t keep[LP_LEARN_TRACE];
    uint32_t more[LP_LEARN_TRACE];
} lp_trace;

/* A block of synapses of one delay that learn by one rule. Arrays are the caller's. */
typedef struct {
    int32_t src; /* group, or LP_INPUT */
    uint32_t dst, n_src, n_dst;
    const uint32_t *rows;           /* (n_src + 1) */
    const uint16_t *targets;        /* NULL: each row has all n_dst of them */
    int16_t *weights, *tags;        /* mantissas and tags, in order of the synapses */
    int16_t *out;                   /* the core's own weights, in the same order */
    int32_t bits, lo, hi, exponent; /* mantissas: multiples of 2^bits from lo to hi */
    lp_trace traces[5], reward;     /* reward: decay only */
    uint8_t *tx, *ty;               /* of the last spike in this epoch, 1..epoch, or 0 */
    int16_t *r1; /* (epoch + 2): now, at each step of the epoch, and whether r0 */
    lp_product *products;
    uint32_t n_products, epoch, decimate, number, seed, nearest;
    int32_t *scratch;   /* (4, n_dst) */
    int64_t *scratch64; /* (n_dst) */
    uint32_t *at;       /* (n_dst) */
    uint16_t *to;       /* (n_dst) */
    uint8_t *own;       /* (3, n_dst): y traces at their own spike */
} lp_learner;

typedef struct { /* what of a learner is recorded: traces uint8, LP_WEIGHT, LP_TAG, LP_R1 int16 */
    uint32_t learner;
    lp_variable what;
    void *rows;
} lp_learn_probe;

/* lp_core_run with learners and noise beside it, that comes back in time as steps_of (frames.h)
 * does, between any two steps: a product of a synapse counts as LP_LEARN_WORK. rewards: (steps), or
 * NULL. A step that overflows (LP_E_OVERFLOW) has been done, learning too. */
int lp_learn_run(lp_core *core, lp_learner *learners, size_t n_learners, uint64_t *work,
                 size_t steps, const uint32_t *starts, const uint16_t *inputs,
                 const int16_t *rewards, lp_probe *probes, const size_t *sizes, size_t n_probes,
                 const lp_learn_probe *learn_probes, size_t n_learn_probes, const lp_noise *noises,
                 size_t n_noises, size_t *done);
/* All weights to the core, from the mantissas. */
void lp_learn_out(const lp_learner *l);
/* The 16 bits of chance that `stream` has for `index` in step `step` (of all steps, from 1). */
uint32_t lp_learn_draw(uint32_t seed, uint32_t number, uint64_t step, uint32_t stream,
                       uint32_t index);

/* cdef end */

#endif
