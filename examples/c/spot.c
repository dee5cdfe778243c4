/* SPDX-License-Identifier: Apache-2.0 */
/* Spot words in raw samples (16 kHz, int16, this machine's byte order) from stdin:
 *   cc -O2 -Iruntime examples/c/spot.c runtime/lp_*.c -o spot
 *   sox words.wav -r 16000 -c 1 -e signed -b 16 -t raw - | ./spot kws.lpb */
#include "edge_lp.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    static uint8_t bytes[1 << 20]; /* a model of at most 1 MB, read in place: keep it */
    int16_t pcm[512];
    lp_event events[512 / LP_HOP + 1]; /* as many as 512 samples can bring */
    lp_model model;
    lp_spotter *spotter;
    size_t n, length, need = 0;
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
    int e = f ? lp_model_open(&model, bytes, fread(bytes, 1, sizeof bytes, f)) : LP_E_ARG;
    if (!e) e = lp_spotter_size(&model, 0, &need);
    if (!e) e = lp_spotter_init(&spotter, &model, 0, malloc(need), need);
    if (e) return fprintf(stderr, "usage: spot MODEL.lpb <PCM (status %d of edge_lp.h)\n", e), 2;
    while ((n = fread(pcm, sizeof *pcm, 512, stdin)) > 0)
        for (int found = lp_spotter_hear(spotter, pcm, n, events, 4), i = 0; i < found; i++) {
            const char *word = lp_model_label(&model, events[i].label, &length);
            printf("%.2f s %.*s\n", events[i].middle / 100.0, (int)length, word);
        }
    return 0;
}
