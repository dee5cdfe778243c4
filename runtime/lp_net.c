/* SPDX-License-Identifier: Apache-2.0 */
/* A model's layers, run by the sigma-delta kernel (lp_sd.c) where it can, else on the core: there
 * (SPEC.md, "Network") each hidden layer is a group of dendrites and a group of somas joined to it,
 * the output a group of silent compartments whose current is read. Here: the layout on the core and
 * the logits. */
#include "edge_lp.h"
#include "lp_drive.h"
#include "lp_sd.h"

#define MAX_GROUPS (2 * LP_MAX_LAYERS)
#define MAX_SYNAPSES (3 * LP_MAX_LAYERS) /* per layer: from below, recurrent, autapse */

#ifdef LP_NO_CORE /* boards: 12 KB less code, and LP_E_LIMIT for a model that needs the core */
#define HAS_CORE 0
#else
#define HAS_CORE 1
#endif

typedef struct { /* the core and its description */
    lp_core *core;
    lp_core_spec spec;
    lp_group groups[MAX_GROUPS];
    lp_synapses synapses[MAX_SYNAPSES];
    int32_t *bias[LP_MAX_LAYERS]; /* hidden layers' */
} general;

struct lp_net { /* as long on every machine */
    const lp_model *model;
    LP_POINTER_PADDING;
    uint32_t sd, general; /* the way to one of them, the other is 0 */
};

static lp_sd *sd_of(const lp_net *net) { return lp_beside(net, net->sd); }
static general *general_of(const lp_net *net) { return lp_beside(net, net->general); }

static void bias_of(const lp_layer *l, int32_t *out)
{
    for (uint32_t i = 0; i < l->n; i++) out[i] = lp_bias_of(l, i);
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

/* Fills g's description of the core. Arrays that the groups name are carved from a. */
static void lay_out(general *g, const lp_model *m, uint32_t flags, lp_arena *a)
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
            g->bias[i] = lp_take(a, l->n * sizeof(int32_t));
            d.bias_each = g->bias[i];
        }
        if (i)
            g->synapses[ns++] = coded(&l->w, (int32_t)ng - 1, (int32_t)ng,
                                      last ? m->output_shift : m->synapse_shift);
        g->groups[ng++] = d;
        if (last) break;
        lp_group s = d;
        s.join = (int32_t)ng - 1;
        s.silent = 0;
        s.vth = 0;
        s.bias_each = NULL;
        if (l->recurrent)
            g->synapses[ns++] = coded(&l->u, (int32_t)ng, (int32_t)ng - 1, m->synapse_shift);
        lp_synapses autapse = {0};
        autapse.src = autapse.dst = (int32_t)ng;
        autapse.kind = LP_DIAGONAL;
        autapse.weight = -(int32_t)m->feedback;
        g->synapses[ns++] = autapse;
        g->groups[ng++] = s;
    }
    g->spec.groups = g->groups;
    g->spec.synapses = g->synapses;
    g->spec.n_groups = ng;
    g->spec.n_synapses = ns;
    g->spec.flags = flags;
}

static int core_size(const lp_model *m, uint32_t flags, lp_arena *a)
{
    general g = {0};
    size_t core;
    int e;
    lp_take(a, sizeof(general));
    lay_out(&g, m, flags, a);
    if ((e = lp_core_size(&g.spec, &core))) return e;
    lp_take(a, core);
    return LP_OK;
}

/* Laid out in place: a second description on the stack would be too much for a small board. */
static int core_init(lp_net *net, uint32_t flags, lp_arena *a, size_t bytes)
{
    const lp_model *m = net->model;
    general *g = lp_take(a, sizeof(general));
    lp_zero(g, sizeof *g);
    lay_out(g, m, flags, a);
    for (uint32_t i = 0; i + 1u < m->n_layers; i++) bias_of(&m->layers[i], g->bias[i]);
    net->general = lp_way(net, g);
    return lp_core_init(&g->core, &g->spec, a->base + a->used, bytes - a->used);
}

LP_ONCE int lp_net_size(const lp_model *m, uint32_t flags, size_t *bytes)
{
    lp_arena a = {0};
    int e = LP_OK;
    if (!m || !bytes || !m->n_layers) return LP_E_ARG;
    lp_take(&a, sizeof(lp_net));
    if (!lp_sd_fits(m, flags)) e = HAS_CORE ? core_size(m, flags, &a) : LP_E_LIMIT;
    else if (flags & LP_BOARD) lp_sd_place_scalar(m, &a);
    else lp_sd_place(m, flags, &a);
    *bytes = a.used;
    return e;
}

LP_ONCE int lp_net_init(lp_net **out, const lp_model *m, uint32_t flags, void *memory, size_t bytes)
{
    lp_arena a = {memory, 0};
    size_t need;
    int e = lp_net_size(m, flags, &need);
    if (e) return e;
    if (!out || !memory || (flags & LP_BOARD)) return LP_E_ARG;
    if (bytes < need || (uintptr_t)memory % 8) return LP_E_SPACE;
    lp_net *net = lp_take(&a, sizeof(lp_net));
    lp_zero(net, sizeof *net);
    net->model = m;
    if (lp_sd_fits(m, flags)) {
        lp_sd *const sd = lp_sd_place(m, flags, &a);
        lp_sd_reset(sd);
        net->sd = lp_way(net, sd);
    } else if (HAS_CORE && (e = core_init(net, flags, &a, bytes))) return e;
    *out = net;
    return LP_OK;
}

void lp_net_reset(lp_net *net)
{
    if (!net) return;
    if (net->sd) lp_sd_reset(sd_of(net));
    else if (HAS_CORE) lp_core_reset(general_of(net)->core);
}

lp_core *lp_net_core(lp_net *net) { return net && net->general ? general_of(net)->core : NULL; }

void lp_net_counts(const lp_net *net, lp_counts *counts)
{
    if (!net || !counts) return;
    if (net->sd) lp_sd_counts(sd_of(net), counts);
    else if (HAS_CORE) lp_core_counts(general_of(net)->core, counts);
}

int lp_net_state(const lp_net *net, uint32_t group, int32_t *u, int32_t *v, uint8_t *spikes)
{
    if (!net || group >= 2 * net->model->n_layers - 1u) return LP_E_ARG;
    const uint32_t n = net->model->layers[group / 2].n;
    if (net->sd) {
        lp_sd_state(sd_of(net), group, u, v, spikes);
    } else if (HAS_CORE) {
        const lp_core *core = general_of(net)->core;
        const uint8_t *fired = lp_core_spikes(core, group);
        if (u) lp_copy(u, lp_core_u(core, group), n * sizeof(int32_t));
        if (v) lp_copy(v, lp_core_v(core, group), n * sizeof(int32_t));
        if (spikes && fired) lp_copy(spikes, fired, n);
        else if (spikes) lp_zero(spikes, n);
    }
    return LP_OK;
}

int lp_net_frame(lp_net *net, const int16_t *features, int32_t *logits)
{
    if (!net || !features || !logits) return LP_E_ARG;
    const lp_model *m = net->model;
    const lp_layer *out = &m->layers[m->n_layers - 1];
    const int32_t *u = NULL;
    if (net->sd) {
        lp_sd_frame(sd_of(net), features);
        u = lp_sd_output(sd_of(net));
    } else if (HAS_CORE) {
        const general *g = general_of(net);
        lp_drive(m, features, g->bias[0]);
        /* strict mode: the core's state is that of the step that failed */
        int e = lp_core_run(g->core, m->steps, NULL, NULL, NULL, 0);
        if (e) return e;
        u = lp_core_u(g->core, 2 * m->n_layers - 2u);
    }
    for (uint32_t i = 0; i < out->n; i++) /* |u| <= 2^23, mul <= 255: below 2^31; |bias| <= 2^22 */
        logits[i] = lp_clip((u[i] * m->logit_mul) >> m->logit_shift, -(1 << 24), 1 << 24) +
                    lp_bias_of(out, i);
    return LP_OK;
}
