/* SPDX-License-Identifier: Apache-2.0 */
/* Keywords in raw samples from stdin: 16 kHz, int16, this machine's byte order. */
#include "edge_lp.h"
#include "lp_status.h"
#include "model.h"
#include <stdio.h>

static uint64_t memory[EDGE_LP_MODEL_ARENA / 8]; /* aligned to 8 */

/* Waits for up to n samples -> how many there are; 0: no more. */
static size_t microphone(int16_t *pcm, size_t n) { return fread(pcm, sizeof *pcm, n, stdin); }

int main(void)
{
    static lp_model model;
    lp_spotter *spotter;
    lp_event events[2]; /* as many as LP_HOP samples can bring, and one */
    int16_t pcm[LP_HOP];
    int status = lp_model_open(&model, edge_lp_model, edge_lp_model_size);
    if (status == LP_OK) status = lp_spotter_init(&spotter, &model, 0, memory, sizeof memory);
    for (size_t n; status >= 0 && (n = microphone(pcm, LP_HOP)) > 0;) {
        status = lp_spotter_hear(spotter, pcm, n, events, 2);
        for (int i = 0; i < status; i++) {
            size_t length;
            const char *label = lp_model_label(&model, events[i].label, &length);
            printf("%.*s at %lu ms\n", (int)length, label, 10ul * events[i].middle);
            fflush(stdout);
        }
    }
    if (status < 0) fprintf(stderr, "edge-lp: %s\n", lp_status_text(status));
    return status < 0;
}
