/* SPDX-License-Identifier: Apache-2.0 */
/* The PDM microphone of a board with an nRF52840 (Product Specification 1.7, 6.15 "PDM"): 1.28 MHz,
 * which the peripheral filters to 16 kHz and writes into one buffer while the other is taken. */
#include "nrf.h"

#include "../samples.h"

#ifndef MIC_GAIN
#define MIC_GAIN 20 /* dB, -20 to 20 */
#endif

#define PDM 0x4001d000u
#define STARTED REG(PDM + 0x100)
#define END REG(PDM + 0x108)
#define NEXT REG(PDM + 0x560) /* SAMPLE.PTR */
#define PIECE 32u             /* samples, 2 ms */

static int16_t buffers[2][PIECE];
static volatile uint32_t filled, given; /* buffers of each, since it was switched on */
static uint8_t ready, running;

/* The peripheral takes NEXT's buffer when it starts on it, and tells so: then comes the other. */
void mic_interrupt(void)
{
    if (END) {
        END = 0;
        for (uint32_t i = 0; i < PIECE; i++) sample_put(buffers[filled % 2][i]);
        filled++;
    }
    if (STARTED) {
        STARTED = 0;
        NEXT = (uint32_t)buffers[++given % 2];
    }
}

static void prepare(void)
{
    PIN_SET(PIN_POWER) = PIN_BIT(PIN_POWER);
    PIN_OUTPUT(PIN_POWER) = PIN_BIT(PIN_POWER);
    PIN_SET(PIN_LED) = PIN_BIT(PIN_LED); /* dark where it is lit by low */
    PIN_OUTPUT(PIN_LED) = PIN_BIT(PIN_LED);
    PIN_OUTPUT(PIN_CLOCK) = PIN_BIT(PIN_CLOCK);
    PIN_CONFIGURE(PIN_DATA) = 0;          /* input */
    REG(PDM + 0x504) = 0x0a000000;        /* PDMCLKCTRL: 1.280 MHz */
    REG(PDM + 0x508) = 1;                 /* MODE: one channel, the one of the falling edge */
    REG(PDM + 0x518) = 40 + 2 * MIC_GAIN; /* GAINL, in halves of a dB */
    REG(PDM + 0x520) = 1;                 /* RATIO: 80 */
    REG(PDM + 0x540) = PIN_CLOCK;
    REG(PDM + 0x544) = PIN_DATA;
    REG(PDM + 0x564) = PIECE;      /* SAMPLE.MAXCNT */
    REG(PDM + 0x304) = 1 | 1 << 2; /* interrupts: STARTED, END */
    REG(PDM + 0x500) = 1;
    NVIC_ENABLE(MIC_IRQ);
}

void mic_switch(int on)
{
    if (!ready) prepare();
    ready = 1;
    if (running) {
        REG(PDM + 0x104) = 0; /* STOPPED */
        REG(PDM + 4) = 1;     /* STOP: after the buffer that it is in */
        while (!REG(PDM + 0x104)) {}
    }
    running = (uint8_t)on;
    __asm__ volatile("cpsid i" ::: "memory");
    STARTED = END = 0;
    filled = given = 0;
    NEXT = (uint32_t)buffers[0];
    __asm__ volatile("cpsie i" ::: "memory");
    samples_drop();
    if (on) REG(PDM) = 1; /* START */
}

void mic_heard(uint32_t keyword)
{
    (void)keyword;
    PIN_OUT(PIN_LED) ^= PIN_BIT(PIN_LED);
}
