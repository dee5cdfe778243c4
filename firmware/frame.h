/* SPDX-License-Identifier: Apache-2.0 */
/* Frames on the serial line (SPEC.md, "Serial protocol"): COBS, a zero byte at the end, CRC-32
 * inside. */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_BODY 320u                  /* 160 samples */
#define FRAME_MAX (3u + FRAME_BODY + 4u) /* type, sequence number, body, CRC */

typedef enum {
    FRAME_NONE,
    FRAME_OK,
    FRAME_LONG,
    FRAME_SHORT,
    FRAME_CODING,
    FRAME_CHECKSUM
} frame_status;

typedef struct {
    uint8_t bytes[FRAME_MAX];
    uint16_t n;   /* of bytes; behind FRAME_OK without the CRC */
    uint8_t left; /* bytes to come of this COBS block */
    /* zero: this block ends in a zero byte, if another one follows */
    uint8_t started, zero, overflow;
} frame_reader;

/* Takes one byte. Anything but FRAME_NONE ends a frame, good or bad; the next byte begins another.
 */
frame_status frame_byte(frame_reader *r, uint8_t byte);
/* Sends payload (type, sequence number, body) as one frame. */
void frame_send(const uint8_t *payload, size_t n);

#endif
