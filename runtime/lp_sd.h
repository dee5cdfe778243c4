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
LP_INLINE int32_t lp_decayed_from(int32_t y, uint32_t s, int32_t more)
{
    if (LP_DSP) return lp_mac_high(y, (int32_t)(0u - (1u << (32 - s))), y + more);
    return y + (-y >> s) + more;
}
LP_INLINE int32_t lp_decayed(int32_t x, uint32_t s, int32_t more)
{
    return lp_decayed_from((int32_t)((uint32_t)x + ((uint32_t)x >> 31)), s, more);
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

/* Stored synapses of source j in m, as the core counts them; m NULL: none. */
static inline uint32_t lp_sd_row(const lp_matrix *m, uint32_t j)
{
    const uint8_t *e;
    return !m ? 0 : m->kind == LP_DENSE3 ? m->n_out : sparse3_row(m->codes, j, &e);
}

/* What the spikes of layer l do: counted when they are made. */
LP_INLINE void lp_sd_count(lp_counts *c, const lp_model *m, uint32_t l, const uint16_t *list,
                           uint32_t n)
{
    const lp_layer *y = &m->layers[l];
    const lp_matrix *own = y->recurrent ? &y->u : NULL, *above = &y[1].w;
    c->spikes += n;
    if (above->kind == LP_DENSE3 && (!own || own->kind == LP_DENSE3))
        c->synops += (uint64_t)n * (1 + above->n_out + (own ? own->n_out : 0)); /* 1: the autapse */
    else
        for (uint32_t r = 0; r < n; r++)
            c->synops += 1 + lp_sd_row(own, list[r]) + lp_sd_row(above, list[r]);
}

LP_INLINE void lp_sd_count_frame(lp_counts *c, const lp_model *m)
{
    c->steps += m->steps;
    for (uint32_t l = 0; l < m->n_layers; l++)
        c->updates += (uint64_t)m->layers[l].n * m->steps * (l + 1u < m->n_layers ? 2 : 1);
}

#endif
