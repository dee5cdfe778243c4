/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from the receive interrupt to the main loop: one writer, one reader, no lock. */
#ifndef RING_H
#define RING_H

#include <stdint.h>

#define RING_BYTES 1024u /* a power of two; one place stays empty */

static volatile uint8_t ring[RING_BYTES];
static volatile uint32_t ring_head, ring_tail, ring_lost;

static inline void ring_put(uint8_t byte)
{
    uint32_t next = (ring_head + 1) % RING_BYTES;
    if (next == ring_tail) {
        ring_lost++;
        return;
    }
    ring[ring_head] = byte;
    ring_head = next;
}

static inline int ring_get(void)
{
    if (ring_tail == ring_head) return -1;
    int byte = ring[ring_tail];
    ring_tail = (ring_tail + 1) % RING_BYTES;
    return byte;
}

#endif
