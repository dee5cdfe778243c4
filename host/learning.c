/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"
#include "chance.h"
#include "lp_fix.h"

#include <string.h>

/* ------------------------------------------------------------------------------------ chance -- */

enum { DECAY = 0, REWARD = 5, IMPULSE = 8, WEIGHT = 16, TAG = 17 }; /* streams */
#define NEVER 65536u                                                /* more than every chance */

uint32_t lp_learn_draw(uint32_t seed, uint32_t number, uint64_t step, uint32_t stream,
                       uint32_t index)
{
    return draw(key(seed, number, step, stream), index);
}

/* ------------------------------------------------------------------------------------ traces -- */

static inline uint8_t kicked(const lp_trace *t, uint32_t v, uint32_t chance16)
{
    v += t->impulse + (chance16 >> 8 < t->fraction);
    return (uint8_t)(v < 127 ? v : 127);
}

static const uint32_t half = 32768;

/* A unit spikes: an earlier spike in this epoch counts as if it had been at the epoch's start. */
static void spike(lp_learner *l, int first, int last, uint8_t *times, uint32_t i, uint32_t now,
                  uint64_t step)
{
    for (int k = first; times[i] && k < last; k++) {
        lp_trace *t = &l->traces[k];
        chance c = key(l->seed, l->number, step, (uint32_t)(IMPULSE + k));
        if (t->used) t->now[i] = kicked(t, t->now[i], l->nearest ? half : draw(c, i));
    }
    times[i] = (uint8_t)now;
}

/* A trace at each step of the epoch that ends with `step`, and with it what it is now. */
static void follow(const lp_learner *l, int k, const uint8_t *restrict times, uint32_t n,
                   uint64_t step)
{
    const lp_trace *t = &l->traces[k];
    if (!t->used) return;
    memcpy(t->history, t->now, n);
    for (uint32_t s = 1; s <= l->epoch; s++) {
        const uint8_t *restrict was = t->history + (size_t)(s - 1) * n;
        uint8_t *restrict is = t->history + (size_t)s * n;
        const uint64_t then = step - l->epoch + s;
        const chance down = key(l->seed, l->number, then, (uint32_t)(DECAY + k)),
                     up = key(l->seed, l->number, then, (uint32_t)(IMPULSE + k));
        for (uint32_t i = 0; i < n; i++) {
            uint32_t v = was[i];
            if (v) v = t->keep[v] + ((l->nearest ? NEVER : draw(down, i)) < t->more[v]);
            is[i] = times[i] == s ? kicked(t, v, l->nearest ? half : draw(up, i)) : (uint8_t)v;
        }
    }
    memcpy(t->now, t->history + (size_t)l->epoch * n, n);
}

static void reward(lp_learner *l, int32_t amount, uint32_t now, uint64_t step)
{
    const int32_t r = l->r1[0], size = r < 0 ? -r : r;
    const chance c = key(l->seed, l->number, step, REWARD);
    int32_t v = l->reward.keep[size] + ((l->nearest ? NEVER : draw(c, 0)) < l->reward.more[size]);
    v = (r < 0 ? -v : v) + amount;
    l->r1[0] = l->r1[now] = (int16_t)lp_clip(v, -128, 127);
}

/* ------------------------------------------------------------------------------------- rules -- */

/* The synapses of a row that are looked at, in arrays without gaps. */
typedef struct {
    uint32_t n, source, first; /* first: place of the row's first synapse */
    const uint32_t *at;        /* their places in the row; NULL: the whole row */
    const uint16_t *to;        /* their targets; NULL: 0, 1, ... */
    int32_t *weights, *tags, *sum, *value;
} row;

static inline int32_t factor(const lp_factor *f, int32_t v)
{
    v += f->add;
    if (f->sign) return (v > 0) - (v < 0);
    return lp_clip(v, -(1 << f->bits), (1 << f->bits) - 1);
}

static inline int32_t clip16(int32_t v) { return lp_clip(v, -32768, 32767); }

/* A factor that is one number for the whole row; else 0 is returned. when: of the product. */
static int same(const lp_learner *l, const lp_product *p, const lp_factor *f, uint32_t i,
                int32_t rewarded, int32_t *v)
{
    uint32_t s = p->when == LP_X0 ? l->tx[i] : l->epoch;
    if (p->when == LP_Y0 && l->epoch > 1 && (f->what <= LP_X2 || f->what == LP_R1)) return 0;
    if (f->what <= LP_X2) {
        const lp_trace *t = &l->traces[f->what];
        *v = t->used ? t->history[(size_t)s * l->n_src + i] : 0;
    } else if (f->what == LP_X0) *v = l->tx[i] > 0;
    else if (f->what == LP_R0) *v = rewarded;
    else if (f->what == LP_R1) *v = l->r1[s];
    else return 0;
    *v = factor(f, *v);
    return 1;
}

/* Where the others are, by target: bytes of a trace of the target at the product's moment. */
static const uint8_t *of_target(const lp_learner *l, const lp_product *p, const lp_factor *f,
                                uint32_t i)
{
    const lp_trace *t = &l->traces[f->what];
    if (p->when == LP_Y0) return l->own + (size_t)(f->what - LP_Y1) * l->n_dst;
    return t->history + (size_t)(p->when == LP_X0 ? l->tx[i] : l->epoch) * l->n_dst;
}

/* value[j] *= factor of synapse j. Once for products of at most 31 bits, once for all. */
#define MULTIPLY(NAME, TYPE)                                                                      \
    LP_CLONES static void NAME(const lp_learner *l, const lp_product *p, const lp_factor *f,      \
                               const row *r, TYPE *restrict value)                                \
    {                                                                                             \
        const uint32_t n = r->n;                                                                  \
        const uint16_t *const to = r->to;                                                         \
        if (f->what == LP_WEIGHT || f->what == LP_TAG) {                                          \
            const int32_t *restrict v = f->what == LP_WEIGHT ? r->weights : r->tags;              \
            for (uint32_t j = 0; j < n; j++) value[j] *= factor(f, v[j]);                         \
        } else if (f->what == LP_Y0) {                                                            \
            for (uint32_t j = 0; j < n; j++) value[j] *= factor(f, l->ty[to ? to[j] : j] > 0);    \
        } else if (f->what == LP_R1) {                                                            \
            for (uint32_t j = 0; j < n; j++) value[j] *= factor(f, l->r1[l->ty[to ? to[j] : j]]); \
        } else if (f->what <= LP_X2) {                                                            \
            const uint8_t *h = l->traces[f->what].history + r->source;                            \
            for (uint32_t j = 0; j < n; j++)                                                      \
                value[j] *= factor(f, h[(size_t)l->ty[to ? to[j] : j] * l->n_src]);               \
        } else {                                                                                  \
            const uint8_t *restrict h = of_target(l, p, f, r->source);                            \
            for (uint32_t j = 0; j < n; j++) value[j] *= factor(f, h[to ? to[j] : j]);            \
        }                                                                                         \
    }

MULTIPLY(multiply, int32_t)
MULTIPLY(multiply_wide, int64_t)

/* A value's part in the sum: no more than 15 bits and the sign after the shift to the right, as the
 * factors' bits say (Product in rules.py), so 30 after the one to the left. */
LP_CLONES static void add(const lp_product *p, int32_t *restrict sum, const int32_t *restrict value,
                          uint32_t n)
{
    const int32_t right = p->right, times = 1 << p->left;
    for (uint32_t j = 0; j < n; j++) sum[j] = clip16(sum[j] + clip16((value[j] >> right) * times));
}

static void add_product(const lp_learner *l, const lp_product *p, const row *r, int32_t rewarded)
{
    const uint32_t n = r->n;
    const uint16_t *const to = r->to;
    const lp_factor *differ[LP_LEARN_FACTORS];
    int64_t *wide = l->scratch64, shared = p->mantissa;
    int32_t k = 0, v;
    for (int32_t f = 0; f < p->n; f++) {
        if (same(l, p, &p->factors[f], r->source, rewarded, &v)) shared *= v;
        else if (p->factors[f].what <= LP_Y3 && !l->traces[p->factors[f].what].used)
            shared *= factor(&p->factors[f], 0);
        else differ[k++] = &p->factors[f];
    }
    for (uint32_t j = 0; j < n; j++) {
        const int64_t start = p->when != LP_Y0 || l->ty[to ? to[j] : j] ? shared : 0;
        if (p->wide) wide[j] = start;
        else r->value[j] = (int32_t)start;
    }
    while (k--) {
        if (p->wide) multiply_wide(l, p, differ[k], r, wide);
        else multiply(l, p, differ[k], r, r->value);
    }
    if (!p->wide) add(p, r->sum, r->value, n);
    else
        for (uint32_t j = 0; j < n; j++)
            r->sum[j] = clip16(r->sum[j] + clip16((int32_t)(wide[j] >> p->right) * (1 << p->left)));
}

static inline int16_t scaled(const lp_learner *l, int32_t w)
{
    w = l->exponent < 0 ? w >> -l->exponent : w * (1 << l->exponent);
    return (int16_t)lp_clip(w, -32767, 32767);
}

/* The sums, in 2^-7, rounded to the next multiple of 2^bits below or, by chance, above. */
LP_CLONES static void settle(const lp_learner *l, int tag, const row *r, chance c)
{
    const int32_t bits = tag ? 0 : l->bits, lo = tag ? -256 : l->lo, hi = tag ? 255 : l->hi;
    const int32_t step = 7 + bits, mask = (1 << step) - 1;
    const uint32_t from = r->source * l->n_dst;
    const int32_t *restrict sum = r->sum;
    const uint16_t *const to = r->to;
    int32_t *restrict value = r->value;
    for (uint32_t j = 0; j < r->n; j++) {
        int32_t s = sum[j];
        s = lo < 0 ? s : lp_clip(s, 0, 32767);
        s = hi > 0 ? s : lp_clip(s, -32768, 0);
        const uint32_t part = (uint32_t)(s & mask) << (16 - step);
        const uint32_t d = l->nearest ? half : draw(c, from + (to ? to[j] : j));
        value[j] = lp_clip(((s >> step) + (d < part)) * (1 << bits), lo, hi);
    }
    int16_t *kept = (tag ? l->tags : l->weights) + r->first, *out = l->out + r->first;
    for (uint32_t j = 0; j < r->n; j++) kept[r->at ? r->at[j] : j] = (int16_t)value[j];
    for (uint32_t j = 0; !tag && j < r->n; j++) out[r->at ? r->at[j] : j] = scaled(l, value[j]);
}

/* Both rules read what was there before either. */
static void change(const lp_learner *l, const row *r, uint64_t step, int gate, int32_t rewarded)
{
    for (uint32_t j = 0; j < r->n; j++) {
        const uint32_t k = r->first + (r->at ? r->at[j] : j);
        r->weights[j] = l->weights[k];
        r->tags[j] = l->tags[k];
    }
    for (int tag = 0; tag < 2; tag++) {
        int any = 0;
        for (uint32_t j = 0; j < r->n; j++) r->sum[j] = (tag ? r->tags : r->weights)[j] * 128;
        for (uint32_t k = 0; k < l->n_products; k++) {
            const lp_product *p = &l->products[k];
            if (p->target != (tag ? LP_TAG : LP_WEIGHT) || (p->gated && !gate)) continue;
            if (p->when == LP_X0 && !l->tx[r->source]) continue;
            add_product(l, p, r, rewarded);
            any = 1;
        }
        if (any) settle(l, tag, r, key(l->seed, l->number, step, tag ? TAG : WEIGHT));
    }
}

/* The synapses of a row whose target has spiked: l->at and l->to, how many. */
static uint32_t reached(const lp_learner *l, uint32_t n, const uint16_t *targets)
{
    uint32_t count = 0;
    for (uint32_t j = 0; j < n; j++) {
        const uint16_t to = targets ? targets[j] : (uint16_t)j;
        l->at[count] = j;
        l->to[count] = to;
        count += l->ty[to] > 0;
    }
    return count;
}

/* Synapses whose source or target has spiked, or all of them where a product asks neither. What is
 * returned, here and below, is the work as lp_learn_run counts it. */
static uint64_t apply(const lp_learner *l, uint64_t step, int32_t rewarded)
{
    const int gate = step / l->epoch % ((uint64_t)1 << l->decimate) == 0;
    int always = 0, by_source = 0, by_target = 0;
    for (uint32_t k = 0; k < l->n_products; k++) {
        if (l->products[k].gated && !gate) continue;
        always |= l->products[k].when == LP_TAG;
        by_source |= l->products[k].when == LP_X0;
        by_target |= l->products[k].when == LP_Y0;
    }
    uint64_t work = 0;
    const uint32_t all = l->n_dst, fired = by_target ? reached(l, all, NULL) : 0;
    int32_t *s = l->scratch;
    for (uint32_t i = 0; i < l->n_src; i++) {
        const uint32_t first = l->rows[i], n = l->rows[i + 1] - first;
        row r = {n, i,       first,       NULL,       l->targets ? l->targets + first : NULL,
                 s, s + all, s + 2 * all, s + 3 * all};
        if (!always && !(by_source && l->tx[i])) {
            if (!fired) continue;
            r.n = l->targets ? reached(l, n, r.to) : fired;
            work += n;
            r.at = l->at;
            r.to = l->to;
        }
        if (r.n) change(l, &r, step, gate, rewarded);
        work += (uint64_t)LP_LEARN_WORK * l->n_products * r.n;
    }
    return work;
}

/* --------------------------------------------------------------------------------------- run -- */

static uint64_t end_of_epoch(lp_learner *l, uint64_t step)
{
    int32_t rewarded = l->r1[l->epoch + 1];
    for (int k = 0; k < 5; k++)
        follow(l, k, k < 2 ? l->tx : l->ty, k < 2 ? l->n_src : l->n_dst, step);
    for (int k = LP_Y1; k <= LP_Y3; k++) {
        const lp_trace *t = &l->traces[k];
        uint8_t *own = l->own + (size_t)(k - LP_Y1) * l->n_dst;
        for (uint32_t j = 0; t->used && j < l->n_dst; j++)
            own[j] = t->history[(size_t)l->ty[j] * l->n_dst + j];
    }
    const uint64_t work = apply(l, step, rewarded);
    memset(l->tx, 0, l->n_src);
    memset(l->ty, 0, l->n_dst);
    l->r1[l->epoch + 1] = 0;
    /* traces: up to five, their decays and impulses drawn at each step */
    return work + (uint64_t)5 * l->epoch * (l->n_src + l->n_dst);
}

static uint64_t learn(lp_core *core, lp_learner *l, uint64_t step, const uint16_t *axons,
                      size_t count, int32_t amount)
{
    const uint32_t now = (uint32_t)((step - 1) % l->epoch) + 1;
    const uint8_t *pre = l->src == LP_INPUT ? NULL : lp_core_spikes(core, (uint32_t)l->src);
    const uint8_t *post = lp_core_spikes(core, l->dst);
    if (l->src == LP_INPUT)
        for (size_t k = 0; k < count; k++)
            if (l->tx[axons[k]] != now) spike(l, LP_X1, LP_Y1, l->tx, axons[k], now, step);
    for (uint32_t i = 0; pre && i < l->n_src; i++)
        if (pre[i]) spike(l, LP_X1, LP_Y1, l->tx, i, now, step);
    for (uint32_t j = 0; post && j < l->n_dst; j++)
        if (post[j]) spike(l, LP_Y1, LP_X0, l->ty, j, now, step);
    reward(l, amount, now, step);
    if (amount) l->r1[l->epoch + 1] = 1;
    return l->n_src + l->n_dst + (now == l->epoch ? end_of_epoch(l, step) : 0);
}

static uint64_t record(const lp_learner *l, const lp_learn_probe *p, size_t row)
{
    size_t n = l->rows[l->n_src];
    if (p->what == LP_WEIGHT || p->what == LP_TAG)
        memcpy((int16_t *)p->rows + row * n, p->what == LP_TAG ? l->tags : l->weights,
               n * sizeof(int16_t));
    else if (p->what == LP_R1) ((int16_t *)p->rows)[row] = l->r1[n = 0];
    else {
        n = p->what <= LP_X2 ? l->n_src : l->n_dst;
        memcpy((uint8_t *)p->rows + row * n, l->traces[p->what].now, n);
    }
    return n / 2;
}

int lp_learn_run(lp_core *core, lp_learner *learners, size_t n_learners, uint64_t *work,
                 size_t steps, const uint32_t *starts, const uint16_t *inputs,
                 const int16_t *rewards, lp_probe *probes, const size_t *sizes, size_t n_probes,
                 const lp_learn_probe *learn_probes, size_t n_learn_probes, const lp_noise *noises,
                 size_t n_noises, size_t *done)
{
    lp_counts was, now;
    int status = LP_OK;
    lp_core_counts(core, &was);
    const uint64_t first = was.steps + 1;
    for (*done = 0; *done < steps && *work && status == LP_OK; ++*done) {
        const size_t k = *done, count = starts ? starts[k + 1] - starts[k] : 0;
        lp_noise_before(noises, n_noises, first + k);
        status = lp_core_run(core, 1, starts ? starts + k : NULL, inputs, probes, n_probes);
        if (status != LP_OK && status != LP_E_OVERFLOW) break;
        lp_noise_after(core, noises, n_noises, probes, n_probes);
        lp_core_counts(core, &now);
        uint64_t used = now.synops - was.synops + now.updates - was.updates;
        was = now;
        for (size_t e = 0; e < n_learners; e++)
            used += learn(core, &learners[e], first + k, count ? inputs + starts[k] : NULL, count,
                          rewards ? rewards[k] : 0);
        for (size_t p = 0; p < n_probes; p++) {
            probes[p].rows = (uint8_t *)probes[p].rows + sizes[p];
            used += sizes[p] / 4;
        }
        for (size_t p = 0; p < n_learn_probes; p++)
            used += record(&learners[learn_probes[p].learner], &learn_probes[p], k);
        *work -= used < *work ? used : *work;
    }
    return status;
}

void lp_learn_out(const lp_learner *l)
{
    const uint32_t n = l->rows[l->n_src];
    for (uint32_t k = 0; k < n; k++) l->out[k] = scaled(l, l->weights[k]);
}
