/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from the receive interrupt to the main loop: one writer, one reader, no lock. */
#ifndef RING_H
#define RING_H

#include <stdint.h>

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

static inline int ring_get(void)
{
    if (ring_tail == ring_head) return -1;
    int byte = ring[ring_tail];
    ring_tail = ring_after(ring_tail);
    return byte;
}

#endif
