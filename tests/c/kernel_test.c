/* SPDX-License-Identifier: Apache-2.0 */
/* The sigma-delta kernel against the core, frame by frame: logits, u, v and spikes of every group,
 * counts.
 *
 *   kernel_test MODEL FEATURES    FEATURES: int16 in this machine's order, 40 a frame
 *
 * Prints how many frames and spikes were compared; a difference is named, and the exit code 1. */
#include "edge_lp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM (1 << 22)

typedef struct {
    int32_t logits[LP_MAX_LABELS], u[LP_MAX_UNITS], v[LP_MAX_UNITS];
    uint8_t spikes[LP_MAX_UNITS];
    lp_counts counts;
} result;

static uint8_t model_bytes[ROOM], feature_bytes[ROOM];

static size_t slurp(const char *path, uint8_t *to)
{
    FILE *f = fopen(path, "rb");
    if (!f) exit(2);
    size_t n = fread(to, 1, ROOM, f);
    fclose(f);
    return n;
}

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
