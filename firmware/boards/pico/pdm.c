/* SPDX-License-Identifier: Apache-2.0 */
/* A PDM microphone, as the MP34DT05 or SPH0641, on PIO0: clock on GP10, data on GP12, its L/R (or
 * SELECT) pin to ground, so that it gives data while the clock is low. Its bits become samples in
 * the interrupt that the PIO raises for each 32 of them, 48,000 a second. */
#include "lp_audio.h"

#include "../samples.h"
#include "keywords.h"
#include "pio.h"

#ifndef MIC_GAIN
#define MIC_GAIN 4 /* bits, 0 to 4: see lp_pdm */
#endif

/* 2 PIO cycles a bit: 256 CLOCK / (2 LP_PDM_RATE); exact at 150 MHz, 32 ppm slow at 125 */
#define DIVISOR ((CLOCK + LP_PDM_RATE / 256) / (LP_PDM_RATE / 128) << 8)

static const uint16_t program[] = {
    0xa042,           /* clock low: nop */
    0x4001 | 1 << 12, /* high: in pins, 1; the bit that was there while it was low */
};

static lp_pdm pdm;
static uint8_t ready;

void mic_interrupt(void)
{
    if (pio_stalled()) samples_lost++; /* at least one */
    while (pio_has_word()) {
        const uint32_t word = pio_word(); /* its first bit in the highest place */
        const uint8_t bits[4] = {(uint8_t)(word >> 24), (uint8_t)(word >> 16), (uint8_t)(word >> 8),
                                 (uint8_t)word};
        int16_t pcm[2];
        if (lp_pdm_pcm(&pdm, bits, sizeof bits, pcm)) sample_put(pcm[0]);
    }
}

void mic_switch(int on)
{
    if (!ready) keywords_init(), pio_prepare(program, 2, 1, DIVISOR, 32);
    ready = 1;
    pio_stop();
    samples_drop();
    pdm = (lp_pdm){.gain = MIC_GAIN};
    if (on) pio_go();
}
