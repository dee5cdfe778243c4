/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that hear the same sound at once, each with a spotter of its own, from one model that
 * nobody writes to, and what lp_audio.h does beside: each finds what one thread finds alone.
 *   threads_test MODEL.lpb < pcm > events     pcm: int16, 16 kHz; a line for each event
 * Ends with 1 where a thread found something else. Built with -fsanitize=thread. */
#include "edge_lp.h"
#include "lp_audio.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define THREADS 3
#define MOST 1000u /* events */

static uint8_t bytes[1 << 16];
static int16_t pcm[16000 * 10];
static size_t size, samples;
static lp_model shared; /* read by all, opened before they start */
static pthread_barrier_t start;

typedef struct {
    uint64_t memory[1 << 14];
    lp_event events[MOST + 64];
    uint32_t flags;
    int16_t slow[16000 * 10 / 3 + 1];
    lp_decimator decimator;
    int found;
} state;
static state alone, together[THREADS];

static void hear(state *s)
{
    const lp_model *model = &shared;
    lp_spotter *spotter;
    s->found = lp_spotter_init(&spotter, model, s->flags, s->memory, sizeof s->memory);
    lp_decimate(&s->decimator, pcm, samples, s->slow);
    for (size_t at = 0, n; s->found >= 0 && at < samples && s->found < (int)MOST; at += n) {
        n = samples - at < 1000 ? samples - at : 1000;
        const int more = lp_spotter_hear(spotter, pcm + at, n, s->events + s->found, 64);
        s->found = more < 0 ? more : s->found + more;
    }
}

static void *one(void *s)
{
    pthread_barrier_wait(&start);
    hear(s);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!f) return 2;
    size = fread(bytes, 1, sizeof bytes, f);
    samples = fread(pcm, sizeof *pcm, sizeof pcm / sizeof *pcm, stdin);
    if (lp_model_open(&shared, bytes, size)) return 2;
    hear(&alone);
    pthread_barrier_init(&start, NULL, THREADS);
    together[THREADS - 1].flags = LP_CORE;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, one, &together[i])) return 2;
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        if (together[i].found != alone.found ||
            memcmp(together[i].events, alone.events, sizeof alone.events) ||
            memcmp(together[i].slow, alone.slow, sizeof alone.slow))
            return 1;
    for (int i = 0; i < alone.found; i++)
        printf("%u %u\n", (unsigned)alone.events[i].frame, (unsigned)alone.events[i].label);
    return alone.found < 0 ? 2 : 0;
}
