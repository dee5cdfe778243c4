/* SPDX-License-Identifier: Apache-2.0 */
/* The sigma-delta kernel (lp_sd.h) where there are no vectors. Rows of codes are read in place, ten
 * codes a word, and added in three registers a word. A unit sleeps while v = 0 and u <= -bias: its
 * dendrite stays at 0 and its soma cannot spike, so only u is kept up; what b decays meanwhile is
 * caught up when it wakes, or after RESTED steps, so no clock runs over. */
#include "lp_sd.h"

#define BLOCK 16u /* rows that are summed before they are unpacked: -64 <= 16 codes < 64 */
#define RESTED 64u
/* An awake unit's voltage is kept as v + AWAKE. Its decay in 2^s steps takes AWAKE / 2^s more than
 * that of v, which `gain` gives back: AWAKE is a multiple of 2^s. */
#define AWAKE (1 << 24)

typedef struct {
    int32_t u;
    int32_t v; /* awake: v + AWAKE; asleep: -bias, so that u > v wakes it and v is 0 */
    int32_t b;
    int32_t gain; /* bias, the drive in layer 0, + AWAKE / 2^s */
} unit;

typedef struct {
    unit *units;       /* [10 words]: with padding, which never wakes */
    uint32_t n, words; /* words: of a dense row */
    uint16_t *awake;   /* units that are awake, in any order; those that spiked in the last step
                        * come first */
    uint8_t *slept;    /* steps of sd->clock that a sleeper's b already has */
    uint32_t n_spikes, n_awake;
} layer;

struct lp_sd {
    const lp_model *model;
    uint32_t shift;
    int32_t feedback; /* 64 w_fb */
    /* Accumulators q, where a pass cannot take the sums from registers: [5 words of the widest
     * layer], of units 2 i and 2 i + 1 each: q of the first + 2^16 q of the second. As an integer
     * that is exact modulo 2^32, whatever carries on the way, and |q| < 2^15. */
    uint32_t *acc;
    int32_t *output; /* u, [n_labels, and one more if they are odd] */
    uint32_t clock;  /* steps since all sleepers were caught up */
    lp_counts counts;
    layer layers[1]; /* the hidden ones */
};

/* ------------------------------------------------------------------------------------ layout -- */

lp_sd *lp_sd_place_scalar(const lp_model *m, lp_arena *a)
{
    const uint32_t hidden = m->n_layers - 1u;
    lp_sd *sd = lp_take(a, sizeof(lp_sd) + (hidden - 1) * sizeof(layer));
    uint32_t widest = DENSE3_WORDS(m->n_labels);
    for (uint32_t l = 0; l < hidden; l++) {
        layer y = {0};
        y.n = m->layers[l].n;
        y.words = DENSE3_WORDS(y.n);
        y.units = lp_take(a, 10 * y.words * sizeof(unit));
        y.awake = lp_take(a, y.n * sizeof(uint16_t));
        y.slept = lp_take(a, y.n);
        if (y.words > widest) widest = y.words;
        if (sd) sd->layers[l] = y;
    }
    int32_t *output = lp_take(a, (m->n_labels + 1) / 2 * 2 * sizeof(int32_t));
    uint32_t *acc = lp_take(a, 5 * widest * sizeof(uint32_t));
    if (!sd) return NULL;
    lp_zero(acc, 5 * widest * sizeof(uint32_t));
    sd->model = m;
    sd->shift = lp_sd_shift(m);
    sd->feedback = 64 * m->feedback;
    sd->acc = acc;
    sd->output = output;
    return sd;
}

#if !LP_VECTORS

lp_sd *lp_sd_place(const lp_model *m, uint32_t flags, lp_arena *a)
{
    return (void)flags, lp_sd_place_scalar(m, a);
}

void lp_sd_reset(lp_sd *sd)
{
    const lp_model *m = sd->model;
    lp_zero(&sd->counts, sizeof sd->counts);
    lp_zero(sd->output, (m->n_labels + 1) / 2 * 2 * sizeof(int32_t));
    sd->clock = 0;
    for (uint32_t l = 0; l + 1u < m->n_layers; l++) {
        layer *y = &sd->layers[l];
        const lp_layer *spec = &m->layers[l];
        y->n_spikes = y->n_awake = 0;
        for (uint32_t i = 0; i < 10 * y->words; i++) {
            int32_t bias = i < y->n ? lp_le16s(spec->bias + 2 * i) * (1 << spec->bias_shift) : 0;
            y->units[i] = (unit){0, i < y->n ? -bias : INT32_MAX, 0, bias + (AWAKE >> sd->shift)};
        }
        lp_zero(y->slept, y->n);
    }
}

/* -------------------------------------------------------------------------------------- rows -- */

/* Synapses onto a layer, and the units whose spikes come through them. */
typedef struct {
    const lp_matrix *m;
    const uint16_t *list;
    uint32_t n, shift; /* weight = code * 2^shift */
} source;

static source from(const lp_matrix *m, uint32_t shift, const layer *y)
{
    return (source){m, y->awake, y->n_spikes, shift - m->scale};
}

/* Up to BLOCK rows of two matrices, those of the first one in front. Where loads must be aligned
 * the two are summed apart: the rows of a matrix lie alike. */
typedef struct {
    const uint8_t *at[BLOCK];
    uint32_t first, n;
    uint32_t skew[2];
} rows;

/* The rows of x's spikes r .. r + n - 1. Codes lie within a model: what lp_word reads around them
 * is its header's and its checksum's. */
LP_INLINE void gather(rows *to, uint32_t matrix, const source *x, uint32_t r, uint32_t n)
{
    const uint32_t row = 4 * DENSE3_WORDS(x->m->n_out), skew = lp_skew(x->m->codes);
    const uint8_t *codes = x->m->codes - skew;
    const uint8_t **at = to->at + to->n;
    for (const uint16_t *i = x->list + r, *end = i + n; i < end;) *at++ = codes + *i++ * row;
    to->n += n;
    if (!matrix) to->first = to->n;
    to->skew[matrix] = skew;
}

/* Sums of one word of n rows, ten codes + 4 each, + 64 - 4 n: 7 bits that hold the sum of the codes
 * + 64. Fields 0 and 3 of both halves in a, 1 and 4 in b; 2 is what is left of the whole, in every
 * bit that counts (modulo 2^32). */
typedef struct {
    uint32_t a, b, all;
} sums;
#define FIELDS(x) ((x) * 0x02010201u) /* x in the four fields of a or b */
#define HALVES(x) ((x) * 0x00010001u)

LP_INLINE void add_word(sums *t, uint32_t w, uint32_t fields)
{
    t->all += w;
    t->a += w & fields;
    t->b += w >> 3 & fields;
}

/* Word k of the rows at `at`. */
LP_INLINE void add_rows(sums *t, const uint8_t *const *at, uint32_t n, uint32_t k, uint32_t skew)
{
    const uint32_t fields = lp_register(FIELDS(7));
    const uint8_t *const *end = at + n;
    if (n & 1) add_word(t, lp_word(*at++ + 4 * k, skew), fields);
    while (at < end) {
        const uint8_t *p, *q;
        at = lp_two_pointers(at, &p, &q);
        add_word(t, lp_word(p + 4 * k, skew), fields);
        add_word(t, lp_word(q + 4 * k, skew), fields);
    }
}

LP_INLINE sums sums_of(const rows *x, uint32_t k)
{
    const uint32_t from = 64 - 4 * x->n;
    sums t = {FIELDS(from), FIELDS(from), FIELDS(9 * from) + HALVES(64 * from)};
    if (!LP_ALIGNED) {
        add_rows(&t, x->at, x->n, k, 0);
    } else {
        add_rows(&t, x->at, x->first, k, x->skew[0]);
        add_rows(&t, x->at + x->first, x->n - x->first, k, x->skew[1]);
    }
    return t;
}

/* The third of the sums, in the lower 7 bits of both halves. */
LP_INLINE uint32_t rest(const sums *t) { return (t->all - t->a - 8 * t->b) >> 6; }

/* acc += 2^shift * the codes of the rows of x's spikes r .. r + n - 1, n <= BLOCK */
static void add_block(uint32_t *acc, const source *x, uint32_t r, uint32_t n)
{
    const uint32_t words = DENSE3_WORDS(x->m->n_out), scale = 1u << x->shift;
    const uint32_t both = HALVES(127), base = HALVES(64) * scale;
    rows block;
    block.n = 0;
    gather(&block, 0, x, r, n);
    for (uint32_t k = 0; k < words; k++) {
        const sums t = sums_of(&block, k);
        const uint32_t c = rest(&t);
        uint32_t *to = lp_hidden(acc + k);
        *to += (t.a & both) * scale - base, to = lp_hidden(to + words);
        *to += (t.b & both) * scale - base, to = lp_hidden(to + words);
        *to += (c & both) * scale - base, to = lp_hidden(to + words);
        *to += (t.a >> 9 & both) * scale - base, to = lp_hidden(to + words);
        *to += (t.b >> 9 & both) * scale - base;
    }
}

/* acc += the weights of all spikes */
static void add_all(uint32_t *acc, const source *x)
{
    if (x->m->kind == LP_DENSE3)
        for (uint32_t r = 0; r < x->n; r += BLOCK)
            add_block(acc, x, r, x->n - r < BLOCK ? x->n - r : BLOCK);
    else
        for (uint32_t r = 0; r < x->n; r++) {
            const uint8_t *e;
            uint32_t count = sparse3_row(x->m->codes, x->list[r], &e), i;
            for (uint32_t k = 0; k < count; k++) {
                const uint32_t code = (uint32_t)sparse3_entry(e + 2 * k, &i);
                acc[i / 2] += code << x->shift << 16 * (i % 2);
            }
        }
}

/* ---------------------------------------------------------------------------------- currents -- */

typedef struct { /* of a pass over a layer, in one place */
    unit *units;
    uint16_t *woken; /* end of the list of those awake */
    uint32_t s;
    int32_t scale; /* 64 q = sum of codes * scale */
} pass;

/* The next current of x[at], and does it wake? |64 q| < 2^21. */
LP_INLINE void current(pass *p, unit *x, const uint32_t at, int32_t q64)
{
    int32_t u, v;
    lp_two_words((const int32_t *)(const void *)x, 4 * at, &u, &v);
    x[at].u = u = lp_decayed(u, p->s, q64);
    if (LP_RARE(u > v)) *p->woken++ = (uint16_t)(x + at - p->units);
}

/* Units at x, from the sums in 7 bits of t, two's complement, from `low` and from `high` on. */
LP_INLINE void two_currents(pass *p, unit *x, uint32_t t, uint32_t low, uint32_t high)
{
    current(p, x, 0, ((int32_t)(t << (25 - low)) >> 25) * p->scale);
    current(p, x, 1, ((int32_t)(t << (25 - high)) >> 25) * p->scale);
}

/* Straight from the sums of rows, all of one scale. */
static void currents_of_rows(pass *p, const layer *y, const rows *from)
{
    const uint32_t next = 2 * y->words;
    for (uint32_t k = 0; k < y->words; k++) {
        const sums t = sums_of(from, k);
        /* s + 64 -> s */
        const uint32_t a = t.a ^ FIELDS(64), b = t.b ^ FIELDS(64), c = rest(&t) ^ HALVES(64);
        unit *x = lp_hidden(y->units + 2 * k);
        two_currents(p, x, a, 0, 16), x = lp_hidden(x + next);
        two_currents(p, x, b, 0, 16), x = lp_hidden(x + next);
        two_currents(p, x, c, 0, 16), x = lp_hidden(x + next);
        two_currents(p, x, a, 9, 25), x = lp_hidden(x + next);
        two_currents(p, x, b, 9, 25);
    }
}

/* The second q of an accumulator: rounding takes the first one away. */
LP_INLINE int32_t halves_high(uint32_t acc) { return (int32_t)(acc + 0x8000u) >> 16; }

static void currents_of_acc(pass *p, const layer *y, uint32_t *acc)
{
    for (unit *x = y->units, *end = x + 10 * y->words; x < end; x += 2, acc++) {
        const int32_t low = (int16_t)*acc, high = halves_high(*acc);
        *acc = 0;
        current(p, x, 0, 64 * low);
        current(p, x, 1, 64 * high);
    }
}

/* Can x be summed in registers? */
static int dense(const source *x) { return !x->m || x->m->kind == LP_DENSE3; }

/* A layer's new currents. */
static void currents(lp_sd *sd, uint32_t l)
{
    const lp_model *m = sd->model;
    const lp_layer *spec = &m->layers[l];
    layer *y = &sd->layers[l];
    source below = {0}, own = {0};
    if (l) below = from(&spec->w, m->synapse_shift, y - 1);
    if (spec->recurrent) own = from(&spec->u, m->synapse_shift, y);
    const uint32_t n = below.n + own.n, shift = below.n ? below.shift : own.shift;
    pass p = {y->units, y->awake + y->n_awake, sd->shift, 64 << shift};
    if (n <= BLOCK && dense(&below) && dense(&own) &&
        (!below.n || !own.n || below.shift == own.shift)) {
        rows x;
        x.n = 0;
        if (below.n) gather(&x, 0, &below, 0, below.n);
        else x.first = x.skew[0] = 0;
        if (own.n) gather(&x, 1, &own, 0, own.n);
        else x.skew[1] = 0;
        currents_of_rows(&p, y, &x);
    } else {
        if (below.m) add_all(sd->acc, &below);
        if (own.m) add_all(sd->acc, &own);
        currents_of_acc(&p, y, sd->acc);
    }
    y->n_awake = (uint32_t)(p.woken - y->awake);
}

static void output(lp_sd *sd)
{
    const lp_model *m = sd->model;
    const source x = from(&m->layers[m->n_layers - 1].w, m->output_shift,
                          &sd->layers[m->n_layers - 2]);
    const uint32_t s = sd->shift, labels = m->n_labels;
    uint32_t *acc = sd->acc;
    int32_t *u = sd->output;
    add_all(acc, &x);
    for (uint32_t i = 0; i < 10 * DENSE3_WORDS(labels); i += 2, acc++) {
        const int32_t low = (int16_t)*acc, high = halves_high(*acc);
        *acc = 0;
        if (i >= labels) continue; /* padding */
        u[i] = lp_wrap24(lp_decayed(u[i], s, low * 64));
        u[i + 1] = lp_wrap24(lp_decayed(u[i + 1], s, high * 64));
    }
}

/* ---------------------------------------------------------------------------------- voltages -- */

/* A sleeper's b after n more steps. */
LP_INLINE int32_t rested(int32_t b, uint32_t s, uint32_t n)
{
    if (!b) return 0;
    if (n & 1) b = lp_decayed_from(b, s, 0);
    for (; n > 1; n -= 2) b = lp_decayed_from(lp_decayed_from(b, s, 0), s, 0);
    return b;
}

static void wake(const lp_sd *sd, const layer *y, const uint16_t *from)
{
    for (const uint16_t *end = y->awake + y->n_awake; from < end; from++) {
        unit *x = &y->units[*from];
        x->v = AWAKE;
        x->b = rested(x->b, sd->shift, sd->clock - y->slept[*from]);
    }
}

/* A step of the units that are awake. */
static void update(const lp_sd *sd, layer *y)
{
    const uint32_t s = sd->shift, now = sd->clock + 1;
    const int32_t most = sd->model->ceiling + AWAKE, feedback = sd->feedback;
    unit *const units = y->units;
    uint8_t *const slept = y->slept;
    uint16_t *spike = y->awake, *kept = y->awake;
    for (const uint16_t *at = y->awake, *end = at + y->n_awake; at < end; at++) {
        const uint16_t i = *at;
        unit *x = lp_hidden(&units[i]);
        int32_t u, v, b, gain;
        lp_two_words((const int32_t *)(const void *)x, 0, &u, &v);
        lp_two_words((const int32_t *)(const void *)x, 2, &b, &gain);
        v = lp_decayed_from(v, s, u + gain);
        b = lp_next_b(b, s, feedback);
        if (v > AWAKE) {
            v = lp_min(v, most);
            if (v > b + AWAKE) b = ~b, *kept = *spike, *spike++ = i;
            else *kept = i;
            kept++;
            x->v = v;
        } else {
            x->v = (AWAKE >> s) - gain;
            slept[i] = (uint8_t)now;
        }
        x->b = b;
    }
    y->n_awake = (uint32_t)(kept - y->awake);
    y->n_spikes = (uint32_t)(spike - y->awake);
}

static void step(lp_sd *sd)
{
    const lp_model *m = sd->model;
    output(sd);
    for (uint32_t l = m->n_layers - 1u; l-- > 0;) {
        layer *y = &sd->layers[l];
        const uint32_t before = y->n_awake;
        currents(sd, l);
        wake(sd, y, y->awake + before);
        update(sd, y);
        lp_sd_count(&sd->counts, m, l, y->awake, y->n_spikes);
    }
    sd->clock++;
}

/* --------------------------------------------------------------------------------- interface -- */

static void drive(lp_sd *sd, const int16_t *features)
{
    unit *x = sd->layers[0].units;
    lp_drive_sums(sd->model, features, &x->gain, sizeof(unit) / sizeof(int32_t));
    for (uint32_t i = 0; i < sd->layers[0].n; i++, x++) {
        const int32_t bias = lp_drive_of(sd->model, i, x->gain);
        x->gain = bias + (AWAKE >> sd->shift);
        if (x->v < AWAKE) x->v = -bias;
    }
}

/* Before `slept` or a loop of `rested` becomes too long. */
static void catch_up(lp_sd *sd)
{
    const uint32_t s = sd->shift, clock = sd->clock;
    for (uint32_t l = 0; l + 1u < sd->model->n_layers; l++) {
        const layer *y = &sd->layers[l];
        for (uint32_t i = 0; i < y->n; i++) {
            unit *x = &y->units[i];
            if (x->v < AWAKE) x->b = rested(x->b, s, clock - y->slept[i]);
            y->slept[i] = 0;
        }
    }
    sd->clock = 0;
}

void lp_sd_frame(lp_sd *sd, const int16_t *features)
{
    const lp_model *m = sd->model;
    if (sd->clock + m->steps > RESTED) catch_up(sd);
    drive(sd, features);
    for (uint32_t k = 0; k < m->steps; k++) step(sd);
    lp_sd_count_frame(&sd->counts, m);
}

const int32_t *lp_sd_output(const lp_sd *sd) { return sd->output; }
void lp_sd_counts(const lp_sd *sd, lp_counts *counts) { *counts = sd->counts; }

void lp_sd_state(const lp_sd *sd, uint32_t group, int32_t *u, int32_t *v, uint8_t *spikes)
{
    const uint32_t l = group / 2;
    for (uint32_t i = 0; i < sd->model->layers[l].n; i++) {
        unit x = {0};
        if (l + 1u == sd->model->n_layers) {
            x.u = sd->output[i], x.v = lp_max(x.u, -LP_V_LIMIT);
        } else {
            const layer *y = &sd->layers[l];
            x = y->units[i];
            if (x.v < AWAKE) x.b = rested(x.b, sd->shift, sd->clock - y->slept[i]);
            x.v = x.v < AWAKE ? 0 : x.v - AWAKE;
        }
        lp_sd_unit(group % 2, x.u, x.v, x.b, u ? u + i : NULL, v ? v + i : NULL,
                   spikes ? spikes + i : NULL);
    }
}

#endif
