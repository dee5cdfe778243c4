/* SPDX-License-Identifier: Apache-2.0 */
/* Many small groups that all spike in every step, each to the next one, and two large ones of which
 * one is joined to the other. tests/runtime/test_core_cost.py compiles it for gcov, to see how
 * often the lines of the core run. Prints the updates and the spikes. */
#include "edge_lp.h"
#include <stdio.h>
#include <stdlib.h>

#define RING 300u
#define STEPS 200u

static const lp_group small = {
    .n = 1, .join = LP_NO_JOIN, .vmax = 1000, .vth = 63, .du = 4096, .dv = 4096, .refract = 1};
static const lp_group large = {
    .n = 64, .join = LP_NO_JOIN, .vmax = 1000, .vth = 1000, .du = 64, .dv = 64, .refract = 1};

int main(void)
{
    static lp_group groups[RING + 2];
    static lp_synapses synapses[2 * RING];
    static uint32_t starts[STEPS + 1];
    static const uint16_t axon = 0;
    for (uint32_t i = 0; i < RING; i++) {
        const int32_t next = (int32_t)((i + 1) % RING);
        groups[i] = small;
        synapses[i] = (lp_synapses){
            .src = (int32_t)i, .dst = next, .kind = LP_DIAGONAL, .weight = 1};
        synapses[RING + i] = (lp_synapses){
            .src = LP_INPUT, .dst = (int32_t)i, .kind = LP_DIAGONAL, .weight = 1};
    }
    groups[RING] = groups[RING + 1] = large;
    groups[RING].bias = 9;
    groups[RING + 1].join = (int32_t)RING;
    for (uint32_t k = 1; k <= STEPS; k++) starts[k] = 1; /* one input spike starts them all */
    const lp_core_spec spec = {.groups = groups,
                               .synapses = synapses,
                               .n_groups = RING + 2,
                               .n_synapses = 2 * RING,
                               .n_inputs = 1};
    lp_core *core;
    lp_counts counts;
    size_t bytes;
    if (lp_core_size(&spec, &bytes)) return 1;
    if (lp_core_init(&core, &spec, malloc(bytes), bytes)) return 1;
    if (lp_core_run(core, STEPS, starts, &axon, NULL, 0)) return 1;
    lp_core_counts(core, &counts);
    printf("%lu %lu\n", (unsigned long)counts.updates, (unsigned long)counts.spikes);
    return 0;
}
