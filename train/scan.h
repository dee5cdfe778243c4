/* SPDX-License-Identifier: Apache-2.0 */
/* The recurrence of a low-pass layer for the trainer; see scan.c. */
#ifndef EDGE_LP_SCAN_H
#define EDGE_LP_SCAN_H

#include <stddef.h>
#include <stdint.h>

/* cdef: what follows is also read by cffi (host/make_binding.py) */

typedef struct {
    size_t frames, sub_steps, batch, units;
    const float *retention; /* (units,) a, of one sub-step, in [0, 1) */
    float limit;            /* I_in > 0 */
    int spiking;            /* y is what spikes carry, as on the core; see scan.c */
} lp_scan;

/* recurrent (units, units); drive (batch, frames, units) -> before (batch, steps, units): y before
 * each of the frames * sub_steps steps, 0 before the first; inside, of the same shape: 1 where z
 * lies in 0..limit; out (batch, frames, units): y at each frame's end. Rows first..last-1 of the
 * batch. Returns 0, or -1: no memory. */
int lp_scan_forward(const lp_scan *scan, size_t first, size_t last, const float *recurrent,
                    const float *drive, float *before, uint8_t *inside, float *out);

/* transposed (units, units): the recurrent matrix's; dy (batch, frames, units): the gradient of
 * out; inside as above -> dz (batch, steps, units), d_drive (batch, frames, units). The matrix's
 * gradient is the product of `before`, transposed, and dz. Returns 0, or -1: no memory. */
int lp_scan_backward(const lp_scan *scan, size_t first, size_t last, const float *transposed,
                     const float *dy, const uint8_t *inside, float *dz, float *d_drive);

/* cdef end */

#endif
