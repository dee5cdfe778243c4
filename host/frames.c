/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"
#include "lp_fix.h"

size_t frames_of(lp_frontend *f, const int16_t *pcm, size_t n, int16_t *features)
{
    size_t frames = 0;
    for (size_t at = 0, used; at < n; at += used)
        frames += (size_t)lp_frontend_push(f, pcm + at, n - at, &used,
                                           features + frames * LP_FEATURES);
    return frames;
}

int logits_of(lp_net *net, const int16_t *features, size_t n, int32_t *logits, size_t labels)
{
    int status = LP_OK;
    for (size_t i = 0; i < n && status == LP_OK; i++)
        status = lp_net_frame(net, features + i * LP_FEATURES, logits + i * labels);
    return status;
}

size_t events_of(lp_detector *d, const int32_t *logits, size_t n, size_t labels,
                 uint16_t *posteriors, lp_event *events)
{
    const uint16_t *now = lp_detector_posterior(d);
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        found += (size_t)lp_detector_push(d, logits + i * labels, events + found);
        for (size_t k = 0; k < labels; k++) posteriors[i * labels + k] = now[k];
    }
    return found;
}

int steps_of(lp_core *core, uint64_t *work, size_t at_once, size_t steps, const uint32_t *starts,
             const uint16_t *inputs, lp_probe *probes, const size_t *sizes, size_t n_probes,
             size_t *done)
{
    lp_counts now;
    lp_core_counts(core, &now);
    const uint64_t first = now.steps, most = *work;
    uint64_t words = 0, before = now.synops + now.updates;
    int status = LP_OK;
    for (size_t p = 0; p < n_probes; p++) words += sizes[p] / 4;
    before += words * first;
    for (*done = 0; *done < steps && *work && status == LP_OK;) {
        const size_t n = steps - *done < at_once ? steps - *done : at_once;
        status = lp_core_run(core, n, starts ? starts + *done : NULL, inputs, probes, n_probes);
        lp_core_counts(core, &now);
        *done = (size_t)(now.steps - first);
        const uint64_t used = now.synops + now.updates + words * now.steps - before;
        *work = used < most ? most - used : 0;
        for (size_t p = 0; p < n_probes; p++)
            probes[p].rows = (uint8_t *)probes[p].rows + n * sizes[p];
    }
    return status;
}

void axons_of(const uint8_t *flags, size_t steps, size_t n, uint32_t *starts, uint16_t *axons)
{
    uint32_t count = 0;
    starts[0] = 0;
    for (size_t k = 0; k < steps; k++, flags += n) {
        size_t i = 0;
        for (; i + 8 <= n; i += 8) {
            if (!lp_le64(flags + i)) continue; /* most eights are quiet */
            for (size_t j = i; j < i + 8; j++) {
                axons[count] = (uint16_t)j;
                count += flags[j] != 0;
            }
        }
        for (; i < n; i++) {
            axons[count] = (uint16_t)i;
            count += flags[i] != 0;
        }
        starts[k + 1] = count;
    }
}

int built_for_vectors(void) { return LP_VECTORS; }

size_t board_frontend_size(void) { return LP_BOARD_FRONTEND; }
