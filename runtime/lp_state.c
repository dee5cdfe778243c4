/* SPDX-License-Identifier: Apache-2.0 */
/* The core's state, out and back in. What comes back may be of another network or damaged: it is
 * taken only if the seal of lp_core_state holds and no number could lead a step astray. */
#include "lp_core.h"

#define FNV_START 14695981039346656037u
#define FNV_PRIME 1099511628211u

/* FNV-1a, 64 bits (Fowler, Noll, Vo; RFC 9923) */
static uint64_t hash(uint64_t h, const void *p, size_t bytes)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < bytes; i++) h = (h ^ b[i]) * FNV_PRIME;
    return h;
}

static uint64_t hash_group(uint64_t h, const group_state *t)
{
    const lp_group *g = t->spec;
    const int32_t shared[] = {g->join, g->silent != 0, g->vmin, g->vmax, t->base, t->packed};
    const uint32_t sizes[] = {g->n, t->slots, t->stride};
    h = hash(hash(h, shared, sizeof shared), sizes, sizeof sizes);
    for (uint32_t i = 0; i < g->n; i++) {
        const int32_t each[] = {g->du_each ? g->du_each[i] : g->du,
                                g->dv_each ? g->dv_each[i] : g->dv,
                                g->refract_each ? g->refract_each[i] : g->refract,
                                g->vth_each ? g->vth_each[i] : g->vth};
        h = hash(h, each, sizeof each);
    }
    return h;
}

/* Everything of the description but weights and biases, which may change between steps. Weights of
 * 16 bits are the same connection dense or sparse. */
static uint64_t fingerprint(const lp_core *core)
{
    const lp_core_spec *s = &core->spec;
    const uint32_t sizes[] = {s->n_groups, s->n_inputs, s->flags & LP_STRICT};
    uint64_t h = hash(FNV_START, sizes, sizeof sizes);
    for (uint32_t i = 0; i < s->n_groups; i++) h = hash_group(h, &core->groups[i]);
    for (uint32_t k = 0; k < s->n_synapses; k++) {
        const lp_synapses *y = &s->synapses[k];
        const int32_t kind = y->kind == LP_SPARSE16 ? LP_DENSE16 : (int32_t)y->kind;
        const int32_t from[] = {y->src, y->dst, kind, (int32_t)y->delay, (int32_t)y->shift};
        h = hash(h, from, sizeof from);
    }
    return h;
}

static uint64_t sum_of(const uint8_t *state, size_t bytes)
{
    const size_t head = offsetof(clock_state, counts);
    return hash(FNV_START, state + head, bytes - head);
}

const void *lp_core_state(lp_core *core, size_t *bytes)
{
    if (!core || !bytes) return NULL;
    *bytes = core->dynamic_bytes;
    core->clock->network = fingerprint(core);
    core->clock->check = sum_of((const uint8_t *)core->clock, *bytes);
    return core->clock;
}

/* The copy's piece that corresponds to one of the live state. */
static const uint8_t *piece(const lp_core *core, const uint8_t *state, const void *live)
{
    return state + ((const uint8_t *)live - (const uint8_t *)core->clock);
}

static int within(const uint8_t *p, size_t n, int32_t lo, int32_t hi) /* n int32, any alignment */
{
    for (size_t i = 0; i < n; i++) {
        int32_t x;
        lp_copy(&x, p + 4 * i, sizeof x);
        if (x < lo || x > hi) return 0;
    }
    return 1;
}

static int group_holds(const lp_core *core, const uint8_t *state, uint32_t i)
{
    const group_state *t = &core->groups[i];
    const size_t n = t->spec->n, all = lp_padded(t->spec->n);
    uint32_t head;
    lp_copy(&head, piece(core, state, &core->clock->heads[i]), sizeof head);
    if (head >= t->slots || !within(piece(core, state, t->u), all, -LP_V_LIMIT - 1, LP_V_LIMIT) ||
        !within(piece(core, state, t->v), all, t->spec->vmin, t->spec->vmax))
        return 0;
    for (size_t k = 0; t->refract && k < n; k++) {
        uint16_t left;
        lp_copy(&left, piece(core, state, t->refract) + 2 * k, sizeof left);
        if (left >= (t->spec->refract_each ? t->spec->refract_each[k] : t->spec->refract)) return 0;
    }
    for (size_t k = 0; t->spikes && k < (n + 7) / 8 * 8; k++)
        if (piece(core, state, t->spikes)[k] > (k < n)) return 0;
    for (size_t k = 0; t->wide && k < (size_t)t->slots * t->stride * 2; k++) {
        int64_t sum;
        lp_copy(&sum, piece(core, state, t->wide) + 8 * k, sizeof sum);
        if (sum > INT64_MAX / 2 || sum < -(INT64_MAX / 2)) return 0; /* where nothing adds up to */
    }
    return 1;
}

int lp_core_restore(lp_core *core, const void *state, size_t bytes)
{
    const uint8_t *from = state;
    uint64_t network, check;
    if (!core || !state || bytes != core->dynamic_bytes) return LP_E_ARG;
    lp_copy(&network, from + offsetof(clock_state, network), sizeof network);
    lp_copy(&check, from + offsetof(clock_state, check), sizeof check);
    if (network != fingerprint(core) || check != sum_of(from, bytes)) return LP_E_ARG;
    for (uint32_t i = 0; i < core->spec.n_groups; i++)
        if (!group_holds(core, from, i)) return LP_E_ARG;
    lp_copy(core->clock, from, bytes);
    return LP_OK;
}
