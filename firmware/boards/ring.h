/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from a Cortex-M's receive interrupt to the main loop: one writer, one reader, no lock. Part
 * of a board's hal.c, whose interrupt calls ring_put. */
#ifndef RING_H
#define RING_H

#include "hal.h"
#include "microphone.h"

#ifndef RING_BYTES
#define RING_BYTES 1024u /* one place stays empty */
#endif

static volatile uint8_t ring[RING_BYTES];
static volatile uint32_t ring_head, ring_tail, ring_lost;

static inline uint32_t ring_after(uint32_t at) { return at + 1 < RING_BYTES ? at + 1 : 0; }

static inline void ring_put(uint8_t byte)
{
    const uint32_t next = ring_after(ring_head);
    if (next == ring_tail) {
        ring_lost++;
        return;
    }
    ring[ring_head] = byte;
    ring_head = next;
}

int hal_read(void)
{
    if (ring_tail == ring_head) return -1;
    int byte = ring[ring_tail];
    ring_tail = ring_after(ring_tail);
    return byte;
}

uint32_t hal_lost(void) { return ring_lost; }

/* A pending interrupt wakes wfi even while it is masked: there is no gap between looking, at bytes
 * and at samples, and sleeping. */
void hal_wait(void)
{
    __asm__ volatile("cpsid i" ::: "memory");
    if (ring_head == ring_tail && !mic_ready()) __asm__ volatile("wfi");
    __asm__ volatile("cpsie i" ::: "memory");
}

#endif
