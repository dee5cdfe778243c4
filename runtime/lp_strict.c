/* SPDX-License-Identifier: Apache-2.0 */
/* Strict mode: the core's step with every range checked (SPEC.md, "Overflow"). Slow and plain: sums
 * that cannot wrap, one compartment and one synapse at a time. */
#include "lp_core.h"
#include "lp_codes.h"

int lp_strict_update(group_state *t, const int32_t *join, lp_overflow *where)
{
    const lp_group *g = t->spec;
    const int64_t *q = t->wide + (size_t)t->head * t->stride * 2;
    int bad = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        int32_t now = lp_decay(t->u[i], 4096 - (g->du_each ? g->du_each[i] : g->du)) +
                      (int16_t)q[i] * 64;
        int32_t in = lp_wrap24(now) + (g->bias_each ? g->bias_each[i] : g->bias) +
                     (join ? join[i] : 0);
        int32_t x = lp_decay(t->v[i], 4096 - (g->dv_each ? g->dv_each[i] : g->dv)) + lp_wrap24(in);
        lp_what what = LP_WHAT_SPIKES;
        int64_t value = 0;
        if (q[i] != (int16_t)q[i]) what = LP_WHAT_Q, value = q[i];
        else if (now != lp_wrap24(now)) what = LP_WHAT_U, value = now;
        else if (in != lp_wrap24(in)) what = LP_WHAT_V, value = in;
        else if (x > LP_V_LIMIT || x < -LP_V_LIMIT) what = LP_WHAT_V, value = x;
        if (what != LP_WHAT_SPIKES && !bad) {
            bad = 1;
            where->index = i;
            where->what = what;
            where->value = value;
        }
        x = lp_clip(x, g->vmin, g->vmax);
        t->u[i] = lp_wrap24(now);
        int fired = t->spikes && x > (g->vth_each ? g->vth_each[i] : g->vth);
        t->v[i] = fired ? 0 : x;
        if (t->spikes) t->spikes[i] = (uint8_t)fired;
    }
    return bad;
}

/* Every kind, one synapse at a time, into sums that cannot wrap (2^16 sources a block,
 * |w| <= 2^15: 2^32 blocks fit). */
static uint64_t add(int64_t *wide, const lp_synapses *y, uint32_t n_dst, uint32_t src)
{
    const uint8_t *e = NULL, *row = y->data;
    uint32_t from = 0, to = n_dst;
    if (y->kind == LP_SPARSE16) from = y->rows[src], to = y->rows[src + 1];
    if (y->kind == LP_SPARSE3) to = sparse3_row(row, src, &e);
    if (y->kind == LP_DENSE3) row += src * dense3_row(n_dst);
    if (y->kind == LP_DIAGONAL) from = src, to = src + 1;
    for (uint32_t k = from; k < to; k++) {
        uint32_t i = k;
        int32_t w = y->weight;
        if (y->kind == LP_SPARSE16) w = ((const int16_t *)y->data)[k], i = y->targets[k];
        if (y->kind == LP_DENSE16) w = ((const int16_t *)y->data)[(size_t)src * n_dst + k];
        if (y->kind == LP_SPARSE3) w = sparse3_entry(e + 2 * k, &i) * (1 << y->shift);
        if (y->kind == LP_DENSE3) w = dense3_code(row, DENSE3_WORDS(n_dst), k) * (1 << y->shift);
        wide[i] += w;
    }
    return to - from;
}

uint64_t lp_strict_add(int64_t *wide, const lp_synapses *y, uint32_t n_dst, const uint16_t *list,
                       size_t count)
{
    uint64_t visited = 0;
    for (size_t k = 0; k < count; k++) visited += add(wide, y, n_dst, list[k]);
    return visited;
}
