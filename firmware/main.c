/* SPDX-License-Identifier: Apache-2.0 */
/* The firmware: bytes from the line and sound from the microphone into the session, for ever. */
#include "hal.h"
#include "model.h"
#include "session.h"

static session board;
static uint64_t arena[(ARENA_BYTES + 7) / 8];

int main(void)
{
    hal_init();
    session_init(&board, model_bytes, (size_t)(model_end - model_bytes), arena, sizeof arena);
    for (;;) {
        const int byte = hal_read(), heard = session_hear(&board);
        if (byte >= 0) session_byte(&board, (uint8_t)byte);
        else if (!heard) hal_wait();
    }
}
