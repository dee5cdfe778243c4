/* SPDX-License-Identifier: Apache-2.0 */
/* Noise on a group's u or v, added from outside the core: (x + mean) 2^(exponent - 7) in each step,
 * x uniform from -128 to 127 (nengo-loihi's and NxSDK's formula; the generator is ours). For
 * Python; no part of the runtime. */
#ifndef NOISE_H
#define NOISE_H

#include "edge_lp.h"

/* cdef: the Python binding is cut from here to the line "cdef end". */
typedef struct {
    uint32_t group, n, on_u;
    int32_t mean, exponent; /* 0..448, 0..20 */
    uint32_t seed, trial;
    const int32_t *bias; /* (n): the group's own */
    int32_t *more;       /* (n): bias_each in the core's description, bias and noise */
    int32_t *u;          /* (n): the core's */
} lp_noise;

/* The core adds `more` to u on its way into v, so noise on either is there in time; noise on u is
 * added to u itself after the step, and to the rows of u that it recorded. v is the same as if it
 * had been in u before: sums are taken modulo 2^24. */
void lp_noise_before(const lp_noise *noises, size_t n_noises, uint64_t step);
void lp_noise_after(const lp_core *core, const lp_noise *noises, size_t n_noises,
                    const lp_probe *probes, size_t n_probes);

/* cdef end */

#endif
