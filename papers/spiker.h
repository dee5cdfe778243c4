/* SPDX-License-Identifier: Apache-2.0 */
/* P1's analog neurons and the units of the network that they stand for; see spiker.c. */
#ifndef EDGE_LP_SPIKER_H
#define EDGE_LP_SPIKER_H

#include <stddef.h>
#include <stdint.h>

/* cdef: what follows is also read by cffi (host/make_binding.py) */

#define LP_SPIKER_ANN 0 /* the low-pass unit of eq. 6, bounded at i_in: no spikes */
#define LP_SPIKER_V1 1  /* the sigma-delta neuron that P1 describes */
#define LP_SPIKER_V2 2  /* the one that made its Fig. 2 */

/* Parameters that may have a row for each step: noise. Bits of lp_spiker.moving. */
#define LP_SPIKER_KEEP_IN 1
#define LP_SPIKER_KEEP_S 2
#define LP_SPIKER_KEEP_E 4
#define LP_SPIKER_GAIN 8
#define LP_SPIKER_THRESHOLD 16
#define LP_SPIKER_I_IN 32

/* A layer of units; currents in A. Retentions are e^(-T/tau), in [0, 1), of a step of T seconds. */
typedef struct {
    int kind;
    uint32_t moving;         /* the parameters below that are (steps, units) in a run */
    size_t units, outputs;   /* outputs: of the linear layer behind it; may be 0 */
    const double *weights;   /* (units, units + outputs): row j goes from unit j to the units, one
                                  step later, and to the outputs */
    const double *keep_in;   /* (units,) retention of the input filter; ANN: not read */
    const double *keep_s;    /* ... of the feedback filter; ANN: of the unit itself */
    const double *keep_e;    /* ... of the error filter; ANN: not read */
    const double *gain;      /* of the error filter, alpha_L; ANN: not read */
    const double *threshold; /* Delta; ANN: not read */
    const double *i_in;      /* height of a fed-back spike; ANN: the bound; V2: what a spike adds */
    double *i, *s, *e;       /* state (units,): input, decoded output, error; all 0 at first */
    double *sum;             /* (units + outputs,) weights' s; 0 at first */
    uint8_t *spike;          /* (units,) of the last step */
    uint32_t *list;          /* (units,) room for their numbers */
} lp_spiker;

/* drive (steps, units): the input current without the recurrence -> s and spikes (steps, units),
 * out (steps, outputs), each of them or NULL. */
void lp_spiker_run(const lp_spiker *layer, size_t steps, const double *drive, double *s,
                   uint8_t *spikes, double *out);

/* cdef end */

#endif
