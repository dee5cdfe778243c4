/* SPDX-License-Identifier: Apache-2.0 */
/* Samples from a microphone's interrupt to the main loop: one writer, one reader, no lock. Part of
 * a microphone's file, which calls sample_put and samples_drop. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include "microphone.h"

#define ROOM 256u /* 16 ms; a power of two; one place stays empty */

const uint32_t mic_room = ROOM - 1;

static volatile int16_t samples[ROOM];
static volatile uint32_t samples_head, samples_tail, samples_lost;

static inline void sample_put(int16_t x)
{
    const uint32_t next = (samples_head + 1) % ROOM;
    if (next == samples_tail) {
        samples_lost++;
        return;
    }
    samples[samples_head] = x;
    samples_head = next;
}

static inline void samples_drop(void)
{
    __asm__ volatile("cpsid i" ::: "memory");
    samples_head = samples_tail;
    __asm__ volatile("cpsie i" ::: "memory");
}

int mic_ready(void) { return samples_head != samples_tail; }

size_t mic_take(int16_t *pcm, size_t n)
{
    size_t i = 0;
    for (; i < n && samples_tail != samples_head; i++) {
        pcm[i] = samples[samples_tail];
        samples_tail = (samples_tail + 1) % ROOM;
    }
    return i;
}

uint32_t mic_lost(void) { return samples_lost; }

#endif
