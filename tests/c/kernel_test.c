/* SPDX-License-Identifier: Apache-2.0 */
/* The sigma-delta kernel against the core, frame by frame: logits, u, v and spikes of every group,
 * counts.
 *
 *   kernel_test MODEL FEATURES    FEATURES: int16 in this machine's order, 40 a frame
 *   libFuzzer: clang -g -O1 -fsanitize=fuzzer,address,undefined -DFUZZER -Iruntime \
 *                  tests/c/kernel_test.c runtime/lp_*.c -o fuzz && ./fuzz -max_len=4096
 *              Inputs are recipes of models and features; with -DLP_VECTORS=0 for boards' kernel.
 *
 * Prints how many frames and spikes were compared; a difference is named, and the exit code 1. */
#include "edge_lp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int32_t logits[LP_MAX_LABELS], u[LP_MAX_UNITS], v[LP_MAX_UNITS];
    uint8_t spikes[LP_MAX_UNITS];
    lp_counts counts;
} result;

static lp_net *make(const lp_model *model, uint32_t flags)
{
    lp_net *net;
    size_t bytes = 0;
    if (lp_net_size(model, flags, &bytes)) exit(2);
    void *memory = malloc(bytes); /* exactly as much as was asked for */
    if (!memory || lp_net_init(&net, model, flags, memory, bytes)) exit(2);
    return net;
}

static int differs(const lp_model *m, lp_net *kernel, lp_net *core, size_t frame)
{
    static result a, b;
    for (uint32_t g = 0; g < 2 * m->n_layers - 1u; g++) {
        const uint32_t n = m->layers[g / 2].n;
        lp_net_state(kernel, g, a.u, a.v, a.spikes);
        lp_net_state(core, g, b.u, b.v, b.spikes);
        for (uint32_t i = 0; i < n; i++)
            if (a.u[i] != b.u[i] || a.v[i] != b.v[i] || a.spikes[i] != b.spikes[i]) {
                printf("frame %zu, group %u, unit %u: kernel %d %d %d, core %d %d %d\n", frame, g,
                       i, a.u[i], a.v[i], a.spikes[i], b.u[i], b.v[i], b.spikes[i]);
                return 1;
            }
    }
    lp_net_counts(kernel, &a.counts);
    lp_net_counts(core, &b.counts);
    if (memcmp(&a.counts, &b.counts, sizeof a.counts) == 0) return 0;
    printf("frame %zu: counts differ\n", frame);
    return 1;
}

#ifdef FUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input, *input_end;
static uint32_t noise;

static uint32_t next(uint32_t below) /* behind the input's end, drawn */
{
    const uint32_t x = input < input_end ? *input++ : 0;
    noise = (noise ^ x) * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(input < input_end ? x << 24 : noise) * below >> 32);
}

static uint8_t pool[1 << 19], *pool_at;
static uint8_t *room(size_t n) { return pool_at += n, pool_at - n; }

/* Any bytes are dense codes; rows of few entries, sparse ones. */
static lp_matrix drawn_matrix(uint32_t n_in, uint32_t n_out, uint32_t sparse, uint32_t scale)
{
    lp_matrix m = {0};
    m.n_in = n_in, m.n_out = n_out, m.scale = (uint8_t)scale;
    m.kind = sparse ? LP_SPARSE3 : LP_DENSE3;
    room(4 + next(4)); /* any alignment; words are read around codes */
    uint8_t *at = pool_at;
    m.codes = at;
    if (!sparse) {
        const uint32_t quiet = next(3), bytes = n_in * 4 * ((n_out + 9) / 10);
        for (uint32_t i = 0; i < bytes; i++) /* 0x24, 0x92, 0x49: codes 0 */
            *at++ = quiet && next(4) < quiet ? (i & 1 ? 0x49 : 0x24) : (uint8_t)next(256);
    } else {
        uint32_t offset = n_in + 1;
        uint8_t *entry = at + 2 * offset;
        for (uint32_t i = 0; i <= n_in; i++) {
            at[2 * i] = (uint8_t)offset, at[2 * i + 1] = (uint8_t)(offset >> 8);
            for (uint32_t t = next(n_out); i < n_in && t < n_out; t += 1 + next(n_out)) {
                const uint32_t e = t | next(8) << 13;
                *entry++ = (uint8_t)e, *entry++ = (uint8_t)(e >> 8);
                offset++;
            }
        }
        at = entry;
    }
    m.bytes = (uint32_t)(at - m.codes);
    pool_at = at;
    room(4);
    return m;
}

static void drawn_model(lp_model *m)
{
    const uint32_t s = 1 + next(10), hidden = 1 + next(3), wide = next(8) ? 40 : 160;
    uint32_t n_in = LP_FEATURES;
    memset(m, 0, sizeof *m);
    m->delta = (uint16_t)(4096 >> s), m->steps = (uint16_t)(1 + next(20));
    m->feedback = (uint16_t)(1 + next((1u << (s < 2 ? 15 : 17 - s)) - 1));
    m->ceiling = next(2) ? (1 << 23) - 1 : 1 + (int32_t)(next(1 << 11) << 12);
    m->drive_shift = (int16_t)((int32_t)next(15) - 8);
    m->synapse_shift = (uint16_t)next(8), m->output_shift = (uint16_t)next(12);
    m->logit_mul = 3, m->logit_shift = 12;
    m->n_labels = (uint16_t)(1 + next(12)), m->n_layers = (uint16_t)(hidden + 1);
    for (uint32_t l = 0; l <= hidden; l++) {
        lp_layer *y = &m->layers[l];
        const uint32_t shift = l < hidden ? m->synapse_shift : m->output_shift;
        y->n = l < hidden ? 1 + next(wide) : m->n_labels;
        y->bias_shift = (uint8_t)next(8);
        uint8_t *bias = room(2 * y->n);
        y->bias = bias;
        for (uint32_t i = 0; i < 2 * y->n; i++)
            bias[i] = (uint8_t)(i & 1 ? next(256) >> next(8) : next(256));
        y->w = drawn_matrix(n_in, y->n, !next(5), l && !next(3) ? next(shift + 1) : 0);
        if (l < hidden && next(4)) {
            y->recurrent = 1;
            y->u = drawn_matrix(y->n, y->n, !next(5), next(3) ? 0 : next(shift + 1));
        }
        n_in = y->n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static result a, b;
    lp_model m;
    int16_t x[LP_FEATURES] = {0};
    input = data, input_end = data + size, noise = (uint32_t)size, pool_at = pool;
    drawn_model(&m);
    lp_net *kernel = make(&m, 0), *core = make(&m, LP_CORE);
    if (!lp_net_core(kernel))
        for (uint32_t frames = 2 + next(60), f = 0; f < frames; f++) {
            const uint32_t kind = next(4), loud = next(16);
            for (uint32_t i = 0; kind && i < LP_FEATURES; i++)
                x[i] = (int16_t)(kind == 1 ? (next(2) ? 32767 : -32768)
                                           : (int32_t)(next(1 << 16) - 32768) >> loud);
            lp_net_frame(kernel, x, a.logits);
            lp_net_frame(core, x, b.logits);
            if (memcmp(a.logits, b.logits, m.n_labels * sizeof(int32_t)) ||
                differs(&m, kernel, core, f))
                fflush(stdout), abort();
        }
    free(kernel), free(core); /* they begin their memory */
    return 0;
}
#else
#define ROOM (1 << 22)

static uint8_t model_bytes[ROOM], feature_bytes[ROOM];

static size_t slurp(const char *path, uint8_t *to)
{
    FILE *f = fopen(path, "rb");
    if (!f) exit(2);
    size_t n = fread(to, 1, ROOM, f);
    fclose(f);
    return n;
}

int main(int argc, char **argv)
{
    static result a, b;
    lp_model model;
    if (argc != 3 || lp_model_open(&model, model_bytes, slurp(argv[1], model_bytes))) return 2;
    const size_t frames = slurp(argv[2], feature_bytes) / (2 * LP_FEATURES);
    lp_net *kernel = make(&model, 0), *core = make(&model, LP_CORE);
    if (lp_net_core(kernel) || !lp_net_core(core)) return 2;
    for (int pass = 0; pass < 2; pass++) { /* a reset leaves nothing behind */
        for (size_t i = 0; i < frames; i++) {
            int16_t x[LP_FEATURES];
            memcpy(x, feature_bytes + i * sizeof x, sizeof x);
            lp_net_frame(kernel, x, a.logits);
            lp_net_frame(core, x, b.logits);
            if (memcmp(a.logits, b.logits, model.n_labels * sizeof(int32_t))) {
                printf("frame %zu: logits differ\n", i);
                return 1;
            }
            if (differs(&model, kernel, core, i)) return 1;
        }
        lp_net_counts(kernel, &a.counts);
        lp_net_reset(kernel);
        lp_net_reset(core);
    }
    printf("%zu frames, %llu spikes\n", frames, (unsigned long long)a.counts.spikes);
    return 0;
}
#endif
