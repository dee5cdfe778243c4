/* SPDX-License-Identifier: Apache-2.0 */
/* How a group of compartments is updated (SPEC.md, "Core", steps 2-7), a slot of its accumulators
 * being consumed. Part of lp_core.c. */
#ifndef LP_UPDATE_H
#define LP_UPDATE_H

#include "lp_core.h"

static void clear_slot(group_state *t, uint32_t slot)
{
    if (t->wide) {
        lp_zero(t->wide + (size_t)slot * t->stride * 2, t->stride * 2 * sizeof(int64_t));
    } else {
        lanes *row = t->acc + (size_t)slot * t->stride;
        uint32_t both = (uint32_t)t->base << 16 | t->base;
        for (uint32_t i = 0; i < t->stride; i++) row[i].w = both;
    }
    t->offset[slot] = t->base;
}

/* Steps 2-7 of the core for one group with shared parameters. The last two are constants at each
 * call, `silent` at some: with vectors, loops without a branch.
 * adds: add has one value a compartment on u's way into v, the joined v or bias_each, in place of
 * g->bias. Without vectors it pays to look where nothing can happen: a compartment at rest, or a v
 * at its floor of 0 that is pulled down.
 * lean: 1, see group_state; above 1, it is both shifts.
 * Ranges: |u|, |bias|, |join| <= 2^23, so their sum is below 2^25; |decay(v)| <= 2^23 and
 * |wrap24| <= 2^23, so v is below 2^24. */
LP_INLINE void update(group_state *t, uint8_t *restrict spikes, const int32_t *restrict add,
                      int silent, const int adds, const int lean)
{
    const lp_group *g = t->spec;
    const uint32_t n = g->n;
    const uint16_t *restrict q = (t->acc + (size_t)t->head * t->stride)->h;
    const uint16_t offset = t->offset[t->head];
    int32_t *restrict u = t->u;
    int32_t *restrict v = t->v;
    const int32_t ku = 4096 - g->du, kv = 4096 - g->dv, su = lean > 1 ? lean : t->shift_u,
                  sv = lean > 1 ? lean : t->shift_v, vmin = lean ? 0 : g->vmin, vmax = g->vmax;
    const int32_t vth = silent ? INT32_MAX : g->vth, up = (1 << sv) - 1;
    for (uint32_t i = 0; i < n; i++) {
        int32_t sum = (int16_t)(uint16_t)(q[i] - offset), more = adds ? add[i] : g->bias;
        if (!VECTORS && lean && !silent && !(u[i] | v[i] | sum | more)) {
            spikes[i] = 0;
            continue;
        }
        int32_t now = lp_wrap24((lean ? lp_decay_shift(u[i], su) : lp_decay(u[i], ku)) + sum * 64);
        int32_t in = lp_wrap24(now + more);
        u[i] = now;
        if (!VECTORS && lean && v[i] == 0 && in <= 0) {
            if (!silent) spikes[i] = 0;
            continue;
        }
        int32_t x = lp_clip((lean ? v[i] - ((v[i] + up) >> sv) : lp_decay(v[i], kv)) + in, vmin,
                            vmax);
        int32_t fired = x > vth;
        v[i] = fired ? 0 : x;
        if (VECTORS || !silent) spikes[i] = (uint8_t)fired;
    }
}

#if VECTORS
/* The same in two loops of whole vectors without a rest: n is a multiple of 32, as the mask tells
 * the compiler. What lies behind the group is updated as well, and nobody's.
 * Kinds of decays: ANY; ODD, lp_decay_odd serves; WIDE, a shift of u that leaves at most 3/4: then
 * -2^23 <= u < 2^23 stays so by itself, as 64 q is within -2^21..2^21 - 64. */
enum { ANY, ODD, WIDE };

LP_INLINE void currents(int32_t *restrict u, uint16_t *restrict q, uint32_t n, uint16_t offset,
                        uint16_t base, int32_t odd, int32_t shift, const int kind)
{
    const int32_t keep = 4096 - (odd << (12 - shift));
    for (uint32_t i = 0; i < (n & ~31u); i++) {
        const int32_t sum = (int16_t)(uint16_t)(q[i] - offset);
        const int32_t old = kind == WIDE  ? lp_decay_shift(u[i], shift)
                            : kind == ODD ? lp_decay_odd(u[i], odd, shift)
                                          : lp_decay(u[i], keep);
        const int32_t now = old + (int32_t)((uint32_t)sum << 6); /* a product would be widened */
        u[i] = kind == WIDE ? now : lp_wrap24(now);
        q[i] = base;
    }
}

/* ODD: and bias is 0. */
LP_INLINE void voltages(int32_t *restrict v, uint8_t *restrict spikes, const int32_t *restrict u,
                        uint32_t n, const lp_group *g, int32_t odd, int32_t shift, const int kind)
{
    const int32_t keep = 4096 - g->dv, bias = g->bias, vmin = g->vmin, vmax = g->vmax,
                  vth = g->silent ? INT32_MAX : g->vth;
    for (uint32_t i = 0; i < (n & ~31u); i++) {
        const int32_t in = kind == ODD ? u[i] : lp_wrap24(u[i] + bias);
        const int32_t old = kind == ODD ? lp_decay_odd(v[i], odd, shift) : lp_decay(v[i], keep);
        const int32_t x = lp_clip(old + in, vmin, vmax);
        v[i] = x > vth ? 0 : x;
        spikes[i] = x > vth;
    }
}

LP_CLONES static void update_plain(group_state *t, uint8_t *spikes)
{
    const lp_group *g = t->spec;
    const uint32_t n = lp_padded(g->n), ou = t->odd_u, su = t->shift_u, ov = t->odd_v,
                   sv = t->shift_v;
    uint16_t *q = (t->acc + (size_t)t->head * t->stride)->h, *offset = t->offset + t->head;
    if (ou == 1 && su <= 2) currents(t->u, q, n, *offset, t->base, ou, su, WIDE);
    else if (ou < 256) currents(t->u, q, n, *offset, t->base, ou, su, ODD);
    else currents(t->u, q, n, *offset, t->base, ou, su, ANY);
    /* now, as the bias may be rewritten between steps */
    if (ov < 256 && g->bias == 0) voltages(t->v, spikes, t->u, n, g, ov, sv, ODD);
    else voltages(t->v, spikes, t->u, n, g, ov, sv, ANY);
    *offset = t->base;
    for (uint32_t i = g->n; i % 8; i++) spikes[i] = 0; /* what list_spikes looks at */
}
#else
static void update_plain(group_state *t, uint8_t *spikes)
{
    update(t, spikes, NULL, t->spec->silent, 0, 0);
    clear_slot(t, t->head);
}
#endif

LP_CLONES static void update_adding(group_state *t, uint8_t *spikes, const int32_t *add)
{
    const int silent = t->spec->silent;
    if (!t->lean) update(t, spikes, add, silent, 1, 0);
    else if (VECTORS || t->shift_u != 6 || t->shift_v != 6) update(t, spikes, add, silent, 1, 1);
    /* a constant shift where tau is 64: one instruction in ten on a Cortex-M */
    else if (silent) update(t, spikes, add, 1, 1, 6);
    else update(t, spikes, add, 0, 1, 6);
}

#if VECTORS
#define BLOCK 64u
#else
#define BLOCK 1u /* nothing to gain, and a small stack */
#endif

typedef struct { /* a block of compartments' parameters: 4096 - du, 4096 - dv, bias + join, vth */
    int32_t keep_u[BLOCK], keep_v[BLOCK], more[BLOCK], vth[BLOCK];
} block;

/* restrict counts for parameters only, and without it nothing is vectorised */
LP_CLONES static void update_block(const lp_group *g, uint32_t n, const block *restrict each,
                                   const int32_t *restrict more, const int32_t *restrict vth,
                                   const uint16_t *restrict q, uint16_t offset, int32_t *restrict u,
                                   int32_t *restrict v, uint8_t *restrict spikes)
{
    const int32_t vmin = g->vmin, vmax = g->vmax;
    for (uint32_t i = 0; i < n; i++) {
        const int32_t sum = (int16_t)(uint16_t)(q[i] - offset);
        const int32_t now = lp_wrap24(lp_decay(u[i], each->keep_u[i]) + sum * 64);
        const int32_t in = lp_wrap24(now + more[i]);
        const int32_t x = lp_clip(lp_decay(v[i], each->keep_v[i]) + in, vmin, vmax);
        const int32_t fired = x > vth[i];
        u[i] = now;
        v[i] = fired ? 0 : x;
        spikes[i] = (uint8_t)fired;
    }
}

static void fill(int32_t *restrict to, int32_t x)
{
    for (uint32_t i = 0; i < BLOCK; i++) to[i] = x;
}

LP_CLONES static void keep(int32_t *restrict to, const uint16_t *restrict decay, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) to[i] = 4096 - decay[i];
}

LP_CLONES static void sum(int32_t *restrict to, const int32_t *restrict x,
                          const int32_t *restrict y, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) to[i] = x[i] + y[i];
}

/* The same where a group has parameters of its own for each compartment, or a bias beside a joined
 * v: a block of them at a time is laid out in arrays, so that the loop over it has no branch. What
 * is shared is laid out once. */
static void update_each(group_state *t, uint8_t *restrict spikes, const int32_t *join)
{
    const lp_group *g = t->spec;
    const uint16_t *q = (t->acc + (size_t)t->head * t->stride)->h;
    const int own_vth = g->vth_each && !g->silent;
    block each;
    int32_t bias[BLOCK];
    fill(each.keep_u, 4096 - g->du);
    fill(each.keep_v, 4096 - g->dv);
    fill(bias, g->bias);
    fill(each.vth, g->silent ? INT32_MAX : g->vth);
    for (uint32_t at = 0; at < g->n; at += BLOCK) {
        const uint32_t n = g->n - at < BLOCK ? g->n - at : BLOCK;
        const int32_t *more = g->bias_each ? g->bias_each + at : bias;
        if (g->du_each) keep(each.keep_u, g->du_each + at, n);
        if (g->dv_each) keep(each.keep_v, g->dv_each + at, n);
        if (join) {
            sum(each.more, more, join + at, n);
            more = each.more;
        }
        update_block(g, n, &each, more, own_vth ? g->vth_each + at : each.vth, q + at,
                     t->offset[t->head], t->u + at, t->v + at, spikes + at);
    }
}

/* Steps 4 and 7, after the others: what is still clamped is 0 and has not fired, as no threshold is
 * below 0. */
LP_CLONES static void hold(group_state *t)
{
    const uint16_t *restrict period = t->spec->refract_each;
    uint16_t *restrict refract = t->refract;
    uint8_t *restrict spikes = t->spikes;
    int32_t *restrict v = t->v;
    const uint32_t n = t->spec->n;
    const uint16_t shared = t->spec->refract;
    for (uint32_t i = 0; i < n; i++) {
        const uint16_t left = refract[i], fired = left ? 0 : spikes[i],
                       next = fired ? (period ? period[i] : shared) : left;
        v[i] = left ? 0 : v[i];
        spikes[i] = (uint8_t)fired;
        refract[i] = (uint16_t)(next - (next > 0));
    }
}

LP_APART static void update_group(group_state *t, uint8_t *spikes, const int32_t *join)
{
    const lp_group *g = t->spec;
    const int own = g->du_each || g->dv_each || g->vth_each;
    if (!own && !join && !g->bias_each) {
        update_plain(t, spikes);
        return;
    }
    if (own || (join && (g->bias_each || g->bias))) update_each(t, spikes, join);
    else update_adding(t, spikes, join ? join : g->bias_each);
    clear_slot(t, t->head);
}

#endif
