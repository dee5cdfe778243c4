/* SPDX-License-Identifier: Apache-2.0 */
/* The sigma-delta kernel: what the core computes for a network (SPEC.md, "Network"), in one pass
 * over each layer. Three things make it possible:
 *   - A soma's voltage is 0 after every step: its threshold and its floor are 0, so it spikes or is
 *     clipped. A soma is one number, b = -u: it spikes where the dendrite's v > b. Its spike comes
 *     back through the autapse in the next step; until then b is kept complemented, below 0.
 *   - Nothing wraps where lp_sd_fits says yes, by bounds that hold for any input.
 *   - Layers run from the output down: each still finds the spikes of the step before in the lists
 *     of the layers that it listens to.
 * Two implementations with one interface: lp_sd_vector.c and lp_sd_scalar.c, chosen by LP_VECTORS;
 * the bounds are in lp_sd.c. lp_net.c decides whether it is used, nobody else looks.
 * tests/runtime/test_kernel_proofs.py proves the decay, the step and sleeping. */
#ifndef LP_SD_H
#define LP_SD_H

#include "edge_lp.h"
#include "lp_drive.h"

typedef struct lp_sd lp_sd;

/* Does the kernel compute what the core does, for every input? */
int lp_sd_fits(const lp_model *model, uint32_t flags);
/* Lays the kernel out; with a->base NULL it only measures, and the result is NULL. Reset it. */
lp_sd *lp_sd_place(const lp_model *model, uint32_t flags, lp_arena *a);
/* The same without vectors, in every build: for LP_BOARD. */
lp_sd *lp_sd_place_scalar(const lp_model *model, lp_arena *a);
void lp_sd_reset(lp_sd *sd);
void lp_sd_frame(lp_sd *sd, const int16_t *features);
const int32_t *lp_sd_output(const lp_sd *sd); /* the output's u */
/* As lp_net_state and lp_net_counts. */
void lp_sd_state(const lp_sd *sd, uint32_t group, int32_t *u, int32_t *v, uint8_t *spikes);
void lp_sd_counts(const lp_sd *sd, lp_counts *counts);

/* tau = 2^shift; only where lp_sd_fits */
static inline uint32_t lp_sd_shift(const lp_model *m)
{
    uint32_t s = 1;
    while (s < 12 && 4096u >> s != m->delta) s++;
    return s;
}

/* decay(x) + more, 1 <= s <= 12: with y = x, and x + 1 below 0, SPEC's decay is y - ceil(y / 2^s).
 * No overflow for any x; more is within the callers' bounds. */
LP_INLINE int32_t lp_toward_zero(int32_t x) { return (int32_t)((uint32_t)x + ((uint32_t)x >> 31)); }
LP_INLINE int32_t lp_decay_into(int32_t y, uint32_t s, int32_t more) /* more: y is in it */
{
    if (LP_DSP) return lp_mac_high(y, (int32_t)(0u - (1u << (32 - s))), more);
    return (-y >> s) + more;
}
LP_INLINE int32_t lp_decayed_from(int32_t y, uint32_t s, int32_t more)
{
    return lp_decay_into(y, s, y + more);
}
LP_INLINE int32_t lp_decayed(int32_t x, uint32_t s, int32_t more)
{
    return lp_decayed_from(lp_toward_zero(x), s, more);
}

/* The soma's next b (not below 0) after b, complemented if it spiked. */
LP_INLINE int32_t lp_next_b(int32_t b, uint32_t s, int32_t feedback)
{
    const int32_t spiked = b >> 31;
    return lp_decayed_from(b ^ spiked, s, feedback & spiked);
}

/* One unit of lp_net_state, from u and v of its dendrite (or output) and its b. */
static inline void lp_sd_unit(uint32_t soma, int32_t u, int32_t v, int32_t b, int32_t *to_u,
                              int32_t *to_v, uint8_t *to_spikes)
{
    if (to_u) *to_u = !soma ? u : -(b < 0 ? ~b : b);
    if (to_v) *to_v = !soma ? v : 0;
    if (to_spikes) *to_spikes = soma && b < 0;
}

/* What n spikes of layer l did in a frame, and the frame itself; without their rows in a sparse
 * matrix. */
static inline void lp_sd_count(lp_counts *c, const lp_model *m, uint32_t l, uint32_t n)
{
    const lp_layer *y = &m->layers[l], *above = &y[1];
    const int hidden = l + 1u < m->n_layers;
    uint32_t rows = 1; /* the autapse */
    if (hidden && above->w.kind == LP_DENSE3) rows += above->n;
    if (y->recurrent && y->u.kind == LP_DENSE3) rows += y->n;
    if (!l) c->steps += m->steps;
    c->updates += y->n * m->steps * (hidden ? 2u : 1u);
    c->spikes += n;
    c->synops += (uint64_t)n * rows;
}

/* A step's spikes' rows in those of l's matrices that are sparse. */
LP_ONCE static inline void lp_sd_sparse_rows(lp_counts *c, const lp_matrix *m, const uint16_t *list,
                                             uint32_t n)
{
    const uint8_t *e;
    for (uint32_t r = 0; r < n; r++) c->synops += sparse3_row(m->codes, list[r], &e);
}
static inline void lp_sd_count_sparse(lp_counts *c, const lp_layer *l, const uint16_t *list,
                                      uint32_t n)
{
    if (l[1].w.kind == LP_SPARSE3) lp_sd_sparse_rows(c, &l[1].w, list, n);
    if (l->recurrent && l->u.kind == LP_SPARSE3) lp_sd_sparse_rows(c, &l->u, list, n);
}

#endif
