/* SPDX-License-Identifier: Apache-2.0 */
/* The sigma-delta kernel (lp_sd.h) where there are no vectors. Rows of codes are read in place, ten
 * codes a word, and added in three registers a word. A unit sleeps while v = 0 and u <= -bias: its
 * dendrite stays at 0 and its soma cannot spike, so only u is kept up. Its b is caught up when it
 * wakes, or every RESTED + 1 steps: the clock may run over. */
#include "lp_sd.h"

#define BLOCK 16u /* rows that are summed in registers: -64 <= 16 codes < 64 */
#define RESTED 127u
/* An awake unit's voltage is kept as v + AWAKE. Its decay in 2^s steps takes AWAKE / 2^s more than
 * that of v, which `gain` gives back: AWAKE is a multiple of 2^s. */
#define AWAKE (1 << 24)

typedef struct {
    int32_t u;
    int32_t v; /* awake: v + AWAKE; asleep: -bias, so that u > v wakes it and v is 0 */
    int32_t b;
    int32_t gain; /* awake: bias + AWAKE / 2^s; asleep: sd->clock when b was right.
                   * bias is the drive in layer 0 */
} unit;

typedef struct {
    /* bytes from here to unit[10 words], with padding, which never wakes; and to uint16_t[n], those
     * awake in any order; those that spiked in the last step come first */
    uint32_t units, awake;
    uint16_t n, words; /* words: of a dense row */
    uint16_t n_spikes, n_awake;
    uint32_t fired; /* spikes of the frame */
} layer;

/* As long on every machine: a board's memory is counted on another one. */
struct lp_sd {
    const lp_model *model;
    LP_POINTER_PADDING;
    uint32_t shift;
    int32_t feedback; /* 64 w_fb */
    uint32_t output;  /* bytes from here to int32_t u[n_labels, to even] */
    uint32_t clock;   /* steps, modulo 2^32 */
    lp_counts counts;
    layer layers[1]; /* the hidden ones */
};

/* ------------------------------------------------------------------------------------ layout -- */

LP_ONCE lp_sd *lp_sd_place_scalar(const lp_model *m, lp_arena *a)
{
    const uint32_t hidden = m->n_layers - 1u;
    lp_sd *sd = lp_take(a, sizeof(lp_sd) + (hidden - 1) * sizeof(layer));
    for (uint32_t l = 0; l < hidden; l++) {
        const uint32_t n = m->layers[l].n, words = DENSE3_WORDS(n);
        const void *units = lp_take(a, 10 * words * sizeof(unit));
        const void *awake = lp_take(a, n * sizeof(uint16_t));
        if (!sd) continue;
        layer *y = &sd->layers[l];
        y->n = (uint16_t)n, y->words = (uint16_t)words;
        y->units = lp_way(y, units), y->awake = lp_way(y, awake);
    }
    const void *output = lp_take(a, (m->n_labels + 1u) / 2 * 2 * sizeof(int32_t));
    if (!sd) return NULL;
    sd->model = m;
    sd->shift = lp_sd_shift(m);
    sd->feedback = 64 * m->feedback;
    sd->output = lp_way(sd, output);
    return sd;
}

#if !LP_VECTORS

LP_INLINE unit *units_of(const layer *y) { return lp_hidden(lp_beside(y, y->units)); }
LP_INLINE uint16_t *awake_of(const layer *y) { return lp_beside(y, y->awake); }
LP_INLINE int32_t *output_of(const lp_sd *sd) { return lp_beside(sd, sd->output); }

lp_sd *lp_sd_place(const lp_model *m, uint32_t flags, lp_arena *a)
{
    return (void)flags, lp_sd_place_scalar(m, a);
}

LP_ONCE void lp_sd_reset(lp_sd *sd)
{
    const lp_model *m = sd->model;
    lp_zero(&sd->counts, sizeof sd->counts);
    lp_zero(output_of(sd), (m->n_labels + 1u) / 2 * 2 * sizeof(int32_t));
    sd->clock = 0u - 100; /* runs over at once, as after 2^32 steps: differences count */
    for (uint32_t l = 0; l + 1u < m->n_layers; l++) {
        layer *y = &sd->layers[l];
        y->n_spikes = y->n_awake = y->fired = 0;
        for (uint32_t i = 0; i < 10u * y->words; i++)
            units_of(y)[i] = (unit){0, i < y->n ? -lp_bias_of(&m->layers[l], i) : INT32_MAX, 0,
                                    sd->clock};
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
    return (source){m, awake_of(y), y->n_spikes, shift - m->scale};
}

/* Up to two blocks of rows of two matrices, those of the first one in front. Where loads must be
 * aligned the two are summed apart: the rows of a matrix lie alike. */
typedef struct {
    const uint8_t *at[2 * BLOCK];
    uint32_t first, n;
    uint32_t skew[2];
} rows;

/* The rows of x's spikes r .. r + n - 1. Codes lie within a model: what lp_word reads around them
 * is its header's and its checksum's. */
LP_INLINE void gather(rows *to, uint32_t matrix, const source *x, uint32_t r, uint32_t n)
{
    const uint32_t row = lp_register(4 * DENSE3_WORDS(x->m->n_out)), skew = lp_skew(x->m->codes);
    const uint8_t *codes = x->m->codes - skew;
    const uint8_t **at = to->at + to->n;
    for (const uint16_t *i = x->list + r, *end = i + n; i < end;) *at++ = codes + *i++ * row;
    to->n += n;
    if (!matrix) to->first = to->n;
    to->skew[matrix] = skew;
}

/* Sums of one word of n rows, ten codes each, in 7 bits, two's complement: at bits 0, 9, 16 and 25
 * of a and of b, at 6 and 22 of c. Codes are stored + 4, so sums begin at -4 n, and as no field may
 * take from the one above, at 128 - 4 n (mod 128 that is the same); at bit 9, where the next field
 * follows at once, at 64 - 4 n and what is left is to flip the sign. Fields 0 and 3 of a word's
 * halves are added in a, 1 and 4 in b; 2 is what is left of the whole, modulo 2^32. */
typedef struct {
    uint32_t a, b, c;
} sums;
#define FIELDS(x) ((x) * 0x02010201u) /* x in the four fields of a or b */
#define HALVES(x) ((x) * 0x00010001u)

LP_INLINE void add_word(sums *t, uint32_t w, uint32_t fields)
{
    t->c += w;
    t->a += w & fields;
    t->b += w >> 3 & fields;
}

/* The word from `byte` on of the n rows at `at`. */
LP_INLINE void add_rows(sums *t, const uint8_t *const *at, uint32_t n, uint32_t byte, uint32_t skew)
{
    const uint32_t fields = lp_register(FIELDS(7));
    const uint8_t *const *end = lp_hidden((void *)(at + n));
    if (n & 1) add_word(t, lp_word(*at++ + byte, skew), fields);
    while (at < end) {
        const uint8_t *p, *q;
        at = lp_two_pointers(at, &p, &q);
        add_word(t, lp_word(p + byte, skew), fields);
        add_word(t, lp_word(q + byte, skew), fields);
    }
}

#if LP_ALIGNED
#define add_few_rows add_rows
#else
/* The same without a loop, n <= BLOCK. */
LP_INLINE void add_few_rows(sums *t, const uint8_t *const *at, uint32_t n, uint32_t byte,
                            uint32_t skew)
{
    const uint32_t fields = lp_register(FIELDS(7));
    at = lp_hidden((void *)at); /* all 16 are not to be kept elsewhere */
    /* clang-format off */
#define ROW(i) case i + 1: add_word(t, lp_word(at[i] + byte, skew), fields); LP_ON;
    switch (n) {
        ROW(15) ROW(14) ROW(13) ROW(12) ROW(11) ROW(10) ROW(9) ROW(8)
        ROW(7) ROW(6) ROW(5) ROW(4) ROW(3) ROW(2) ROW(1) ROW(0)
    default: break;
    }
    /* clang-format on */
}
#endif

/* The same of the rows from .. from + n - 1, n <= BLOCK. */
LP_INLINE sums sums_of(const rows *x, uint32_t byte, uint32_t from, uint32_t n, const int few)
{
    const uint32_t start = FIELDS(128 - 4 * n) - (64u << 9);
    sums t = {start, start, 9 * start + HALVES(64 * (128 - 4 * n))};
    if (!LP_ALIGNED) {
        if (few) add_few_rows(&t, x->at + from, n, byte, 0);
        else add_rows(&t, x->at + from, n, byte, 0);
    } else {
        const uint32_t most = x->first < from ? 0 : x->first - from, m = most < n ? most : n;
        add_rows(&t, x->at + from, m, byte, x->skew[0]);
        add_rows(&t, x->at + from + m, n - m, byte, x->skew[1]);
    }
    t.c -= t.a + 8 * t.b;
    t.a ^= 0x8000u, t.b ^= 0x8000u;
    return t;
}

/* The five pairs of units of a word: sums at bits `low` and low + 16 of a word, as lp_lanes wants
 * them. */
#define PAIRS(t)                                                                     \
    {lp_lanes((t).a, 0), lp_lanes((t).b, 0), lp_lanes((t).c, 6), lp_lanes((t).a, 9), \
     lp_lanes((t).b, 9)}

/* ---------------------------------------------------------------------------------- currents -- */

typedef struct { /* of a pass over a layer, in one place */
    unit *units;
    uint16_t *woken; /* end of the list of those awake */
    uint32_t s;
    int32_t scale; /* lp_lane_scale of 64 q = sum of codes * scale */
} pass;

/* The current of x[at] goes from y, its sign taken in, to y's decay and what `more` has beyond y.
 * Does it wake? */
LP_INLINE void current(pass *p, unit *x, const uint32_t at, int32_t y, int32_t v, int32_t more)
{
    x[at].u = more = lp_decay_into(y, p->s, more);
    if (LP_RARE(more > v)) *p->woken++ = (uint16_t)(x + at - p->units);
}

/* Two units at x, from pairs of sums of one block or two. */
LP_INLINE void two_currents(pass *p, unit *x, uint32_t l, uint32_t m, const int two)
{
    int32_t u, v, y, more;
    lp_two_words(&x[0].u, &u, &v);
    y = lp_toward_zero(u);
    more = lp_add_low(l, p->scale, y);
    current(p, x, 0, y, v, two ? lp_add_low(m, p->scale, more) : more);
    lp_two_words(&x[1].u, &u, &v);
    y = lp_toward_zero(u);
    more = lp_add_high(l, p->scale, y);
    current(p, x, 1, y, v, two ? lp_add_high(m, p->scale, more) : more);
}

/* A layer's currents straight from the sums of rows, all of one scale, at most BLOCK. */
static void currents_of_block(pass *p, const layer *y, const rows *from)
{
    const uint32_t next = 2 * y->words, n = from->n;
    unit *first = units_of(y), *const end = first + next;
    for (uint32_t at = 0; first < end; first += 2, at += 4) {
        const sums t = sums_of(from, at, 0, n, 1);
        unit *x = lp_hidden(first);
        two_currents(p, x, lp_lanes(t.a, 0), 0, 0), x = lp_hidden(x + next);
        two_currents(p, x, lp_lanes(t.b, 0), 0, 0), x = lp_hidden(x + next);
        two_currents(p, x, lp_lanes(t.c, 6), 0, 0), x = lp_hidden(x + next);
        two_currents(p, x, lp_lanes(t.a, 9), 0, 0), x = lp_hidden(x + next);
        two_currents(p, x, lp_lanes(t.b, 9), 0, 0);
    }
}

/* The same of BLOCK rows and those behind them. */
static void currents_of_two(pass *p, const layer *y, const rows *from)
{
    const uint32_t next = 2 * y->words, n = from->n - BLOCK;
    unit *first = units_of(y), *const end = first + next;
    if (LP_DSP) p->scale *= 2; /* below 2^30, as lp_sd_fits bounds 64 |weight| tau by 2^23 */
    for (uint32_t at = 0; first < end; first += 2, at += 4) {
        const sums s = sums_of(from, at, 0, BLOCK, 0), t = sums_of(from, at, BLOCK, n, 0);
        unit *x = first;
#if LP_DSP
#define BOTH(field, low) lp_lanes_mean(lp_lanes(s.field, low), lp_lanes(t.field, low))
        const uint32_t l[5] = {BOTH(a, 0), BOTH(b, 0), BOTH(c, 6), BOTH(a, 9), BOTH(b, 9)}, *m = l;
#else
        const uint32_t l[5] = PAIRS(s), m[5] = PAIRS(t);
#endif
        for (int j = 0; j < 5; j++, x += next) two_currents(p, x, l[j], m[j], !LP_DSP);
    }
}

/* u[i * stride] += 64 * the weights of all spikes: for the output, and where currents_of cannot. */
static void add_all(int32_t *u, uint32_t stride, const source *x)
{
    const uint32_t words = DENSE3_WORDS(x->m->n_out);
    const int32_t scale = lp_lane_scale(64 << x->shift);
    int32_t *const end = u + x->m->n_out * stride;
    for (uint32_t r = 0; x->m->kind == LP_DENSE3 && r < x->n; r += BLOCK) {
        rows block;
        block.n = block.skew[1] = 0; /* the latter is read only behind where it is set: for gcc */
        gather(&block, 0, x, r, x->n - r < BLOCK ? x->n - r : BLOCK);
        for (uint32_t k = 0; k < words; k++) {
            const sums t = sums_of(&block, 4 * k, 0, block.n, 0);
            const uint32_t l[5] = PAIRS(t);
            int32_t *to = u + 2 * k * stride;
            for (const uint32_t *m = l; to < end; m++, to += 2 * words * stride) {
                to[0] = lp_add_low(*m, scale, to[0]);
                to[stride] = lp_add_high(*m, scale, to[stride]);
            }
        }
    }
    for (uint32_t r = 0; x->m->kind != LP_DENSE3 && r < x->n; r++) {
        const uint8_t *e;
        uint32_t count = sparse3_row(x->m->codes, x->list[r], &e), i;
        for (uint32_t k = 0; k < count; k++) {
            const int32_t code = sparse3_entry(e + 2 * k, &i);
            u[i * stride] += code * (64 << x->shift);
        }
    }
}

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
    unit *const units = units_of(y), *const end = units + 10 * y->words;
    pass p = {units, awake_of(y) + y->n_awake, sd->shift, lp_lane_scale(64 << shift)};
    if (n <= 2 * BLOCK && (!below.n || below.m->kind == LP_DENSE3) &&
        (!own.n || (own.m->kind == LP_DENSE3 && own.shift == shift))) {
        rows x;
        x.n = x.first = x.skew[0] = x.skew[1] = 0;
        if (below.n) gather(&x, 0, &below, 0, below.n);
        if (own.n) gather(&x, 1, &own, 0, own.n);
        if (n <= BLOCK) currents_of_block(&p, y, &x);
        else currents_of_two(&p, y, &x);
    } else {
        for (unit *x = units; x < end; x++) x->u = lp_decayed(x->u, p.s, 0);
        if (below.m) add_all(&units->u, sizeof(unit) / sizeof(int32_t), &below);
        if (own.m) add_all(&units->u, sizeof(unit) / sizeof(int32_t), &own);
        for (unit *x = units; x < end; x++)
            if (x->u > x->v) *p.woken++ = (uint16_t)(x - units);
    }
    y->n_awake = (uint16_t)(p.woken - awake_of(y));
}

/* The output's currents, before they are wrapped. |64 q| < 2^21, so 32 bits hold them. */
static void output(lp_sd *sd)
{
    const lp_model *m = sd->model;
    const source x = from(&m->layers[m->n_layers - 1].w, m->output_shift,
                          &sd->layers[m->n_layers - 2]);
    int32_t *const first = output_of(sd), *const end = first + (m->n_labels + 1u) / 2 * 2;
    const uint32_t shift = sd->shift;
    for (int32_t *u = first; u < end; u++) *u = lp_decayed(lp_wrap24(*u), shift, 0);
    add_all(first, 1, &x);
}

/* ---------------------------------------------------------------------------------- voltages -- */

/* A sleeper's b after n more steps. */
static int32_t rested(int32_t b, uint32_t s, uint32_t n)
{
    for (; n >= 4 && b; n -= 4)
        for (int k = 0; k < 4; k++) b = lp_decayed_from(b, s, 0);
    for (; n && b; n--) b = lp_decayed_from(b, s, 0);
    return b;
}

static void wake(const lp_sd *sd, const layer *y, const uint16_t *from)
{
    for (const uint16_t *end = awake_of(y) + y->n_awake; from < end; from++) {
        unit *x = &units_of(y)[*from];
        x->b = rested(x->b, sd->shift, sd->clock - (uint32_t)x->gain);
        x->gain = (AWAKE >> sd->shift) - x->v;
        x->v = AWAKE;
    }
}

typedef struct { /* ends of what has been written of a list of those awake */
    uint16_t *spike, *kept;
} lists;

/* A step of the units of list at .. end, which spiked in the last step, or did not. */
LP_INLINE void update(const lp_sd *sd, const layer *y, const uint16_t *at, const uint16_t *end,
                      lists *to, const int spiked)
{
    const uint32_t s = sd->shift;
    const int32_t most = sd->model->ceiling + AWAKE, feedback = spiked ? sd->feedback : 0;
    unit *const units = units_of(y);
    while (at < end) {
        const uint16_t i = *at++;
        unit *x = lp_hidden(&units[i]);
        int32_t u, v, b, gain;
        lp_two_words(&x->u, &u, &v);
        lp_two_words(&x->b, &b, &gain);
        v = lp_decayed_from(v, s, u + gain);
        b = lp_decayed_from(b, s, feedback);
        if (LP_RARE(v <= AWAKE)) {
            x->v = (AWAKE >> s) - gain;
            lp_put_two_words(&x->b, b, (int32_t)sd->clock + 1);
            continue;
        }
        if (LP_RARE(v > most)) v = (int32_t)lp_register((uint32_t)most);
        lp_put_two_words(&x->v, v, b);
        *to->kept = i;
        if (LP_RARE(v > b + AWAKE)) { /* to the front */
            *to->kept = *to->spike;
            *(uint16_t *)lp_hidden(to->spike++) = i;
        }
        to->kept++;
    }
}

static void step(lp_sd *sd)
{
    const lp_model *m = sd->model;
    output(sd);
    for (uint32_t l = m->n_layers - 1u; l-- > 0;) {
        layer *y = &sd->layers[l];
        uint16_t *const list = awake_of(y), *const others = list + y->n_spikes;
        const uint16_t *const woken = list + y->n_awake;
        lists to = {list, list};
        currents(sd, l);
        wake(sd, y, woken);
        update(sd, y, list, others, &to, 1);
        update(sd, y, others, list + y->n_awake, &to, 0);
        y->n_spikes = (uint16_t)(to.spike - list);
        y->n_awake = (uint16_t)(to.kept - list);
        y->fired += y->n_spikes;
        lp_sd_count_sparse(&sd->counts, &m->layers[l], list, y->n_spikes);
    }
    sd->clock++;
}

/* --------------------------------------------------------------------------------- interface -- */

/* x's drive from its sum: a sleeper's v, gain of one awake. */
LP_INLINE void set_drive(const lp_sd *sd, unit *x, uint32_t i, int32_t sum)
{
    const int32_t minus = lp_minus_drive(sd->model, lp_bias_of(sd->model->layers, i), sum);
    if (x->v < AWAKE) x->v = minus;
    else x->gain = (AWAKE >> sd->shift) - minus;
}

/* The b of a layer's sleepers by now. */
LP_ONCE static void catch_up(const lp_sd *sd, const layer *y)
{
    for (unit *x = units_of(y), *const end = x + y->n; x < end; x++)
        if (x->v < AWAKE) {
            x->b = rested(x->b, sd->shift, sd->clock - (uint32_t)x->gain);
            x->gain = (int32_t)sd->clock;
        }
}

static void drive(lp_sd *sd, const int16_t *features)
{
    const lp_matrix *w = &sd->model->layers[0].w;
    const uint32_t n = w->n_out, columns = 2 * DENSE3_WORDS(n);
    unit *const units = units_of(sd->layers);
    if (w->kind == LP_DENSE3) {
        const int32_t offset = lp_drive_offset(features);
        for (uint32_t c = 0; c < columns; c++) {
            int32_t sum[5];
            lp_drive_column(w, c, features, offset, sum);
            for (uint32_t i = c, j = 0; i < n; i += columns) set_drive(sd, &units[i], i, sum[j++]);
        }
        return;
    }
    catch_up(sd, sd->layers); /* then each gain is free for a sum */
    lp_sparse_sums(w, features, &units->gain, sizeof(unit) / sizeof(int32_t));
    for (uint32_t i = 0; i < n; i++) {
        const int32_t sum = units[i].gain;
        units[i].gain = (int32_t)sd->clock;
        set_drive(sd, &units[i], i, sum);
    }
}

void lp_sd_frame(lp_sd *sd, const int16_t *features)
{
    const lp_model *m = sd->model;
    for (uint32_t l = 0; l + 1u < m->n_layers && (sd->clock & RESTED) + m->steps > RESTED; l++)
        catch_up(sd, &sd->layers[l]);
    drive(sd, features);
    for (uint32_t k = 0; k < m->steps; k++) step(sd);
    for (uint32_t i = 0; i < m->n_labels; i++) output_of(sd)[i] = lp_wrap24(output_of(sd)[i]);
    for (uint32_t l = 0; l < m->n_layers; l++) {
        const int hidden = l + 1u < m->n_layers;
        lp_sd_count(&sd->counts, m, l, hidden ? sd->layers[l].fired : 0);
        if (hidden) sd->layers[l].fired = 0;
    }
}

const int32_t *lp_sd_output(const lp_sd *sd) { return output_of(sd); }
void lp_sd_counts(const lp_sd *sd, lp_counts *counts) { *counts = sd->counts; }

void lp_sd_state(const lp_sd *sd, uint32_t group, int32_t *u, int32_t *v, uint8_t *spikes)
{
    const uint32_t l = group / 2;
    const int output = l + 1u == sd->model->n_layers;
    const layer *y = &sd->layers[output ? 0 : l];
    for (uint32_t i = 0; i < sd->model->layers[l].n; i++) {
        unit x = {0};
        if (output) {
            x.u = output_of(sd)[i], x.v = lp_max(x.u, -LP_V_LIMIT);
        } else {
            x = units_of(y)[i];
            if (x.v < AWAKE) x.b = rested(x.b, sd->shift, sd->clock - (uint32_t)x.gain);
            x.v = x.v < AWAKE ? 0 : x.v - AWAKE;
        }
        lp_sd_unit(group % 2, x.u, x.v, x.b, u ? u + i : NULL, v ? v + i : NULL,
                   spikes ? spikes + i : NULL);
    }
    for (uint32_t r = 0; spikes && group % 2 && r < y->n_spikes; r++) spikes[awake_of(y)[r]] = 1;
}

#endif
