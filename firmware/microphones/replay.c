/* SPDX-License-Identifier: Apache-2.0 */
/* In place of a microphone, for emulators: the recording in flash, from its start whenever it is
 * switched on, at the pace of the board's clock, then silence. What the board is too slow to take
 * is lost as in a ring of a microphone's interrupt. */
#include "hal.h"
#include "microphone.h"
#include "model.h"

#define RATE 16000u

const uint32_t mic_room = 1024;

static int on;
static uint32_t at, due; /* samples from the recording's start: taken or lost; said so far */
static uint32_t last, lost;
static uint64_t part; /* of a sample, in 1 / hal_tick_hz */

static uint32_t waiting(void)
{
    const uint32_t now = hal_ticks();
    if (!on) return 0;
    if (!hal_tick_hz) return mic_room; /* no clock: as fast as they are taken */
    part += (uint64_t)(now - last) * RATE;
    last = now;
    for (; part >= hal_tick_hz; part -= hal_tick_hz) due++;
    if (due - at > mic_room) {
        lost += due - at - mic_room;
        at = due - mic_room;
    }
    return due - at;
}

void mic_switch(int new)
{
    on = new;
    at = due = 0;
    part = 0;
    last = hal_ticks();
}

size_t mic_take(int16_t *pcm, size_t n)
{
    const size_t there = waiting(), all = (size_t)(audio_end - audio_bytes) / 2;
    if (n > there) n = there;
    for (size_t i = 0; i < n; i++, at++) {
        const uint8_t *p = audio_bytes + 2 * (size_t)at;
        pcm[i] = at < all ? (int16_t)(p[0] | p[1] << 8) : 0;
    }
    return n;
}

int mic_ready(void) { return on; } /* no interrupt will wake the board */
uint32_t mic_lost(void) { return lost; }
void mic_heard(uint32_t keyword) { (void)keyword; }
