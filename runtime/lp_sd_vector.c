/* SPDX-License-Identifier: Apache-2.0 */
/* The sigma-delta kernel (lp_sd.h) where the compiler vectorises: codes are unpacked to rows of
 * int8 and all units of a layer are updated alike, with plain loops that it turns into vectors. */
#include "lp_places.h"
#include "lp_sd.h"

#if LP_VECTORS

typedef struct {   /* synapses onto a layer from one list of spikes */
    int8_t *rows;  /* [n_in + 1][padded] codes, the last row all 0; NULL: none */
    int16_t scale; /* weight = code * scale */
} source;

typedef struct {
    uint32_t n, padded; /* padded: to a multiple of 32, with units that never get anything */
    int32_t *u, *v, *b; /* [padded] */
    int32_t *bias;      /* the drive in layer 0 */
    uint8_t *fired;     /* [padded] 0 or 1 */
    uint16_t *list;     /* units that spiked in the last step */
    uint32_t spikes;    /* how many */
    uint32_t all;       /* in the frame */
    source below, own;  /* layer 0's below: its product with the features is the drive */
} layer;

struct lp_sd {
    const lp_model *model;
    uint32_t shift, counting;
    int32_t feedback;  /* 64 w_fb */
    int16_t *acc;      /* q, [padded of the widest layer] */
    lp_places *places; /* [256] */
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

static source onto(const lp_matrix *m, uint32_t shift, uint32_t padded, lp_arena *a)
{
    source s = {take32(a, ((size_t)m->n_in + 1) * padded), (int16_t)(1 << (shift - m->scale))};
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
    y.below = onto(&spec->w,
                   !l       ? spec->w.scale
                   : hidden ? m->synapse_shift
                            : m->output_shift,
                   y.padded, a);
    if (!hidden) return y;
    if (spec->recurrent) y.own = onto(&spec->u, m->synapse_shift, y.padded, a);
    y.v = take32(a, y.padded * sizeof(int32_t));
    y.b = take32(a, y.padded * sizeof(int32_t));
    y.bias = take32(a, y.padded * sizeof(int32_t));
    y.fired = take32(a, y.padded);
    y.list = take32(a, (y.n + 8) * sizeof(uint16_t));
    for (uint32_t i = 0; a->base && i < y.padded; i++)
        y.bias[i] = i < y.n ? lp_le16s(spec->bias + 2 * i) * (1 << spec->bias_shift) : 0;
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
    lp_places *places = take32(a, 256 * sizeof(lp_places));
    a->used += 32 - skew;
    if (!sd) return NULL;
    lp_zero(acc, widest * sizeof(int16_t));
    lp_places_fill(places);
    sd->model = m;
    sd->shift = lp_sd_shift(m);
    sd->counting = flags & LP_COUNT;
    sd->feedback = 64 * m->feedback;
    sd->acc = acc;
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
        lp_zero(y->v, y->padded * sizeof(int32_t));
        lp_zero(y->b, y->padded * sizeof(int32_t));
        y->spikes = y->all = 0;
    }
}

/* -------------------------------------------------------------------------------------- step -- */

/* acc[i] += scale * the sum of the spiking sources' codes: four rows of int8 a pass; the list is
 * filled up with the row that is 0. n is a multiple of 32 here and below, which the mask tells the
 * compiler; restrict counts for parameters only, and without it nothing is vectorised. acc is q:
 * it fits 16 bits in a hidden layer, and wraps in the output as it should. (clang's clones have
 * global names: they begin with sd_.) */
LP_CLONES static void sd_add_rows(int16_t *restrict acc, const int8_t *restrict rows, uint32_t n,
                                  int16_t scale, const uint16_t *restrict list, uint32_t count)
{
    n &= ~31u;
    for (uint32_t r = 0; r < count; r += 4) {
        const int8_t *restrict w0 = rows + (size_t)list[r] * n;
        const int8_t *restrict w1 = rows + (size_t)list[r + 1] * n;
        const int8_t *restrict w2 = rows + (size_t)list[r + 2] * n;
        const int8_t *restrict w3 = rows + (size_t)list[r + 3] * n;
        for (uint32_t i = 0; i < n; i++) {
            int8_t sum = (int8_t)(w0[i] + w1[i] + w2[i] + w3[i]);
            acc[i] = (int16_t)(acc[i] + (int16_t)(sum * scale));
        }
    }
}

LP_CLONES static void sd_update(const lp_sd *sd, uint32_t n, int32_t *restrict u,
                                int32_t *restrict v, int32_t *restrict b,
                                const int32_t *restrict bias, int16_t *restrict acc,
                                uint8_t *restrict fired)
{
    const uint32_t s = sd->shift;
    const int32_t feedback = sd->feedback, ceiling = sd->model->ceiling;
    for (uint32_t i = 0; i < (n & ~31u); i++) {
        int32_t q = (int32_t)((uint32_t)acc[i] << 6); /* 64 acc; a product would be widened */
        int32_t now = lp_decayed(u[i], s, q), soma = lp_next_b(b[i], s, feedback);
        int32_t x = lp_clip(lp_decayed_from(v[i], s, now + bias[i]), 0, ceiling);
        int32_t spike = -(x > soma);
        acc[i] = 0;
        u[i] = now;
        v[i] = x;
        b[i] = soma ^ spike;
        fired[i] = (uint8_t)(spike & 1);
    }
}

LP_CLONES static uint32_t sd_list_spikes(const lp_places *places, const uint8_t *fired, uint32_t n,
                                         uint16_t *list)
{
    return lp_places_of(places, fired, n, list);
}

/* sum <- codes times features. |code| <= 4, |feature| <= 2^15, 40 features: |sum| < 2^23. */
LP_CLONES static void sd_weigh(int32_t *restrict sum, const int8_t *restrict rows, uint32_t n,
                               const int32_t *restrict x)
{
    n &= ~31u;
    for (uint32_t i = 0; i < n; i++) sum[i] = 0;
    for (const int32_t *end = x + LP_FEATURES; x < end; x += 4, rows += 4 * (size_t)n) {
        const int8_t *restrict w1 = rows + n, *restrict w2 = w1 + n, *restrict w3 = w2 + n;
        for (uint32_t i = 0; i < n; i++)
            sum[i] += rows[i] * x[0] + w1[i] * x[1] + w2[i] * x[2] + w3[i] * x[3];
    }
}

/* Of a layer's compartments; a b that is complemented is not 0 either: a spike counts. */
LP_CLONES static uint32_t sd_active(const layer *y)
{
    uint32_t active = 0;
    for (uint32_t i = 0; i < y->n; i++)
        active += ((y->u[i] | (y->v ? y->v[i] : 0)) != 0) + (y->b && y->b[i] != 0);
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
            sd_update(sd, y->padded, y->u, y->v, y->b, y->bias, sd->acc, y->fired);
            y->spikes = sd_list_spikes(sd->places, y->fired, y->padded, y->list);
            y->all += y->spikes;
            lp_sd_count_sparse(&sd->counts, &m->layers[l + 1].w, y->list, y->spikes);
            if (y->own.rows) lp_sd_count_sparse(&sd->counts, &m->layers[l].u, y->list, y->spikes);
        }
        if (sd->counting) sd->counts.active += sd_active(y);
    }
}

/* --------------------------------------------------------------------------------- interface -- */

void lp_sd_frame(lp_sd *sd, const int16_t *features)
{
    const layer *y = &sd->layers[0];
    int32_t x[LP_FEATURES]; /* 32 bits: nothing to widen in the loop */
    for (uint32_t f = 0; f < LP_FEATURES; f++) x[f] = features[f];
    sd_weigh(y->bias, y->below.rows, y->padded, x);
    for (uint32_t i = 0; i < y->n; i++) y->bias[i] = lp_drive_of(sd->model, i, y->bias[i]);
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
    for (uint32_t i = 0; i < y->n; i++)
        lp_sd_unit(group % 2, y->u[i], y->v ? y->v[i] : lp_max(y->u[i], -LP_V_LIMIT),
                   y->b ? y->b[i] : 0, u ? u + i : NULL, v ? v + i : NULL,
                   spikes ? spikes + i : NULL);
}

#endif
