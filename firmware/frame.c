/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"
#include "edge_lp.h"
#include "hal.h"

static void append(frame_reader *r, uint8_t byte)
{
    if (r->n < FRAME_MAX) r->bytes[r->n++] = byte;
    else r->overflow = 1;
}

static frame_status finish(frame_reader *r)
{
    if (!r->started) return FRAME_NONE; /* two delimiters in a row */
    if (r->overflow) return FRAME_LONG;
    if (r->left) return FRAME_CODING; /* the block was longer than the frame */
    if (r->n < 7) return FRAME_SHORT;
    r->n -= 4;
    const uint8_t *c = r->bytes + r->n;
    uint32_t crc = c[0] | (uint32_t)c[1] << 8 | (uint32_t)c[2] << 16 | (uint32_t)c[3] << 24;
    return lp_crc32(0, r->bytes, r->n) == crc ? FRAME_OK : FRAME_CHECKSUM;
}

frame_status frame_byte(frame_reader *r, uint8_t byte)
{
    if (byte == 0) {
        frame_status s = finish(r);
        r->left = r->started = r->zero = r->overflow = 0;
        if (s != FRAME_OK) r->n = 0;
        return s;
    }
    if (!r->started) r->n = 0; /* the last frame has been used by now */
    if (r->left) {
        append(r, byte);
        r->left--;
    } else {
        if (r->zero) append(r, 0);
        r->started = 1;
        r->zero = byte != 255;
        r->left = (uint8_t)(byte - 1);
    }
    return FRAME_NONE;
}

/* One byte of payload + crc at a time, so that no second buffer is needed. */
static uint8_t at(const uint8_t *payload, size_t n, uint32_t crc, size_t i)
{
    return i < n ? payload[i] : (uint8_t)(crc >> 8 * (i - n));
}

void frame_send(const uint8_t *payload, size_t n)
{
    uint32_t crc = lp_crc32(0, payload, n);
    size_t from = 0, end = n + 4;
    for (;;) { /* a block: up to 254 bytes that are not 0 */
        size_t to = from;
        while (to < end && to - from < 254 && at(payload, n, crc, to) != 0) to++;
        uint8_t code = (uint8_t)(to - from + 1);
        hal_write(&code, 1);
        for (; from < to; from++) {
            uint8_t byte = at(payload, n, crc, from);
            hal_write(&byte, 1);
        }
        if (to == end) break;
        if (code != 255) from++; /* the block stands for its zero as well */
    }
    static const uint8_t delimiter = 0;
    hal_write(&delimiter, 1);
}
