/* SPDX-License-Identifier: Apache-2.0 */
/* Lays a model's layers on the core (SPEC.md, "Network"): each hidden layer is a group of dendrites
 * and a group of somas joined to it, the output a group of silent compartments whose current is
 * read. Holds the first layer's drive over a frame's steps. */
#include "edge_lp.h"
#include "lp_codes.h"
#include "lp_fix.h"

#define MAX_GROUPS (2 * LP_MAX_LAYERS)
#define MAX_SYNAPSES (3 * LP_MAX_LAYERS) /* per layer: from below, recurrent, autapse */
#define DRIVE_MAX 4194303                /* 2^22 - 1, so u + drive stays below 2^24 */

struct lp_net {
    const lp_model *model;
    lp_core *core;
    lp_core_spec spec;
    lp_group groups[MAX_GROUPS];
    lp_synapses synapses[MAX_SYNAPSES];
    int32_t *drive;               /* [n of the first layer], this frame's */
    int32_t *bias[LP_MAX_LAYERS]; /* hidden layers from the second on */
};

static void bias_of(const lp_layer *l, int32_t *out)
{
    /* < 2^22 */
    for (uint32_t i = 0; i < l->n; i++) out[i] = lp_le16s(l->bias + 2 * i) * (1 << l->bias_shift);
}

static lp_synapses coded(const lp_matrix *m, int32_t src, int32_t dst, uint32_t shift)
{
    lp_synapses y = {0};
    y.src = src;
    y.dst = dst;
    y.kind = (lp_synapse_kind)m->kind;
    y.shift = shift - m->scale;
    y.data = m->codes;
    y.bytes = m->bytes;
    return y;
}

/* Fills net's description of the core. Arrays that the groups name are carved from a. */
static void lay_out(lp_net *net, const lp_model *m, uint32_t flags, lp_arena *a)
{
    uint32_t ng = 0, ns = 0;
    for (uint32_t i = 0; i < m->n_layers; i++) {
        const lp_layer *l = &m->layers[i];
        int last = i + 1u == m->n_layers;
        lp_group d = {0};
        d.n = l->n;
        d.join = LP_NO_JOIN;
        d.silent = 1;
        d.vmin = last ? -LP_V_LIMIT : 0;
        d.vmax = last ? LP_V_LIMIT : m->ceiling;
        d.du = m->delta;
        /* the output's voltage is not read: it follows the current and cannot run up */
        d.dv = last ? 4096 : m->delta;
        d.refract = 1;
        if (!last) {
            net->bias[i] = lp_take(a, l->n * sizeof(int32_t));
            d.bias_each = net->bias[i];
        }
        if (i)
            net->synapses[ns++] = coded(&l->w, (int32_t)ng - 1, (int32_t)ng,
                                        last ? m->output_shift : m->synapse_shift);
        net->groups[ng++] = d;
        if (last) break;
        lp_group s = d;
        s.join = (int32_t)ng - 1;
        s.silent = 0;
        s.vth = 0;
        s.bias_each = NULL;
        if (l->recurrent)
            net->synapses[ns++] = coded(&l->u, (int32_t)ng, (int32_t)ng - 1, m->synapse_shift);
        lp_synapses autapse = {0};
        autapse.src = autapse.dst = (int32_t)ng;
        autapse.kind = LP_DIAGONAL;
        autapse.weight = -(int32_t)m->feedback;
        net->synapses[ns++] = autapse;
        net->groups[ng++] = s;
    }
    net->drive = net->bias[0];
    net->spec.groups = net->groups;
    net->spec.synapses = net->synapses;
    net->spec.n_groups = ng;
    net->spec.n_synapses = ns;
    net->spec.flags = flags;
}

int lp_net_size(const lp_model *m, uint32_t flags, size_t *bytes)
{
    lp_net net = {0};
    lp_arena a = {0};
    size_t core;
    int e;
    if (!m || !bytes || !m->n_layers) return LP_E_ARG;
    lp_take(&a, sizeof(lp_net));
    lay_out(&net, m, flags, &a);
    if ((e = lp_core_size(&net.spec, &core))) return e;
    *bytes = a.used + core;
    return LP_OK;
}

int lp_net_init(lp_net **out, const lp_model *m, uint32_t flags, void *memory, size_t bytes)
{
    lp_arena a = {memory, 0};
    size_t core;
    int e;
    if (!out || !memory || !m || !m->n_layers) return LP_E_ARG;
    if (bytes < sizeof(lp_net) || (uintptr_t)memory % 8) return LP_E_SPACE;
    /* laid out in place: a second one on the stack would be too much for a small board */
    lp_net *net = lp_take(&a, sizeof(lp_net));
    lp_zero(net, sizeof *net);
    net->model = m;
    lay_out(net, m, flags, &a);
    if (bytes < a.used) return LP_E_SPACE;
    for (uint32_t i = 0; i + 1u < m->n_layers; i++) bias_of(&m->layers[i], net->bias[i]);
    if ((e = lp_core_size(&net->spec, &core))) return e;
    if (bytes < a.used + core) return LP_E_SPACE;
    if ((e = lp_core_init(&net->core, &net->spec, a.base + a.used, bytes - a.used))) return e;
    *out = net;
    return LP_OK;
}

void lp_net_reset(lp_net *net) { lp_core_reset(net->core); }
lp_core *lp_net_core(lp_net *net) { return net->core; }
uint32_t lp_net_groups(const lp_net *net) { return net->spec.n_groups; }

/* sum[i] <- sum over features of (code + 4) * feature, for a dense matrix: the five compartments of
 * half a word at a time, in registers. */
static void dense_sums(const lp_matrix *m, const int16_t *features, int32_t *sum)
{
    const uint32_t words = DENSE3_WORDS(m->n_out);
    for (uint32_t column = 0; column < 2 * words; column++) {
        const uint8_t *p = m->codes + 4 * (column / 2);
        int32_t s[5] = {0};
        for (uint32_t f = 0; f < LP_FEATURES; f++, p += 4 * words) {
            uint32_t w = lp_le32(p) >> (16 * (column & 1));
            s[0] += (int32_t)(w & 7) * features[f];
            s[1] += (int32_t)(w >> 3 & 7) * features[f];
            s[2] += (int32_t)(w >> 6 & 7) * features[f];
            s[3] += (int32_t)(w >> 9 & 7) * features[f];
            s[4] += (int32_t)(w >> 12 & 7) * features[f];
        }
        for (uint32_t j = 0, i = column; j < 5 && i < m->n_out; j++, i += 2 * words) sum[i] = s[j];
    }
}

/* drive <- (sum over features of code * feature) * 2^drive_shift + bias. |feature| <= 2^15, code +
 * 4 <= 7, 40 features: the sums stay below 40 * 7 * 2^15 < 2^24; shifted by at most 6: below 2^30.
 */
static void drive(lp_net *net, const int16_t *features)
{
    const lp_layer *l = &net->model->layers[0];
    const lp_matrix *m = &l->w;
    int32_t *sum = net->drive, offset = 0;
    if (m->kind == LP_DENSE3) {
        for (uint32_t f = 0; f < LP_FEATURES; f++) offset += 4 * features[f];
        dense_sums(m, features, sum);
    } else {
        for (uint32_t i = 0; i < l->n; i++) sum[i] = 0;
        for (uint32_t f = 0; f < LP_FEATURES; f++) {
            const uint8_t *e;
            uint32_t count = sparse3_row(m->codes, f, &e), target;
            for (uint32_t k = 0; k < count; k++) {
                int32_t code = sparse3_entry(e + 2 * k, &target);
                sum[target] += code * features[f];
            }
        }
    }
    for (uint32_t i = 0; i < l->n; i++) {
        /* |b| <= 2^22 */
        int32_t z = sum[i] - offset, b = lp_le16s(l->bias + 2 * i) * (1 << l->bias_shift);
        z = net->model->drive_shift >= 0 ? z * (1 << net->model->drive_shift)
                                         : z >> -net->model->drive_shift;
        sum[i] = lp_clip(z + b, -DRIVE_MAX, DRIVE_MAX);
    }
}

int lp_net_frame(lp_net *net, const int16_t *features, int32_t *logits)
{
    const lp_model *m = net->model;
    const lp_layer *out = &m->layers[m->n_layers - 1];
    int e;
    drive(net, features);
    for (uint32_t k = 0; k < m->steps; k++)
        /* strict mode: the core's state is that of the step that failed */
        if ((e = lp_core_step(net->core, NULL, 0))) return e;
    const int32_t *u = lp_core_u(net->core, net->spec.n_groups - 1);
    for (uint32_t i = 0; i < out->n; i++) /* |u| <= 2^23, mul <= 255: below 2^31; |bias| <= 2^22 */
        logits[i] = lp_clip((u[i] * m->logit_mul) >> m->logit_shift, -(1 << 24), 1 << 24) +
                    lp_le16s(out->bias + 2 * i) * (1 << out->bias_shift);
    return LP_OK;
}
