/* SPDX-License-Identifier: Apache-2.0 */
/* Runs drawn networks on the core and prints a digest of every u, v and spike: the same on every
 * machine (tests/runtime/test_core_machines.py).
 *
 *     cc -std=c99 -O2 -Iruntime tests/c/core_test.c runtime/lp_*.c -o core_test && ./core_test */
#include "edge_lp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NETWORKS 400
#define STEPS 60
#define MAX_N 70

static uint32_t seed = 1;

static uint32_t draw(uint32_t below) /* 0..below-1 */
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static int32_t between(int32_t lo, int32_t hi)
{
    return lo + (int32_t)draw((uint32_t)(hi - lo) + 1u);
}

typedef struct {
    lp_group groups[4];
    lp_synapses synapses[8];
    uint16_t du[4][MAX_N], dv[4][MAX_N], refract[4][MAX_N], targets[8][MAX_N * MAX_N];
    int32_t vth[4][MAX_N], bias[4][MAX_N];
    int16_t weights[8][MAX_N * MAX_N];
    uint32_t rows[8][MAX_N + 1];
    uint8_t codes[8][MAX_N * (MAX_N + 10) * 4];
    lp_core_spec spec;
} network;

static void draw_group(network *w, uint32_t i)
{
    lp_group *g = &w->groups[i];
    memset(g, 0, sizeof *g);
    g->join = i && draw(3) == 0 ? (int32_t)draw(i) : LP_NO_JOIN;
    g->n = g->join == LP_NO_JOIN ? 1 + draw(MAX_N) : w->groups[g->join].n;
    g->silent = draw(4) == 0;
    g->vmin = draw(2) ? 0 : -8388607;
    g->vmax = draw(2) ? 2097151 : 8388607;
    g->vth = between(0, draw(2) ? 500 : 100000);
    g->bias = draw(2) ? between(-900, 9000) : 0;
    g->du = (uint16_t)(draw(2) ? between(0, 4096) : 1 << draw(13));
    g->dv = (uint16_t)(draw(2) ? between(0, 4096) : 1 << draw(13));
    g->refract = (uint16_t)(draw(3) ? 1 : between(1, 64));
    for (uint32_t k = 0; k < g->n; k++) {
        w->du[i][k] = (uint16_t)between(0, 4096);
        w->dv[i][k] = (uint16_t)between(0, 4096);
        w->refract[i][k] = (uint16_t)between(1, 64);
        w->vth[i][k] = between(0, 50000);
        w->bias[i][k] = between(-524288, 524160);
    }
    if (draw(4) == 0) g->du_each = w->du[i], g->dv_each = w->dv[i];
    if (draw(4) == 0) g->refract_each = w->refract[i];
    if (draw(4) == 0) g->vth_each = w->vth[i];
    if (draw(3) == 0) g->bias_each = w->bias[i];
}

static void put16(uint8_t *p, uint32_t x) { p[0] = (uint8_t)x, p[1] = (uint8_t)(x >> 8); }

static void draw_synapses(network *w, uint32_t k)
{
    lp_synapses *y = &w->synapses[k];
    memset(y, 0, sizeof *y);
    y->src = k ? between(-1, (int32_t)w->spec.n_groups - 1) : LP_INPUT;
    if (y->src >= 0 && w->groups[y->src].silent) y->src = LP_INPUT;
    y->dst = between(0, (int32_t)w->spec.n_groups - 1);
    y->delay = draw(3) ? 0 : draw(LP_MAX_DELAY + 1);
    y->shift = draw(13);
    y->kind = (lp_synapse_kind)draw(5);
    const uint32_t n_src = y->src == LP_INPUT ? w->spec.n_inputs : w->groups[y->src].n,
                   n = w->groups[y->dst].n;
    if (y->kind == LP_DIAGONAL && n_src != n) y->kind = LP_DENSE16;
    y->weight = between(-32768, 32767);
    y->data = y->kind == LP_DENSE16 || y->kind == LP_SPARSE16 ? (const void *)w->weights[k]
                                                              : w->codes[k];
    const int32_t most = draw(2) ? 100 : 32767;
    for (uint32_t i = 0; i < n_src * n; i++) w->weights[k][i] = (int16_t)between(-most, most);
    if (y->kind == LP_DENSE3) {
        y->bytes = n_src * 4 * ((n + 9) / 10);
        for (size_t i = 0; i < y->bytes; i++) w->codes[k][i] = (uint8_t)draw(256);
    } else if (y->kind == LP_SPARSE16) {
        uint32_t at = 0;
        for (uint32_t i = 0; i < n_src; i++) {
            w->rows[k][i] = at;
            for (uint32_t j = draw(n + 1); j; j--) w->targets[k][at++] = (uint16_t)draw(n);
        }
        w->rows[k][n_src] = at;
        y->rows = w->rows[k];
        y->targets = w->targets[k];
    } else if (y->kind == LP_SPARSE3) {
        uint32_t at = n_src + 1;
        for (uint32_t i = 0; i < n_src; i++) {
            put16(w->codes[k] + 2 * i, at);
            for (uint32_t j = draw(4); j < n; j += 1 + draw(5))
                put16(w->codes[k] + 2 * at++, j | draw(8) << 13);
        }
        put16(w->codes[k] + 2 * n_src, at);
        y->bytes = 2 * (size_t)at;
    }
}

static void draw_network(network *w)
{
    memset(&w->spec, 0, sizeof w->spec);
    w->spec.groups = w->groups;
    w->spec.synapses = w->synapses;
    w->spec.n_groups = 1 + draw(4);
    w->spec.n_synapses = 1 + draw(8);
    w->spec.n_inputs = 1 + draw(MAX_N);
    w->spec.flags = LP_COUNT;
    for (uint32_t i = 0; i < w->spec.n_groups; i++) draw_group(w, i);
    for (uint32_t k = 0; k < w->spec.n_synapses; k++) draw_synapses(w, k);
}

static uint32_t fold(uint32_t crc, const int32_t *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint8_t b[4];
        put16(b, (uint32_t)x[i]), put16(b + 2, (uint32_t)x[i] >> 16);
        crc = lp_crc32(crc, b, 4);
    }
    return crc;
}

/* Digest of a run: states and spikes after every step, counts at the end. The biases change
 * half-way. */
static uint32_t run(network *w, uint32_t crc, lp_counts *total)
{
    size_t bytes;
    lp_core *core;
    int e = lp_core_size(&w->spec, &bytes);
    void *memory = e ? NULL : malloc(bytes);
    if (e || !memory || lp_core_init(&core, &w->spec, memory, bytes)) {
        printf("a drawn network is refused: %d\n", e);
        exit(1);
    }
    uint16_t inputs[MAX_N];
    for (int t = 0; t < STEPS; t++) {
        size_t n = 0;
        for (uint32_t i = 0; i < w->spec.n_inputs; i++)
            if (draw(4) == 0) inputs[n++] = (uint16_t)i;
        if (t == STEPS / 2)
            for (uint32_t i = 0; i < w->spec.n_groups; i++) w->bias[i][0] = -w->bias[i][0];
        const uint32_t starts[2] = {0, (uint32_t)n};
        if (lp_core_run(core, 1, starts, inputs, NULL, 0)) exit(1);
        for (uint32_t i = 0; i < w->spec.n_groups; i++) {
            const uint8_t *s = lp_core_spikes(core, i);
            crc = fold(crc, lp_core_u(core, i), w->groups[i].n);
            crc = fold(crc, lp_core_v(core, i), w->groups[i].n);
            if (s) crc = lp_crc32(crc, s, w->groups[i].n);
        }
    }
    lp_counts c;
    lp_core_counts(core, &c);
    total->spikes += c.spikes, total->synops += c.synops, total->active += c.active,
        total->updates += c.updates;
    free(memory);
    return crc;
}

int main(void)
{
    static network w;
    uint32_t crc = 0;
    lp_counts total = {0, 0, 0, 0, 0};
    for (int k = 0; k < NETWORKS; k++) {
        draw_network(&w);
        crc = run(&w, crc, &total);
    }
    printf("%08lx spikes %lu synops %lu active %lu updates %lu\n", (unsigned long)crc,
           (unsigned long)total.spikes, (unsigned long)total.synops, (unsigned long)total.active,
           (unsigned long)total.updates);
    return 0;
}
