/* SPDX-License-Identifier: Apache-2.0 */
/* What the filters before the front end (lp_audio.h) take for a second of audio each, in ticks:
 *   48k ticks
 *   8k ticks
 *   pdm ticks */
#include "lp_audio.h"
#include "hal.h"

#define BLOCK 480u
#define BLOCKS 100u

static lp_decimator decimator;
static lp_interpolator interpolator;
static lp_pdm pdm;
static int16_t pcm[BLOCK], out[BLOCK];

static void said(const char *name, uint32_t ticks)
{
    char digits[12], *p = digits + sizeof digits;
    size_t n = 0;
    *--p = '\n';
    do *--p = (char)('0' + ticks % 10);
    while (ticks /= 10);
    *--p = ' ';
    while (name[n]) n++;
    hal_write((const uint8_t *)name, n);
    hal_write((const uint8_t *)p, (size_t)(digits + sizeof digits - p));
}

int main(void)
{
    const uint8_t *bits = (const uint8_t *)pcm;
    uint32_t seed = 1, start;
    hal_init();
    for (uint32_t i = 0; i < BLOCK; i++)
        pcm[i] = (int16_t)((seed = seed * 1664525u + 1013904223u) >> 16);
    start = hal_ticks();
    for (uint32_t t = 0; t < BLOCKS; t++) lp_decimate(&decimator, pcm, 480, out);
    said("48k", hal_ticks() - start);
    start = hal_ticks();
    for (uint32_t t = 0; t < BLOCKS; t++) lp_interpolate(&interpolator, pcm, 80, out);
    said("8k", hal_ticks() - start);
    start = hal_ticks();
    for (uint32_t t = 0; t < BLOCKS; t++)
        for (uint32_t half = 0; half < 2; half++) lp_pdm_pcm(&pdm, bits, 960, out);
    said("pdm", hal_ticks() - start);
    hal_exit(0);
    return 0;
}
