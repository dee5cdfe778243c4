/* SPDX-License-Identifier: Apache-2.0 */
/* The sigma-delta kernel (lp_sd.h) where the compiler vectorises: codes are unpacked to rows of
 * int8 and all units of a layer are updated alike, with plain loops that it turns into vectors. */
#include "lp_places.h"
#include "lp_sd.h"

#if LP_VECTORS

typedef int8_t lanes8 __attribute__((vector_size(32), may_alias));

typedef struct {   /* synapses onto a layer from one list of spikes */
    int8_t *rows;  /* [n_in + 1][padded] codes, the last row all 0; NULL: none */
    int16_t scale; /* weight = code * scale; minus that where numbers are kept negated */
} source;

/* In a hidden layer u, v, b, next, bias and q are kept negated: a decay takes an instruction less.
 */
typedef struct {
    uint32_t n, padded; /* padded: to a multiple of 32, with units that never get anything */
    int32_t *u, *v;     /* [padded] */
    int32_t *b, *next;  /* [padded] of the last step, not complemented; of the one to come */
    int32_t *bias;      /* the layer's own */
    int32_t *drive;     /* layer 0: of the frame; else bias */
    uint8_t *fired;     /* [padded] 0 or 1 */
    uint16_t *list;     /* units that spiked in the last step */
    uint32_t spikes;    /* how many */
    uint32_t all;       /* in the frame */
    source below, own;  /* layer 0's below: its product with the features is the drive */
} layer;

struct lp_sd {
    const lp_model *model;
    uint32_t shift, counting;
    int32_t feedback; /* 64 w_fb */
    int16_t *acc;     /* q, [padded of the widest layer] */
    int16_t *high;    /* [padded of layer 0] for its drive */
    lp_places *places;
    lp_counts counts;
    layer layers[LP_MAX_LAYERS];
};

/* ------------------------------------------------------------------------------------ layout -- */

/* From a 32-byte boundary on, where a->used is at one: vectors that cross cache lines cost a half.
 */
static void *take32(lp_arena *a, size_t bytes) { return lp_take(a, (bytes + 31) & ~(size_t)31); }

static void unpack(const lp_matrix *m, int8_t *rows, uint32_t padded)
{
    lp_zero(rows, ((size_t)m->n_in + 1) * padded);
    for (uint32_t j = 0; j < m->n_in; j++, rows += padded) {
        const uint8_t *e = m->codes + j * dense3_row(m->n_out);
        uint32_t count = m->kind == LP_DENSE3 ? m->n_out : sparse3_row(m->codes, j, &e);
        for (uint32_t k = 0; k < count; k++) {
            uint32_t i = k;
            int32_t code = m->kind == LP_DENSE3 ? dense3_code(e, DENSE3_WORDS(m->n_out), k)
                                                : sparse3_entry(e + 2 * k, &i);
            rows[i] = (int8_t)code;
        }
    }
}

static source onto(const lp_matrix *m, uint32_t shift, int sign, uint32_t padded, lp_arena *a)
{
    const int32_t scale = sign * (1 << (shift - m->scale));
    source s = {take32(a, ((size_t)m->n_in + 1) * padded), (int16_t)scale};
    if (a->base) unpack(m, s.rows, padded);
    return s;
}

static layer place(const lp_model *m, uint32_t l, lp_arena *a)
{
    const lp_layer *spec = &m->layers[l];
    const int hidden = l + 1u < m->n_layers;
    layer y = {0};
    y.n = spec->n;
    y.padded = (y.n + 31) & ~31u;
    y.u = take32(a, y.padded * sizeof(int32_t));
    if (!hidden) {
        y.below = onto(&spec->w, m->output_shift, 1, y.padded, a);
        return y;
    }
    y.below = onto(&spec->w, l ? m->synapse_shift : spec->w.scale, -1, y.padded, a);
    if (spec->recurrent) y.own = onto(&spec->u, m->synapse_shift, -1, y.padded, a);
    y.v = take32(a, 5 * y.padded * sizeof(int32_t));
    y.fired = take32(a, y.padded);
    y.list = take32(a, (y.n + 8) * sizeof(uint16_t));
    if (!a->base) return y;
    y.b = y.v + y.padded, y.next = y.b + y.padded, y.bias = y.next + y.padded;
    y.drive = l ? y.bias : y.bias + y.padded;
    for (uint32_t i = 0; i < y.padded; i++) y.bias[i] = i < y.n ? -lp_bias_of(spec, i) : 0;
    return y;
}

lp_sd *lp_sd_place(const lp_model *m, uint32_t flags, lp_arena *a)
{
    lp_sd *sd = lp_take(a, sizeof(lp_sd));
    const size_t skew = a->base ? -(uintptr_t)(a->base + a->used) & 31 : 0;
    uint32_t widest = 0;
    a->used += skew;
    for (uint32_t l = 0; l < m->n_layers; l++) {
        layer y = place(m, l, a);
        if (y.padded > widest) widest = y.padded;
        if (sd) sd->layers[l] = y;
    }
    int16_t *acc = take32(a, widest * sizeof(int16_t));
    int16_t *high = take32(a, widest * sizeof(int16_t));
    lp_places *places = take32(a, sizeof(lp_places));
    a->used += 32 - skew;
    if (!sd) return NULL;
    lp_zero(acc, widest * sizeof(int16_t));
    lp_zero(high, widest * sizeof(int16_t));
    lp_places_fill(places);
    sd->model = m;
    sd->shift = lp_sd_shift(m);
    sd->counting = flags & LP_COUNT;
    sd->feedback = 64 * m->feedback;
    sd->acc = acc;
    sd->high = high;
    sd->places = places;
    return sd;
}

void lp_sd_reset(lp_sd *sd)
{
    lp_zero(&sd->counts, sizeof sd->counts);
    for (uint32_t l = 0; l < sd->model->n_layers; l++) {
        layer *y = &sd->layers[l];
        lp_zero(y->u, y->padded * sizeof(int32_t));
        if (l + 1u == sd->model->n_layers) break;
        lp_zero(y->v, 3 * y->padded * sizeof(int32_t)); /* b and next, too */
        y->spikes = y->all = 0;
    }
}

/* -------------------------------------------------------------------------------------- step -- */

/* acc[i] += scale * the sum of the spiking sources' codes. Sums of 128 units, or of 32, stay in
 * registers over so many rows that they fit 8 bits. acc is q: it fits 16 bits in a hidden layer,
 * and wraps in the output as it should. Four rows a turn, as the last is not foreseen; the list
 * is filled up with the row that is 0. (clang's clones have global names: they begin with sd_.) */
enum { ROWS = 28 };
LP_INLINE void add_block(int16_t *restrict acc, const int8_t *rows, uint32_t n, int16_t scale,
                         const uint16_t *list, uint32_t count, const uint32_t vectors)
{
    lanes8 sums[4] = {{0}, {0}, {0}, {0}};
    const int8_t *s = (const int8_t *)sums;
    lanes8 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    for (uint32_t r = 0; r < count; r += 4)
        for (uint32_t k = 0; k < 4; k++) {
            const lanes8 *row = (const lanes8 *)(rows + (size_t)list[r + k] * n);
            s0 += row[0];
            if (vectors > 1) s1 += row[1], s2 += row[2], s3 += row[3];
        }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
    for (uint32_t i = 0; i < 32 * vectors; i++)
        acc[i] = (int16_t)(acc[i] + (int16_t)(s[i] * scale));
}

LP_CLONES static void sd_add_rows(int16_t *restrict acc, const int8_t *restrict rows, uint32_t n,
                                  int16_t scale, const uint16_t *list, uint32_t count)
{
    for (uint32_t r = 0; r < count; r += ROWS) {
        const uint32_t some = lp_min(count - r, ROWS);
        uint32_t i = 0;
        for (; LP_WIDE && i + 128 <= n; i += 128)
            add_block(acc + i, rows + i, n, scale, list + r, some, 4);
        for (; i < n; i += 32) add_block(acc + i, rows + i, n, scale, list + r, some, 1);
    }
}

/* decay(n) of n <= 0, and of n > 0 less 1 (lp_sd.h, for y = -n). */
LP_INLINE int32_t less(int32_t n, uint32_t s) { return n - (n >> s); }

/* All negated; n is a multiple of 32 here and below, which the mask tells the compiler; restrict
 * counts for parameters only, and without it nothing is vectorised. */
LP_CLONES static void sd_update(const lp_sd *sd, uint32_t n, int32_t *restrict u,
                                int32_t *restrict v, int32_t *restrict b, int32_t *restrict next,
                                const int32_t *restrict bias, int16_t *restrict acc,
                                uint8_t *restrict fired)
{
    const uint32_t s = sd->shift;
    const int32_t feedback = sd->feedback, floor = -sd->model->ceiling;
    for (uint32_t i = 0; i < (n & ~31u); i++) {
        const int32_t q = (int32_t)((uint32_t)acc[i] << 6); /* 64 acc; a product would be widened */
        const int32_t now = less(u[i] - (u[i] > 0), s) + q, soma = next[i];
        const int32_t x = lp_clip(less(v[i], s) + now + bias[i], floor, 0);
        const int32_t spike = -(x < soma);
        acc[i] = 0;
        u[i] = now;
        v[i] = x;
        b[i] = soma;
        next[i] = less(soma, s) - (feedback & spike);
    }
    for (uint32_t i = 0; i < (n & ~31u); i++) fired[i] = v[i] < b[i];
}

LP_CLONES static uint32_t sd_list_spikes(const lp_places *places, const uint8_t *fired, uint32_t n,
                                         uint16_t *list)
{
    return lp_places_of(places, fired, n, list);
}

/* Codes times features, which are 256 h + l, -128 <= l < 128: sum of low + 256 high. 40 features,
 * |code| <= 4 and |h|, |l| <= 128: both sums fit 16 bits. */
LP_CLONES static void sd_weigh(int16_t *restrict low, int16_t *restrict high,
                               const int8_t *restrict rows, uint32_t n, const int16_t *restrict l,
                               const int16_t *restrict h)
{
    n &= ~31u;
    for (uint32_t f = 0; f < LP_FEATURES; f += 4, l += 4, h += 4, rows += 4 * (size_t)n) {
        const int8_t *restrict w1 = rows + n, *restrict w2 = w1 + n, *restrict w3 = w2 + n;
        for (uint32_t i = 0; i < n; i++) {
            low[i] = (int16_t)(low[i] + rows[i] * l[0] + w1[i] * l[1] + w2[i] * l[2] +
                               w3[i] * l[3]);
            high[i] = (int16_t)(high[i] + rows[i] * h[0] + w1[i] * h[1] + w2[i] * h[2] +
                                w3[i] * h[3]);
        }
    }
}

/* The drive, negated, from these sums, which are 0 again. */
LP_CLONES static void sd_drive(const lp_model *m, uint32_t n, int16_t *restrict low,
                               int16_t *restrict high, const int32_t *restrict bias,
                               int32_t *restrict drive)
{
    for (uint32_t i = 0; i < (n & ~31u); i++) {
        drive[i] = lp_minus_drive(m, -bias[i], 256 * high[i] + low[i]);
        low[i] = high[i] = 0;
    }
}

/* Of a layer's compartments; a spike counts: of a soma whose b is 0, where v is not. */
LP_CLONES static uint32_t sd_active(const layer *y)
{
    uint32_t active = 0;
    for (uint32_t i = 0; i < y->n; i++)
        active += ((y->u[i] | (y->v ? y->v[i] : 0)) != 0) + (y->b && (y->b[i] | y->v[i]));
    return active;
}

/* The output's currents; acc is 0 again. */
LP_CLONES static void sd_output(int32_t *restrict u, int16_t *restrict acc, uint32_t n, uint32_t s)
{
    for (uint32_t i = 0; i < n; i++) {
        u[i] = lp_wrap24(lp_decayed(u[i], s, acc[i] * 64));
        acc[i] = 0;
    }
}

static void deliver(lp_sd *sd, const source *x, uint32_t padded, layer *from)
{
    for (uint32_t k = 0; k < 3; k++) from->list[from->spikes + k] = (uint16_t)from->n;
    sd_add_rows(sd->acc, x->rows, padded, x->scale, from->list, from->spikes);
}

static void step(lp_sd *sd)
{
    const lp_model *m = sd->model;
    for (uint32_t l = m->n_layers; l-- > 0;) {
        layer *y = &sd->layers[l];
        if (l) deliver(sd, &y->below, y->padded, y - 1);
        if (y->own.rows) deliver(sd, &y->own, y->padded, y);
        if (l + 1u == m->n_layers) {
            sd_output(y->u, sd->acc, y->padded, sd->shift);
        } else {
            sd_update(sd, y->padded, y->u, y->v, y->b, y->next, y->drive, sd->acc, y->fired);
            y->spikes = sd_list_spikes(sd->places, y->fired, y->padded, y->list);
            y->all += y->spikes;
            lp_sd_count_sparse(&sd->counts, &m->layers[l], y->list, y->spikes);
        }
        if (sd->counting) sd->counts.active += sd_active(y);
    }
}

/* --------------------------------------------------------------------------------- interface -- */

void lp_sd_frame(lp_sd *sd, const int16_t *features)
{
    const layer *y = &sd->layers[0];
    int16_t low[LP_FEATURES], high[LP_FEATURES];
    for (uint32_t f = 0; f < LP_FEATURES; f++) {
        low[f] = (int8_t)features[f];
        high[f] = (int16_t)((features[f] - low[f]) >> 8);
    }
    sd_weigh(sd->acc, sd->high, y->below.rows, y->padded, low, high);
    sd_drive(sd->model, y->padded, sd->acc, sd->high, y->bias, y->drive);
    for (uint32_t k = 0; k < sd->model->steps; k++) step(sd);
    for (uint32_t l = 0; l < sd->model->n_layers; l++) {
        lp_sd_count(&sd->counts, sd->model, l, sd->layers[l].all);
        sd->layers[l].all = 0;
    }
}

const int32_t *lp_sd_output(const lp_sd *sd) { return sd->layers[sd->model->n_layers - 1].u; }
void lp_sd_counts(const lp_sd *sd, lp_counts *counts) { *counts = sd->counts; }

void lp_sd_state(const lp_sd *sd, uint32_t group, int32_t *u, int32_t *v, uint8_t *spikes)
{
    const layer *y = &sd->layers[group / 2];
    for (uint32_t i = 0; i < y->n; i++) {
        int32_t now = y->u[i], x = lp_max(now, -LP_V_LIMIT), soma = 0;
        if (y->b) now = -now, x = -y->v[i], soma = y->v[i] < y->b[i] ? ~-y->b[i] : -y->b[i];
        lp_sd_unit(group % 2, now, x, soma, u ? u + i : NULL, v ? v + i : NULL,
                   spikes ? spikes + i : NULL);
    }
}

#endif
