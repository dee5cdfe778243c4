/* SPDX-License-Identifier: Apache-2.0 */
/* The sigma-delta kernel (lp_sd.h) where there are no vectors. Rows of codes are read in place, ten
 * codes a word, and added in three registers a word. A unit sleeps while v = 0 and u <= -bias: its
 * dendrite stays at 0 and its soma cannot spike, so only u is kept up; what b decays meanwhile is
 * caught up when it wakes, or at the frame's end, so no clock runs. */
#include "lp_sd.h"

#define BLOCK 18 /* rows that are summed before they are unpacked: 18 * 7 fits 7 bits */
#define AWAKE (1 << 24)

typedef struct {
    int32_t u;
    int32_t v; /* awake: v + AWAKE; asleep: -bias, so that u > v wakes it and v is 0 */
    int32_t b;
    int32_t bias; /* the drive in layer 0 */
} unit;

typedef struct {
    unit *units;       /* [10 words]: with padding, which never wakes */
    uint32_t n, words; /* words: of a dense row */
    uint16_t *list;    /* units that spiked in the last step, in any order */
    uint16_t *awake;   /* units that are awake, in any order */
    uint8_t *slept;    /* steps of this frame that a sleeper's b already has */
    uint32_t n_spikes, n_awake;
} layer;

struct lp_sd {
    const lp_model *model;
    uint32_t shift;
    int32_t feedback; /* 64 w_fb */
    int16_t *acc;     /* q of what the current pass cannot take at once, [10 words of the widest] */
    int32_t *output;  /* u, [n_labels] */
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
        y.list = lp_take(a, y.n * sizeof(uint16_t));
        y.awake = lp_take(a, y.n * sizeof(uint16_t));
        y.slept = lp_take(a, y.n);
        if (y.words > widest) widest = y.words;
        if (sd) sd->layers[l] = y;
    }
    int32_t *output = lp_take(a, m->n_labels * sizeof(int32_t));
    int16_t *acc = lp_take(a, 10 * widest * sizeof(int16_t));
    if (!sd) return NULL;
    lp_zero(acc, 10 * widest * sizeof(int16_t));
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
    lp_zero(sd->output, m->n_labels * sizeof(int32_t));
    for (uint32_t l = 0; l + 1u < m->n_layers; l++) {
        layer *y = &sd->layers[l];
        const lp_layer *spec = &m->layers[l];
        y->n_spikes = y->n_awake = 0;
        for (uint32_t i = 0; i < 10 * y->words; i++) {
            int32_t bias = i < y->n ? lp_le16s(spec->bias + 2 * i) * (1 << spec->bias_shift) : 0;
            y->units[i] = (unit){0, i < y->n ? -bias : INT32_MAX, 0, bias};
        }
        lp_zero(y->slept, y->n);
    }
}

/* ---------------------------------------------------------------------------------- currents -- */

/* Sums of one word of up to BLOCK rows, ten codes + 4 each: fields 0 and 3 of both halves in a, 1
 * and 4 in b; 2 is what is left of the whole, in every bit that counts (modulo 2^32). */
typedef struct {
    uint32_t a, b, all;
} sums;

typedef struct { /* rows of one scale that spikes have called for */
    const uint8_t *at[BLOCK];
    uint32_t n;
    int32_t scale; /* weight = code * scale */
} block;

LP_INLINE void add_word(sums *t, const uint8_t *at, uint32_t fields)
{
    uint32_t w = lp_le32(at);
    t->all += w;
    t->a += w & fields;
    t->b += w >> 3 & fields;
}

/* Word k of the rows, and the next one, if there is one. -> how many words. */
LP_INLINE uint32_t add_words(sums t[2], const block *rows, uint32_t k, uint32_t words)
{
    const uint8_t *const *at = rows->at, *const *end = at + rows->n;
    const uint32_t fields = lp_register(0x0e070e07u);
    sums t0 = {0, 0, 0}, t1 = {0, 0, 0};
    if (k + 1 < words)
        for (; at < end; at++) {
            const uint8_t *p = *at + 4 * k;
            add_word(&t0, p, fields);
            add_word(&t1, p + 4, fields);
        }
    else
        for (; at < end; at++) add_word(&t0, *at + 4 * k, fields);
    t[0] = t0;
    t[1] = t1;
    return k + 1 < words ? 2 : 1;
}

LP_INLINE void add_pair(int16_t *acc, uint32_t low, uint32_t high, int32_t scale, int32_t base)
{
    acc[0] = (int16_t)(acc[0] + (int32_t)(low & 127) * scale + base);
    acc[1] = (int16_t)(acc[1] + (int32_t)(high & 127) * scale + base);
}

/* acc[i] += scale * the codes of the rows, which are used up */
static void add_rows(int16_t *acc, block *rows, uint32_t words)
{
    const int32_t scale = rows->scale, base = -4 * (int32_t)rows->n * scale;
    for (uint32_t k = 0; k < words; k += 2) {
        sums t[2];
        const uint32_t count = add_words(t, rows, k, words);
        for (uint32_t w = 0; w < count; w++) {
            const uint32_t a = t[w].a, b = t[w].b, c = (t[w].all - a - 8 * b) >> 6;
            int16_t *to = acc + 2 * (k + w);
            add_pair(to, a, a >> 16, scale, base), to += 2 * words;
            add_pair(to, b, b >> 16, scale, base), to += 2 * words;
            add_pair(to, c, c >> 16, scale, base), to += 2 * words;
            add_pair(to, a >> 9, a >> 25, scale, base), to += 2 * words;
            add_pair(to, b >> 9, b >> 25, scale, base);
        }
    }
    rows->n = 0;
}

static void add_sparse(int16_t *acc, const lp_matrix *m, int32_t scale, const layer *from)
{
    for (uint32_t r = 0; r < from->n_spikes; r++) {
        const uint8_t *e;
        uint32_t count = sparse3_row(m->codes, from->list[r], &e), i;
        for (uint32_t k = 0; k < count; k++) {
            int32_t code = sparse3_entry(e + 2 * k, &i);
            acc[i] = (int16_t)(acc[i] + code * scale);
        }
    }
}

/* What from's spikes call for in m: the last rows, no more than a block and all of one scale, are
 * left in rows; everything else goes to acc. 1 if something did. */
static int gather(int16_t *acc, block *rows, const lp_matrix *m, uint32_t shift, const layer *from)
{
    const uint32_t words = DENSE3_WORDS(m->n_out), n = from->n_spikes;
    const int32_t scale = 1 << (shift - m->scale);
    int used = 0;
    if (!n) return 0;
    if (m->kind == LP_SPARSE3) {
        add_sparse(acc, m, scale, from);
        return 1;
    }
    if (rows->n && scale != rows->scale) add_rows(acc, rows, words), used = 1;
    rows->scale = scale;
    for (uint32_t r = 0; r < n; r++) {
        if (rows->n == BLOCK) add_rows(acc, rows, words), used = 1;
        rows->at[rows->n++] = m->codes + from->list[r] * 4 * words;
    }
    return used;
}

typedef struct {     /* of a pass over a layer, in one place */
    int16_t *more;   /* other accumulators */
    uint16_t *woken; /* end of the list of those awake */
    int32_t scale, base;
    uint32_t s;
} pass;

/* Unit i at x: its new current from the sum of its codes + 4, and does it wake? */
LP_INLINE void current(pass *p, unit *x, uint32_t i, uint32_t sum, const int more)
{
    int32_t in = (int32_t)(sum & 127) * p->scale + p->base, v = x->v;
    if (more) in += p->more[i] * 64, p->more[i] = 0;
    int32_t u = lp_decayed(x->u, p->s, in);
    x->u = u;
    if (u > v) *p->woken++ = (uint16_t)i;
}

LP_INLINE void two_currents(pass *p, unit *x, uint32_t i, uint32_t low, uint32_t high,
                            const int more)
{
    current(p, x, i, low, more);
    current(p, x + 1, i + 1, high, more);
}

/* The ten units of a word, from unit i on and every `next` units. */
LP_INLINE void currents(pass *p, unit *x, const sums *t, uint32_t i, uint32_t next, const int more)
{
    const uint32_t a = t->a, b = t->b, c = (t->all - a - 8 * b) >> 6;
    two_currents(p, x, i, a, a >> 16, more), i += next, x += next;
    two_currents(p, x, i, b, b >> 16, more), i += next, x += next;
    two_currents(p, x, i, c, c >> 16, more), i += next, x += next;
    two_currents(p, x, i, a >> 9, a >> 25, more), i += next, x += next;
    two_currents(p, x, i, b >> 9, b >> 25, more);
}

/* A layer's new currents from the rows, and from acc if that is used. */
static void all_currents(lp_sd *sd, layer *y, const block *rows, int used)
{
    const uint32_t words = y->words;
    pass p = {sd->acc, y->awake + y->n_awake, 64 * rows->scale,
              /* the codes' offsets of 4 */ -256 * (int32_t)rows->n * rows->scale, sd->shift};
    for (uint32_t k = 0; k < words; k += 2) {
        sums t[2];
        const uint32_t count = add_words(t, rows, k, words);
        for (uint32_t w = 0; w < count; w++) {
            unit *x = y->units + 2 * (k + w);
            if (used) currents(&p, x, &t[w], 2 * (k + w), 2 * words, 1);
            else currents(&p, x, &t[w], 2 * (k + w), 2 * words, 0);
        }
    }
    y->n_awake = (uint32_t)(p.woken - y->awake);
}

/* ---------------------------------------------------------------------------------- voltages -- */

/* A sleeper's b after n more steps. */
LP_INLINE int32_t rested(int32_t b, uint32_t s, uint32_t n)
{
    if (b)
        for (; n; n--) b = lp_decayed_from(b, s, 0);
    return b;
}

/* Step k of the frame, of the units that are awake; those from `woken` on the list just woke. */
static void update(const lp_sd *sd, layer *y, uint32_t woken, uint32_t k)
{
    const uint32_t s = sd->shift, n = y->n_awake;
    const int32_t ceiling = sd->model->ceiling, feedback = sd->feedback;
    uint16_t *spike = y->list, *kept = y->awake;
    for (uint32_t r = woken; r < n; r++) {
        const uint32_t i = y->awake[r];
        y->units[i].v = AWAKE;
        y->units[i].b = rested(y->units[i].b, s, k - y->slept[i]);
    }
    for (const uint16_t *at = y->awake, *end = at + n; at < end; at++) {
        const uint32_t i = *at;
        unit *x = &y->units[i];
        int32_t v = lp_decayed_from(x->v - AWAKE, s, x->u + x->bias);
        int32_t b = lp_next_b(x->b, s, feedback);
        if (v > 0) {
            v = lp_min(v, ceiling);
            *kept++ = (uint16_t)i;
            x->v = v + AWAKE;
            x->b = v > b ? ~b : b;
            if (v > b) *spike++ = (uint16_t)i;
        } else {
            x->v = -x->bias;
            x->b = b;
            y->slept[i] = (uint8_t)(k + 1);
        }
    }
    y->n_awake = (uint32_t)(kept - y->awake);
    y->n_spikes = (uint32_t)(spike - y->list);
}

static void output(lp_sd *sd, block *rows, const layer *last)
{
    const lp_model *m = sd->model;
    gather(sd->acc, rows, &m->layers[m->n_layers - 1].w, m->output_shift, last);
    if (rows->n) add_rows(sd->acc, rows, DENSE3_WORDS(m->n_labels));
    for (uint32_t i = 0; i < m->n_labels; i++) {
        sd->output[i] = lp_wrap24(lp_decayed(sd->output[i], sd->shift, sd->acc[i] * 64));
        sd->acc[i] = 0;
    }
    for (uint32_t i = m->n_labels; i < 10 * DENSE3_WORDS(m->n_labels); i++) sd->acc[i] = 0;
}

static void step(lp_sd *sd, uint32_t k)
{
    const lp_model *m = sd->model;
    block rows;
    rows.n = 0;
    output(sd, &rows, &sd->layers[m->n_layers - 2]);
    for (uint32_t l = m->n_layers - 1u; l-- > 0;) {
        const lp_layer *spec = &m->layers[l];
        layer *y = &sd->layers[l];
        const uint32_t woken = y->n_awake;
        int used = l ? gather(sd->acc, &rows, &spec->w, m->synapse_shift, y - 1) : 0;
        if (spec->recurrent) used |= gather(sd->acc, &rows, &spec->u, m->synapse_shift, y);
        all_currents(sd, y, &rows, used);
        rows.n = 0;
        update(sd, y, woken, k);
        lp_sd_count(&sd->counts, m, l, y->list, y->n_spikes);
    }
}

/* --------------------------------------------------------------------------------- interface -- */

int32_t *lp_sd_drive(lp_sd *sd, uint32_t *stride)
{
    *stride = sizeof(unit) / sizeof(int32_t);
    return &sd->layers[0].units->bias;
}

int lp_sd_weigh(lp_sd *sd, const int16_t *features) { return (void)sd, (void)features, 0; }

void lp_sd_frame(lp_sd *sd)
{
    const lp_model *m = sd->model;
    const layer *first = &sd->layers[0];
    for (uint32_t i = 0; i < first->n; i++) /* the drive is new */
        if (first->units[i].v < AWAKE) first->units[i].v = -first->units[i].bias;
    for (uint32_t k = 0; k < m->steps; k++) step(sd, k);
    for (uint32_t l = 0; l + 1u < m->n_layers; l++) {
        const layer *y = &sd->layers[l];
        for (uint32_t i = 0; i < y->n; i++) {
            unit *x = &y->units[i];
            if (x->v < AWAKE) x->b = rested(x->b, sd->shift, m->steps - y->slept[i]);
            y->slept[i] = 0;
        }
    }
    lp_sd_count_frame(&sd->counts, m);
}

const int32_t *lp_sd_output(const lp_sd *sd) { return sd->output; }
void lp_sd_counts(const lp_sd *sd, lp_counts *counts) { *counts = sd->counts; }

void lp_sd_state(const lp_sd *sd, uint32_t group, int32_t *u, int32_t *v, uint8_t *spikes)
{
    const uint32_t l = group / 2;
    for (uint32_t i = 0; i < sd->model->layers[l].n; i++) {
        unit x = {0};
        if (l + 1u == sd->model->n_layers) x.u = sd->output[i], x.v = lp_max(x.u, -LP_V_LIMIT);
        else x = sd->layers[l].units[i], x.v = x.v < AWAKE ? 0 : x.v - AWAKE;
        lp_sd_unit(group % 2, x.u, x.v, x.b, u ? u + i : NULL, v ? v + i : NULL,
                   spikes ? spikes + i : NULL);
    }
}

#endif
