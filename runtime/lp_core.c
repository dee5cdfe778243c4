/* SPDX-License-Identifier: Apache-2.0 */
/* The Loihi-1 neurocore: compartments, synapses, delays, joins (SPEC.md, "Core"). Knows nothing of
 * audio or layers.
 *
 * Why it is laid out like this:
 *   - Accumulators are 16 bits wide and wrap, as on the chip: an int16 that wraps, times 64, IS the
 *     specified q.
 *   - All groups are updated before any spike is delivered, so a ring of max delay + 1 slots is
 *     enough: the slot of this step is free again when a spike with the longest delay needs it.
 *   - A source knows its synapses (first, next), so a spike costs nothing but its own. */
#include "lp_core.h"

/* -------------------------------------------------------------------------------- validation -- */

static int check_group(const lp_core_spec *s, uint32_t i)
{
    const lp_group *g = &s->groups[i];
    if (g->n < 1 || g->n > 65536 || g->vmin > 0 || g->vmin < -LP_V_LIMIT || g->vmax < 0 ||
        g->vmax > LP_V_LIMIT)
        return LP_E_ARG;
    if (g->join != LP_NO_JOIN &&
        (g->join < 0 || (uint32_t)g->join >= i || s->groups[g->join].n != g->n))
        return LP_E_ARG;
    for (uint32_t k = 0; k < g->n; k++) {
        int32_t vth = g->vth_each ? g->vth_each[k] : g->vth,
                bias = g->bias_each ? g->bias_each[k] : g->bias;
        uint32_t r = g->refract_each ? g->refract_each[k] : g->refract;
        if ((g->du_each ? g->du_each[k] : g->du) > 4096 ||
            (g->dv_each ? g->dv_each[k] : g->dv) > 4096)
            return LP_E_ARG;
        if (vth < 0 || vth > LP_V_LIMIT || bias < -LP_V_LIMIT || bias > LP_V_LIMIT || r < 1 ||
            r > 64)
            return LP_E_ARG;
    }
    return LP_OK;
}

/* ------------------------------------------------------------------------------------ layout -- */

static int has_refractory(const lp_group *g)
{
    if (g->silent) return 0;
    if (!g->refract_each) return g->refract > 1;
    for (uint32_t k = 0; k < g->n; k++)
        if (g->refract_each[k] > 1) return 1;
    return 0;
}

static int decay_shift(uint32_t decay, uint8_t *shift)
{
    *shift = 0;
    while (*shift < 12 && 4096u >> *shift != decay) ++*shift;
    return 4096u >> *shift == decay;
}

static void place(lp_core *core, const lp_core_spec *s, group_state *groups, lp_arena *a)
{
    uint32_t widest = 1;
    for (uint32_t i = 0; i < s->n_groups; i++)
        if (s->groups[i].n > widest) widest = s->groups[i].n;
    uint32_t *first = lp_take(a, (s->n_groups + 1) * sizeof(uint32_t));
    uint32_t *next = lp_take(a, s->n_synapses * sizeof(uint32_t));
    uint16_t *list = lp_take(a, (widest + 15) / 8 * 8 * sizeof(uint16_t));
    lp_places *places = VECTORS ? lp_take(a, sizeof(lp_places)) : NULL;
    size_t from = a->used;
    clock_state *clock = lp_take(a, sizeof(clock_state) + s->n_groups * sizeof(uint32_t));
    for (uint32_t i = 0; i < s->n_groups; i++) {
        const lp_group *g = &s->groups[i];
        group_state t = {0};
        t.spec = g;
        const incoming in = lp_incoming(s, i);
        t.slots = in.delay + 1;
        t.stride = in.words;
        t.base = in.base;
        t.packed = in.packed;
        t.u = lp_take(a, g->n * sizeof(int32_t));
        t.v = lp_take(a, g->n * sizeof(int32_t));
        t.offset = lp_take(a, t.slots * sizeof(uint16_t));
        if (s->flags & LP_STRICT)
            t.wide = lp_take(a, (size_t)t.slots * t.stride * 2 * sizeof(int64_t));
        else t.acc = lp_take(a, (size_t)t.slots * t.stride * sizeof(lanes));
        if (has_refractory(g)) t.refract = lp_take(a, g->n * sizeof(uint16_t));
        if (!g->silent) t.spikes = lp_take(a, g->n);
        if (groups) {
            const int shifts = decay_shift(g->du, &t.shift_u);
            t.lean = (uint8_t)(shifts & decay_shift(g->dv, &t.shift_v) & (g->vmin == 0));
            t.quick = (uint8_t)shifts;
            groups[i] = t;
        }
    }
    if (core) {
        core->first = first;
        core->next = next;
        core->list = list;
        core->places = places;
        core->clock = clock;
        core->dynamic_bytes = a->used - from;
    }
}

static void chain_synapses(lp_core *core)
{
    const lp_core_spec *s = &core->spec;
    for (uint32_t i = 0; i <= s->n_groups; i++) core->first[i] = NOWHERE;
    for (uint32_t k = s->n_synapses; k-- > 0;) { /* each in front: chains are in order */
        const int32_t src = s->synapses[k].src;
        uint32_t *from = &core->first[src == LP_INPUT ? s->n_groups : (uint32_t)src];
        core->next[k] = *from;
        *from = k;
    }
}

int lp_core_size(const lp_core_spec *s, size_t *bytes)
{
    int e;
    if (!s || !bytes || !s->groups || s->n_groups < 1 || s->n_groups > 65536 ||
        s->n_inputs > 65536 || (s->n_synapses && !s->synapses))
        return LP_E_ARG;
    for (uint32_t i = 0; i < s->n_groups; i++)
        if ((e = check_group(s, i))) return e;
    for (uint32_t k = 0; k < s->n_synapses; k++)
        if ((e = lp_synapses_check(s, &s->synapses[k]))) return e;
    lp_arena a = {0};
    lp_take(&a, sizeof(lp_core));
    lp_take(&a, s->n_groups * sizeof(group_state));
    place(NULL, s, NULL, &a);
    *bytes = a.used;
    return LP_OK;
}

int lp_core_init(lp_core **out, const lp_core_spec *s, void *memory, size_t bytes)
{
    size_t need;
    int e = lp_core_size(s, &need);
    if (e) return e;
    if (!out || !memory) return LP_E_ARG;
    if (bytes < need || (uintptr_t)memory % 8) return LP_E_SPACE;
    lp_arena a = {memory, 0};
    lp_core *core = lp_take(&a, sizeof(lp_core));
    core->spec = *s;
    core->groups = lp_take(&a, s->n_groups * sizeof(group_state));
    place(core, s, core->groups, &a);
    if (VECTORS) lp_places_fill(core->places);
    chain_synapses(core);
    lp_core_reset(core);
    *out = core;
    return LP_OK;
}

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

void lp_core_reset(lp_core *core)
{
    if (!core) return;
    lp_zero(core->clock, core->dynamic_bytes);
    for (uint32_t i = 0; i < core->spec.n_groups; i++) {
        group_state *t = &core->groups[i];
        for (uint32_t k = 0; k < t->slots; k++) clear_slot(t, k);
    }
}

/* ------------------------------------------------------------------------------------ update -- */

/* Steps 2-7 of the core for one group with shared parameters. The last two are constants at each
 * call, `silent` at some: with vectors, loops without a branch.
 * adds: add has one value a compartment on u's way into v, the joined v or bias_each, in place of
 * g->bias. Without vectors it pays to look where nothing can happen: a compartment at rest, or a v
 * at its floor of 0 that is pulled down.
 * lean: 1, see group_state; above 1, it is both shifts. quick: see group_state, and bias is 0.
 * Ranges: |u|, |bias|, |join| <= 2^23, so their sum is below 2^25; |decay(v)| <= 2^23 and
 * |wrap24| <= 2^23, so v is below 2^24. */
LP_INLINE void update(group_state *t, uint8_t *restrict spikes, const int32_t *restrict add,
                      int silent, const int adds, const int lean, const int quick)
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
        int32_t now = lp_wrap24((lean || quick ? lp_decay_shift(u[i], su) : lp_decay(u[i], ku)) +
                                sum * 64);
        int32_t in = quick ? now : lp_wrap24(now + more);
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

LP_CLONES static void update_plain(group_state *t, uint8_t *spikes)
{
    /* now, as the bias may be rewritten between steps */
    if (VECTORS && t->quick && t->spec->bias == 0)
        update(t, spikes, NULL, t->spec->silent, 0, 0, 1);
    else update(t, spikes, NULL, t->spec->silent, 0, 0, 0);
}
LP_CLONES static void update_adding(group_state *t, uint8_t *spikes, const int32_t *add)
{
    const int silent = t->spec->silent;
    if (!t->lean) update(t, spikes, add, silent, 1, 0, 0);
    else if (t->shift_u != 6 || t->shift_v != 6) update(t, spikes, add, silent, 1, 1, 0);
    /* a constant shift where tau is 64: one instruction in ten on a Cortex-M */
    else if (silent) update(t, spikes, add, 1, 1, 6, 0);
    else update(t, spikes, add, 0, 1, 6, 0);
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

/* The spiking compartments, in order. The row is padded to 8 with zeros; the list has room for 8
 * more. */
#if VECTORS
LP_CLONES static uint32_t list_spikes(const lp_core *core, const uint8_t *spikes, uint32_t n)
{
    return lp_places_of(core->places, spikes, n, core->list);
}
#else
static uint32_t list_spikes(const lp_core *core, const uint8_t *spikes, uint32_t n)
{
    uint16_t *list = core->list;
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i += 8) {
        if (!(lp_le32(spikes + i) | lp_le32(spikes + i + 4))) continue; /* most eights are quiet */
        for (uint32_t k = i; k < i + 8; k++) {
            list[count] = (uint16_t)k;
            count += spikes[k];
        }
    }
    return count;
}
#endif

LP_CLONES static uint32_t count_active(const group_state *t)
{
    uint32_t active = 0;
    for (uint32_t i = 0; i < t->spec->n; i++)
        active += (t->u[i] | t->v[i]) != 0 || (t->spikes && t->spikes[i]);
    return active;
}

/* -------------------------------------------------------------------------------------- step -- */

static void deliver_all(lp_core *core, uint32_t source, const uint16_t *list, size_t count)
{
    for (uint32_t k = core->first[source]; k != NOWHERE; k = core->next[k]) {
        const lp_synapses *y = &core->spec.synapses[k];
        core->clock->counts.synops += lp_deliver(&core->groups[y->dst], y, list, count);
    }
}

static int step(lp_core *core, const uint16_t *inputs, size_t n_inputs)
{
    const lp_core_spec *s = &core->spec;
    lp_counts *counts = &core->clock->counts;
    int bad = 0;
    for (uint32_t i = 0; i < s->n_groups; i++) {
        group_state *t = &core->groups[i];
        const lp_group *g = t->spec;
        const int32_t *join = g->join == LP_NO_JOIN ? NULL : core->groups[g->join].v;
        /* a silent group's zeros go where nobody looks */
        uint8_t *spikes = t->spikes ? t->spikes : (uint8_t *)core->list;
        t->head = core->clock->heads[i];
        if (t->wide) {
            lp_overflow where = {0};
            if (lp_strict_update(t, join, &where) && !bad) {
                bad = 1;
                where.step = counts->steps;
                where.group = i;
                core->clock->overflow = where;
            }
        } else if (g->du_each || g->dv_each || g->vth_each || (join && (g->bias_each || g->bias)))
            update_each(t, spikes, join);
        else if (join || g->bias_each) update_adding(t, spikes, join ? join : g->bias_each);
        else update_plain(t, spikes);
        if (t->refract) hold(t);
        clear_slot(t, t->head);
        counts->updates += g->n;
        if (s->flags & LP_COUNT) counts->active += count_active(t);
    }
    if (n_inputs) deliver_all(core, s->n_groups, inputs, n_inputs);
    for (uint32_t i = 0; i < s->n_groups; i++) {
        group_state *t = &core->groups[i];
        uint32_t count = t->spikes ? list_spikes(core, t->spikes, t->spec->n) : 0;
        counts->spikes += count;
        if (count) deliver_all(core, i, core->list, count);
    }
    for (uint32_t i = 0; i < s->n_groups; i++) {
        uint32_t next = core->clock->heads[i] + 1;
        core->clock->heads[i] = next == core->groups[i].slots ? 0 : next;
    }
    counts->steps++;
    return bad ? LP_E_OVERFLOW : LP_OK;
}

static int check_inputs(const lp_core *core, const uint16_t *inputs, size_t n)
{
    if (n > core->spec.n_inputs || (n && !inputs)) return LP_E_ARG;
    for (size_t k = 0; k < n; k++)
        if (inputs[k] >= core->spec.n_inputs) return LP_E_ARG;
    return LP_OK;
}

static void record(const lp_core *core, const lp_probe *p, size_t row)
{
    const group_state *t = &core->groups[p->group];
    const size_t n = t->spec->n;
    if (p->what != LP_WHAT_SPIKES)
        lp_copy((int32_t *)p->rows + row * n, p->what == LP_WHAT_U ? t->u : t->v,
                n * sizeof(int32_t));
    else if (t->spikes) lp_copy((uint8_t *)p->rows + row * n, t->spikes, n);
    else lp_zero((uint8_t *)p->rows + row * n, n);
}

int lp_core_run(lp_core *core, size_t steps, const uint32_t *starts, const uint16_t *inputs,
                const lp_probe *probes, size_t n_probes)
{
    if (!core) return LP_E_ARG;
    for (size_t k = 0; k < n_probes; k++)
        if (!probes || probes[k].group >= core->spec.n_groups || !probes[k].rows ||
            probes[k].what > LP_WHAT_SPIKES)
            return LP_E_ARG;
    if (starts) {
        /* all of them first: what lies between two that fall is nobody's memory */
        for (size_t k = 0; k < steps; k++)
            if (starts[k + 1] < starts[k]) return LP_E_ARG;
        for (size_t k = 0; k < steps; k++)
            if (starts[k + 1] > starts[k] &&
                (!inputs || check_inputs(core, inputs + starts[k], starts[k + 1] - starts[k])))
                return LP_E_ARG;
    }
    for (size_t k = 0; k < steps; k++) {
        int e = starts && starts[k + 1] > starts[k]
                    ? step(core, inputs + starts[k], starts[k + 1] - starts[k])
                    : step(core, NULL, 0);
        for (size_t p = 0; p < n_probes; p++) record(core, &probes[p], k);
        if (e) return e;
    }
    return LP_OK;
}

static int has(const lp_core *core, uint32_t group) { return core && group < core->spec.n_groups; }

const int32_t *lp_core_u(const lp_core *core, uint32_t group)
{
    return has(core, group) ? core->groups[group].u : NULL;
}
const int32_t *lp_core_v(const lp_core *core, uint32_t group)
{
    return has(core, group) ? core->groups[group].v : NULL;
}
const uint8_t *lp_core_spikes(const lp_core *core, uint32_t group)
{
    return has(core, group) ? core->groups[group].spikes : NULL;
}
void lp_core_counts(const lp_core *core, lp_counts *counts)
{
    if (core && counts) *counts = core->clock->counts;
}
void lp_core_overflow(const lp_core *core, lp_overflow *where)
{
    if (core && where) *where = core->clock->overflow;
}
