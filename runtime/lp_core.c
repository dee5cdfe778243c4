/* SPDX-License-Identifier: Apache-2.0 */
/* The Loihi-1 neurocore: compartments, synapses, delays, joins (SPEC.md, "Core"). Knows nothing of
 * audio or layers.
 *
 * Why it is laid out like this:
 *   - Accumulators are 16 bits wide and wrap, as on the chip: an int16 that wraps, times 64, IS the
 *     specified q.
 *   - All groups are updated before any spike is delivered, so a ring of max delay + 1 slots is
 *     enough: the slot of this step is free again when a spike with the longest delay needs it.
 *   - 3-bit rows are added two lanes at a time: codes are stored with an offset of 4, so sums only
 *     grow and cannot borrow from the neighbouring lane; the offset is taken off once, when the
 *     slot is consumed. lp_core_init proves that no lane can carry, or has the codes added one by
 *     one. */
#include "lp_core.h"
#include "lp_codes.h"

#if defined(__GNUC__)
#define LP_INLINE static inline __attribute__((always_inline))
#else
#define LP_INLINE static inline
#endif

/* the head of the dynamic block: lp_core_state copies it with the states behind it */
typedef struct {
    lp_counts counts;
    lp_overflow overflow;
    uint32_t heads[1]; /* n_groups of them */
} clock_state;

struct lp_core {
    lp_core_spec spec;
    group_state *groups;
    uint16_t *list;     /* spiking sources of one group, in order */
    clock_state *clock; /* start of the dynamic block */
    size_t dynamic_bytes;
};

#if defined(__SSE2__) || defined(__ARM_NEON) || defined(__ALTIVEC__) || defined(__riscv_vector) || \
    defined(__wasm_simd128__)
#define VECTORS 1
#else
#define VECTORS 0
#endif
#define PAIRS(n) (((n) + 1u) / 2u)

size_t lp_dense3_row(uint32_t n_dst) { return 4u * (size_t)DENSE3_WORDS(n_dst); }

int lp_weight(int32_t mantissa, uint32_t bits, lp_sign_mode mode, int32_t exponent, int32_t *weight)
{
    if (!weight || bits < 1 || bits > 8 || exponent < -8 || exponent > 7) return LP_E_ARG;
    if (mode != LP_SIGN_MIXED && mode != LP_SIGN_EXCITATORY && mode != LP_SIGN_INHIBITORY)
        return LP_E_ARG;
    int32_t lo = mode == LP_SIGN_EXCITATORY ? 0 : mode == LP_SIGN_MIXED ? -256 : -255;
    int32_t hi = mode == LP_SIGN_INHIBITORY ? 0 : 255;
    if (mantissa < lo || mantissa > hi) return LP_E_ARG;
    uint32_t lsb = 8 - bits + (mode == LP_SIGN_MIXED);
    int32_t magnitude = (int32_t)((uint32_t)(mantissa < 0 ? -mantissa : mantissa) >> lsb << lsb);
    int32_t m = mantissa < 0 ? -magnitude : magnitude;
    /* |m| <= 2^8, so |w| <= 2^15; >> floors */
    int32_t w = exponent >= 0 ? m * (1 << exponent) : m >> -exponent;
    *weight = lp_clip(w, -32767, 32767);
    return LP_OK;
}

/* -------------------------------------------------------------------------------- validation -- */

static uint32_t sources(const lp_core_spec *s, const lp_synapses *y)
{
    return y->src == LP_INPUT ? s->n_inputs : s->groups[y->src].n;
}

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

static int check_synapses(const lp_core_spec *s, const lp_synapses *y)
{
    if (y->dst < 0 || (uint32_t)y->dst >= s->n_groups || y->delay > LP_MAX_DELAY || y->shift > 12)
        return LP_E_ARG;
    if (y->src != LP_INPUT &&
        (y->src < 0 || (uint32_t)y->src >= s->n_groups || s->groups[y->src].silent))
        return LP_E_ARG;
    uint32_t n_src = sources(s, y), n_dst = s->groups[y->dst].n;
    if (y->kind != LP_DIAGONAL && !y->data && n_src) return LP_E_ARG;
    switch (y->kind) {
    case LP_DENSE16: return LP_OK;
    case LP_DENSE3: return y->bytes == n_src * lp_dense3_row(n_dst) ? LP_OK : LP_E_ARG;
    case LP_SPARSE16:
        if (!y->rows || y->rows[0] != 0) return LP_E_ARG;
        for (uint32_t i = 0; i < n_src; i++)
            if (y->rows[i + 1] < y->rows[i]) return LP_E_ARG;
        if (y->rows[n_src] && !y->targets) return LP_E_ARG;
        for (uint32_t k = 0; k < y->rows[n_src]; k++)
            if (y->targets[k] >= n_dst) return LP_E_ARG;
        return LP_OK;
    case LP_SPARSE3: return sparse3_valid(y->data, y->bytes, n_src, n_dst) ? LP_OK : LP_E_ARG;
    case LP_DIAGONAL:
        return n_src == n_dst && y->weight >= -32768 && y->weight <= 32767 ? LP_OK : LP_E_ARG;
    }
    return LP_E_ARG;
}

/* Can the lanes of a group's accumulator take whole words of LP_DENSE3 codes, so that none ever
 * leaves 0..65535? Every source spikes at most once a step (input axons as a whole: at most
 * n_inputs times) and names a target once, which only 16-bit rows need not; with one of those, or
 * where the sums reach too far, codes are added one by one. *base: what a lane starts from, minus
 * the least that it receives. */
static int lanes_hold(const lp_core_spec *s, uint32_t group, uint16_t *base)
{
    int64_t down = 0, up = 0;
    *base = 0;
    for (uint32_t k = 0; k < s->n_synapses; k++) {
        const lp_synapses *y = &s->synapses[k];
        const int64_t all = (int64_t)sources(s, y) << y->shift; /* <= 2^28 */
        if ((uint32_t)y->dst != group) continue;
        if (y->kind == LP_DENSE3) up += 7 * all; /* code + 4 */
        else if (y->kind == LP_SPARSE3) down += 4 * all, up += 3 * all;
        else if (y->kind == LP_DIAGONAL)
            *(y->weight < 0 ? &down : &up) += y->weight < 0 ? -y->weight : y->weight;
        else return 0;
    }
    if (down + up > 65535) return 0;
    *base = (uint16_t)down;
    return 1;
}

/* ------------------------------------------------------------------------------------ layout -- */

static uint32_t longest_delay(const lp_core_spec *s, uint32_t group)
{
    uint32_t d = 0;
    for (uint32_t k = 0; k < s->n_synapses; k++)
        if ((uint32_t)s->synapses[k].dst == group && s->synapses[k].delay > d)
            d = s->synapses[k].delay;
    return d;
}

static uint32_t accumulator_words(const lp_core_spec *s, uint32_t group)
{
    uint32_t words = PAIRS(s->groups[group].n);
    /* LP_DENSE3 adds whole words: room for the padding codes */
    for (uint32_t k = 0; k < s->n_synapses; k++)
        if ((uint32_t)s->synapses[k].dst == group && s->synapses[k].kind == LP_DENSE3)
            words = 5 * DENSE3_WORDS(s->groups[group].n);
    return words;
}

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
    uint16_t *list = lp_take(a, (widest + 7) / 8 * 8 * sizeof(uint16_t));
    size_t from = a->used;
    clock_state *clock = lp_take(a, sizeof(clock_state) + s->n_groups * sizeof(uint32_t));
    for (uint32_t i = 0; i < s->n_groups; i++) {
        const lp_group *g = &s->groups[i];
        group_state t = {0};
        t.spec = g;
        t.slots = longest_delay(s, i) + 1;
        t.stride = accumulator_words(s, i);
        t.u = lp_take(a, g->n * sizeof(int32_t));
        t.v = lp_take(a, g->n * sizeof(int32_t));
        t.offset = lp_take(a, t.slots * sizeof(uint16_t));
        if (s->flags & LP_STRICT)
            t.wide = lp_take(a, (size_t)t.slots * t.stride * 2 * sizeof(int64_t));
        else t.acc = lp_take(a, (size_t)t.slots * t.stride * sizeof(lanes));
        if (has_refractory(g)) t.refract = lp_take(a, g->n * sizeof(uint16_t));
        if (!g->silent) t.spikes = lp_take(a, g->n);
        if (groups) {
            t.packed = lanes_hold(s, i, &t.base);
            t.lean = (uint8_t)(decay_shift(g->du, &t.shift_u) & decay_shift(g->dv, &t.shift_v) &
                               (g->vmin == 0));
            groups[i] = t;
        }
    }
    if (core) {
        core->list = list;
        core->clock = clock;
        core->dynamic_bytes = a->used - from;
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
        if ((e = check_synapses(s, &s->synapses[k]))) return e;
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
    lp_zero(core->clock, core->dynamic_bytes);
    for (uint32_t i = 0; i < core->spec.n_groups; i++) {
        group_state *t = &core->groups[i];
        for (uint32_t k = 0; k < t->slots; k++) clear_slot(t, k);
    }
}

/* ------------------------------------------------------------------------------------ update -- */

/* Steps 2-7 of the core for one group. The last three are constants at each call, `silent` at some:
 * with vectors, loops without a branch.
 * adds: add has one value a compartment on u's way into v, the joined v or bias_each, in place of
 * g->bias. Where a group has more than one of these, or any other parameter of its own for each
 * compartment, `each` takes them from the description. Without vectors it pays to look where
 * nothing can happen: a compartment at rest, or a v at its floor of 0 that is pulled down.
 * lean: 1, see group_state; above 1, it is both shifts.
 * Ranges: |u|, |bias|, |join| <= 2^23, so their sum is below 2^25; |decay(v)| <= 2^23 and
 * |wrap24| <= 2^23, so v is below 2^24. */
LP_INLINE void update(group_state *t, uint8_t *restrict spikes, const int32_t *restrict add,
                      int silent, const int adds, const int each, const int lean)
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
        int32_t keep_u = each && g->du_each ? 4096 - g->du_each[i] : ku,
                keep_v = each && g->dv_each ? 4096 - g->dv_each[i] : kv;
        int32_t sum = (int16_t)(uint16_t)(q[i] - offset), more = adds ? add[i] : g->bias;
        if (each) more = (g->bias_each ? g->bias_each[i] : g->bias) + (add ? add[i] : 0);
        if (!VECTORS && lean && !silent && !(u[i] | v[i] | sum | more)) {
            spikes[i] = 0;
            continue;
        }
        int32_t now = lp_wrap24((lean ? lp_decay_shift(u[i], su) : lp_decay(u[i], keep_u)) +
                                sum * 64);
        int32_t in = lp_wrap24(now + more);
        u[i] = now;
        if (!VECTORS && lean && v[i] == 0 && in <= 0) {
            if (!silent) spikes[i] = 0;
            continue;
        }
        int32_t x = lp_clip((lean ? v[i] - ((v[i] + up) >> sv) : lp_decay(v[i], keep_v)) + in, vmin,
                            vmax);
        int32_t fired = x > (each && g->vth_each && !silent ? g->vth_each[i] : vth);
        v[i] = fired ? 0 : x;
        if (VECTORS || !silent) spikes[i] = (uint8_t)fired;
    }
}

LP_CLONES static void update_plain(group_state *t, uint8_t *spikes)
{
    update(t, spikes, NULL, t->spec->silent, 0, 0, 0);
}
LP_CLONES static void update_adding(group_state *t, uint8_t *spikes, const int32_t *add)
{
    const int silent = t->spec->silent;
    if (!t->lean) update(t, spikes, add, silent, 1, 0, 0);
    else if (t->shift_u != 6 || t->shift_v != 6) update(t, spikes, add, silent, 1, 0, 1);
    /* a constant shift where tau is 64: one instruction in ten on a Cortex-M */
    else if (silent) update(t, spikes, add, 1, 1, 0, 6);
    else update(t, spikes, add, 0, 1, 0, 6);
}
static void update_each(group_state *t, uint8_t *spikes, const int32_t *add)
{
    update(t, spikes, add, t->spec->silent, 0, 1, 0);
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

/* ---------------------------------------------------------------------------------- delivery -- */

LP_CLONES static void add_dense16(lanes *acc, const int16_t *weights, uint32_t n,
                                  const uint16_t *list, size_t count)
{
    uint16_t *restrict a = acc->h;
    size_t k = 0;
    for (; k + 1 < count; k += 2) { /* two rows a pass: half the accumulator traffic */
        const int16_t *restrict x = weights + (size_t)list[k] * n, *restrict y =
                                                                       weights +
                                                                       (size_t)list[k + 1] * n;
        for (uint32_t i = 0; i < n; i++) a[i] = (uint16_t)(a[i] + (uint16_t)x[i] + (uint16_t)y[i]);
    }
    if (k < count) {
        const int16_t *restrict x = weights + (size_t)list[k] * n;
        for (uint32_t i = 0; i < n; i++) a[i] = (uint16_t)(a[i] + (uint16_t)x[i]);
    }
}

/* Word k of a row, field j (bits 3 j) of its halves: codes + 4 of compartments 2 (j words + k) and
 * one more. Up to nine rows are summed before they are unpacked, every other field at a time: 9 * 7
 * = 63 fills the 6 bits that a field then has. lanes_hold has shown that no lane passes 65535, so w
 * + w is two 16-bit sums. */
LP_CLONES static void add_dense3(lanes *restrict acc, const uint8_t *codes, uint32_t words,
                                 uint32_t shift, const uint16_t *list, size_t count)
{
    const uint8_t *rows[9];
    while (count) {
        const size_t block = count < 9 ? count : 9;
        for (size_t r = 0; r < block; r++) rows[r] = codes + (size_t)list[r] * words * 4;
        for (uint32_t k = 0; k < words; k++) {
            uint32_t even = 0, odd = 0, last = 0;
            for (size_t r = 0; r < block; r++) {
                uint32_t w = lp_le32(rows[r] + 4 * k);
                even += w & 0x01c701c7u;
                odd += w >> 3 & 0x01c701c7u;
                last += w >> 12 & 0x00070007u;
            }
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
            even = even << 16 | even >> 16; /* h[0] is the upper half here */
            odd = odd << 16 | odd >> 16;
            last = last << 16 | last >> 16;
#endif
            acc[k].w += (even & 0x003f003fu) << shift;
            acc[words + k].w += (odd & 0x003f003fu) << shift;
            acc[2 * words + k].w += (even >> 6 & 0x003f003fu) << shift;
            acc[3 * words + k].w += (odd >> 6 & 0x003f003fu) << shift;
            acc[4 * words + k].w += last << shift;
        }
        list += block;
        count -= block;
    }
}

/* The same row where a lane could carry: code by code, in 16 bits that wrap. */
static void add_dense3_each(uint16_t *acc, const uint8_t *codes, uint32_t n, uint32_t shift,
                            const uint16_t *list, size_t count)
{
    const uint32_t words = DENSE3_WORDS(n);
    for (size_t s = 0; s < count; s++) {
        for (uint32_t k = 0; k < words; k++) {
            uint32_t w = lp_le32(codes + ((size_t)list[s] * words + k) * 4);
            for (uint32_t i = 2 * k; i < n; i += 2 * words) { /* field by field */
                acc[i] = (uint16_t)(acc[i] + (((w & 7) - 4u) << shift));
                if (i + 1 < n)
                    acc[i + 1] = (uint16_t)(acc[i + 1] + (((w >> 16 & 7) - 4u) << shift));
                w >>= 3;
            }
        }
    }
}

static uint64_t add_sparse16(uint16_t *acc, const lp_synapses *y, const uint16_t *list,
                             size_t count)
{
    const int16_t *weights = y->data;
    uint64_t visited = 0;
    for (size_t s = 0; s < count; s++) {
        const uint32_t from = y->rows[list[s]], to = y->rows[list[s] + 1u];
        for (uint32_t k = from; k < to; k++)
            acc[y->targets[k]] = (uint16_t)(acc[y->targets[k]] + (uint16_t)weights[k]);
        visited += to - from;
    }
    return visited;
}

static uint64_t add_sparse3(uint16_t *acc, const lp_synapses *y, const uint16_t *list, size_t count)
{
    uint64_t visited = 0;
    for (size_t s = 0; s < count; s++) {
        const uint8_t *e;
        const uint32_t n = sparse3_row(y->data, list[s], &e);
        for (uint32_t k = 0; k < n; k++) {
            uint32_t i;
            int32_t code = sparse3_entry(e + 2 * k, &i);
            acc[i] = (uint16_t)(acc[i] + ((uint32_t)code << y->shift));
        }
        visited += n;
    }
    return visited;
}

static uint64_t deliver(const lp_core *core, const lp_synapses *y, const uint16_t *list,
                        size_t count)
{
    group_state *t = &core->groups[y->dst];
    const uint32_t n = t->spec->n;
    uint32_t slot = t->head + 1 + y->delay;
    /* head < slots and delay < slots: one subtraction is enough */
    if (slot >= t->slots) slot -= t->slots;
    uint64_t visited = 0;
    if (t->wide) {
        for (size_t s = 0; s < count; s++)
            visited += lp_strict_add(t->wide + (size_t)slot * t->stride * 2, y, n, list[s]);
        return visited;
    }
    lanes *acc = t->acc + (size_t)slot * t->stride;
    switch (y->kind) {
    case LP_DENSE16: add_dense16(acc, y->data, n, list, count); break;
    case LP_DENSE3:
        if (!t->packed) {
            add_dense3_each(acc->h, y->data, n, y->shift, list, count);
            break;
        }
        add_dense3(acc, y->data, DENSE3_WORDS(n), y->shift, list, count);
        t->offset[slot] = (uint16_t)(t->offset[slot] + (uint16_t)((4u * count) << y->shift));
        break;
    case LP_SPARSE16: return add_sparse16(acc->h, y, list, count);
    case LP_SPARSE3: return add_sparse3(acc->h, y, list, count);
    case LP_DIAGONAL:
        for (size_t s = 0; s < count; s++)
            acc[list[s] / 2].h[list[s] % 2] = (uint16_t)(acc[list[s] / 2].h[list[s] % 2] +
                                                         (uint32_t)y->weight);
        return count;
    }
    return (uint64_t)n * count;
}

static uint32_t list_spikes(const uint8_t *spikes, uint32_t n, uint16_t *list)
{
    uint32_t count = 0;
    /* the row is padded to 8 with zeros; most eights are quiet */
    for (uint32_t i = 0; i < n; i += 8) {
        if (!(lp_le32(spikes + i) | lp_le32(spikes + i + 4))) continue;
        for (uint32_t k = i; k < i + 8; k++) {
            /* count <= k: in range, the list is padded too, and no branch to mispredict */
            list[count] = (uint16_t)k;
            count += spikes[k];
        }
    }
    return count;
}

LP_CLONES static uint32_t count_active(const group_state *t)
{
    uint32_t active = 0;
    for (uint32_t i = 0; i < t->spec->n; i++)
        active += (t->u[i] | t->v[i]) != 0 || (t->spikes && t->spikes[i]);
    return active;
}

/* -------------------------------------------------------------------------------------- step -- */

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
    if (n_inputs)
        for (uint32_t k = 0; k < s->n_synapses; k++)
            if (s->synapses[k].src == LP_INPUT)
                counts->synops += deliver(core, &s->synapses[k], inputs, n_inputs);
    for (uint32_t i = 0; i < s->n_groups; i++) {
        group_state *t = &core->groups[i];
        uint32_t count = t->spikes ? list_spikes(t->spikes, t->spec->n, core->list) : 0;
        counts->spikes += count;
        if (count)
            for (uint32_t k = 0; k < s->n_synapses; k++)
                if (s->synapses[k].src == (int32_t)i)
                    counts->synops += deliver(core, &s->synapses[k], core->list, count);
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

int lp_core_step(lp_core *core, const uint16_t *inputs, size_t n_inputs)
{
    return check_inputs(core, inputs, n_inputs) ? LP_E_ARG : step(core, inputs, n_inputs);
}

static void record(const lp_core *core, const lp_probe *p, size_t row)
{
    const group_state *t = &core->groups[p->group];
    const size_t n = t->spec->n;
    if (p->what != LP_WHAT_SPIKES)
        lp_copy((int32_t *)p->rows + row * p->stride, p->what == LP_WHAT_U ? t->u : t->v,
                n * sizeof(int32_t));
    else if (t->spikes) lp_copy((uint8_t *)p->rows + row * p->stride, t->spikes, n);
    else lp_zero((uint8_t *)p->rows + row * p->stride, n);
}

int lp_core_run(lp_core *core, size_t steps, const uint32_t *starts, const uint16_t *inputs,
                const lp_probe *probes, size_t n_probes)
{
    for (size_t k = 0; k < n_probes; k++)
        if (probes[k].group >= core->spec.n_groups || !probes[k].rows ||
            probes[k].what > LP_WHAT_SPIKES)
            return LP_E_ARG;
    if (starts) {
        for (size_t k = 0; k < steps; k++) {
            if (starts[k + 1] < starts[k]) return LP_E_ARG;
            if (starts[k + 1] > starts[k] &&
                (!inputs || check_inputs(core, inputs + starts[k], starts[k + 1] - starts[k])))
                return LP_E_ARG;
        }
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

const int32_t *lp_core_u(const lp_core *core, uint32_t group)
{
    return group < core->spec.n_groups ? core->groups[group].u : NULL;
}
const int32_t *lp_core_v(const lp_core *core, uint32_t group)
{
    return group < core->spec.n_groups ? core->groups[group].v : NULL;
}
const uint8_t *lp_core_spikes(const lp_core *core, uint32_t group)
{
    return group < core->spec.n_groups ? core->groups[group].spikes : NULL;
}
void lp_core_counts(const lp_core *core, lp_counts *counts) { *counts = core->clock->counts; }
void lp_core_overflow(const lp_core *core, lp_overflow *where) { *where = core->clock->overflow; }

void *lp_core_state(lp_core *core, size_t *bytes)
{
    *bytes = core->dynamic_bytes;
    return core->clock;
}
