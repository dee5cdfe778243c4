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
#include "lp_update.h"

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

/* decay = odd * 2^(12 - shift): the odd part */
static uint16_t odd_part(uint16_t decay, uint8_t *shift)
{
    for (*shift = 12; *shift && !(decay & 1); decay >>= 1) --*shift;
    return decay;
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
        t.u = lp_take(a, lp_padded(g->n) * sizeof(int32_t));
        t.v = lp_take(a, lp_padded(g->n) * sizeof(int32_t));
        t.offset = lp_take(a, t.slots * sizeof(uint16_t));
        if (s->flags & LP_STRICT)
            t.wide = lp_take(a, (size_t)t.slots * t.stride * 2 * sizeof(int64_t));
        else t.acc = lp_take(a, (size_t)t.slots * t.stride * sizeof(lanes));
        if (has_refractory(g)) t.refract = lp_take(a, g->n * sizeof(uint16_t));
        if (!g->silent) t.spikes = lp_take(a, lp_padded(g->n));
        if (groups) {
            t.odd_u = odd_part(g->du, &t.shift_u);
            t.odd_v = odd_part(g->dv, &t.shift_v);
            t.lean = t.odd_u == 1 && t.odd_v == 1 && g->vmin == 0;
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

void lp_core_reset(lp_core *core)
{
    if (!core) return;
    lp_zero(core->clock, core->dynamic_bytes);
    for (uint32_t i = 0; i < core->spec.n_groups; i++) {
        group_state *t = &core->groups[i];
        for (uint32_t k = 0; k < t->slots; k++) clear_slot(t, k);
    }
}

/* ------------------------------------------------------------------------------------ spikes -- */

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
        const uint32_t head = core->clock->heads[i];
        t->head = head;
        core->clock->heads[i] = head + 1 == t->slots ? 0 : head + 1;
        if (t->wide) {
            lp_overflow where = {0};
            if (lp_strict_update(t, join, &where) && !bad) {
                bad = 1;
                where.step = counts->steps;
                where.group = i;
                core->clock->overflow = where;
            }
            clear_slot(t, head);
        } else update_group(t, spikes, join);
        if (t->refract) hold(t);
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
