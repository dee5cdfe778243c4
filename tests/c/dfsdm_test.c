/* SPDX-License-Identifier: Apache-2.0 */
/* firmware/boards/l4/dfsdm.c without the chip: its registers are memory, and what RM0351 says of
 * the DFSDM (24.4) and the DMA (11.4) is done here by what the driver wrote into them.
 *   dfsdm_test < bits > pcm     bits: the first one in the highest place; pcm: int16, 16 kHz
 * The first line of stderr is the bits' rate, the filter's order, its length and the shift. Built
 * for a 32-bit machine: the driver has addresses in registers. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* in place of nvic.h */
#define NVIC_H
#define REG(address) (*reg(address))
#define NVIC_ENABLE(irq) (enabled = (irq))
static uint32_t enabled;
static uint32_t *reg(uint32_t address)
{
    static uint32_t memory[0x80000]; /* 0x40000000: the buses; from half of it on: the pins */
    const uint32_t at = address >= 0x48000000u ? address - 0x48000000u + 0x100000u
                                               : address & ~(3u << 30);
    if (at / 4 >= sizeof memory / sizeof *memory || at % 4) exit(3);
    return &memory[at / 4];
}

#include "../../firmware/boards/l4/dfsdm.c"

static void must(int good, const char *what)
{
    if (good) return;
    fprintf(stderr, "wrong: %s\n", what);
    exit(1);
}

static uint32_t bits_of(uint32_t x, uint32_t from, uint32_t n)
{
    return x >> from & ((1u << n) - 1);
}

static void pin_is(uint32_t pin, uint32_t function)
{
    const uint32_t at = pin % 16;
    must(bits_of(REG(RCC + 0x4c), pin / 16, 1), "a port has no clock");
    must(bits_of(REG(GPIO(pin)), 2 * at, 2) == 2, "a pin is not the peripheral's");
    must(bits_of(REG(GPIO(pin) + 0x20 + at / 8 * 4), at % 8 * 4, 4) == function, "whose a pin is");
}

/* What the filter is, from its registers. */
static uint32_t order, length, shift, channel;

static void look(void)
{
    const uint32_t cr1 = REG(FILTER), fcr = REG(FILTER + 0x14), ccr = REG(DMA_CHANNEL);
    pin_is(64 + 9, 6), pin_is(64 + 7, 6); /* PE9 clock, PE7 data (UM2153) */
    must(REG(RCC + 0x48) & 1 && bits_of(REG(RCC + 0x60), 24, 1), "DMA1 or DFSDM1 has no clock");
    must(!bits_of(REG(RCC + 0x88), 31, 1), "the DFSDM's clock is not PCLK2");
    must(REG(CHANNEL(0)) >> 31, "the DFSDM is off");
    must(!bits_of(REG(CHANNEL(0)), 30, 1), "its output clock is not the system's");
    must((cr1 & (1 | 1u << 17 | 1u << 18 | 1u << 21 | 1u << 29)) ==
             (1 | 1u << 17 | 1u << 18 | 1u << 21 | 1u << 29),
         "the filter: on, started, without an end, by DMA, fast");
    channel = bits_of(cr1, 24, 3);
    const uint32_t c = REG(CHANNEL(channel));
    must(bits_of(c, 7, 1) && bits_of(c, 2, 2) == 1 && !bits_of(c, 0, 2), "the channel's input");
    must(channel == 2 && !bits_of(c, 8, 1) && !bits_of(c, 12, 2), "the input is not DATIN2");
    order = fcr >> 29, length = bits_of(fcr, 16, 10) + 1,
    shift = bits_of(REG(CHANNEL(channel) + 4), 3, 5);
    must(order >= 1 && order <= 5 && !bits_of(fcr, 0, 8), "the filter's order, no integrator");
    must(ccr == (2u << 10 | 2u << 8 | 1u << 7 | 1u << 5 | 7), "the DMA channel");
    must(REG(DMA_CHANNEL + 8) == 0x4001611cu && !bits_of(REG(DMA + 0xa8), 12, 4), "its source");
    must(enabled == 14, "its interrupt");
    fprintf(stderr, "%u %u %u %u\n", (unsigned)(CLOCK / (bits_of(REG(CHANNEL(0)), 16, 8) + 1)),
            (unsigned)order, (unsigned)length, (unsigned)shift);
}

/* One bit into sinc^order -> whether a word is done. */
static int filter(int bit, uint32_t *word)
{
    static int32_t sums[5], combs[5];
    static uint32_t phase;
    int32_t x = bit ? 1 : -1;
    for (uint32_t i = 0; i < order; i++) x = sums[i] = (int32_t)((uint32_t)sums[i] + (uint32_t)x);
    if (++phase < length) return 0;
    phase = 0;
    for (uint32_t i = 0; i < order; i++) {
        const int32_t before = combs[i];
        combs[i] = x;
        x = (int32_t)((uint32_t)x - (uint32_t)before);
    }
    x = (x + (shift ? 1 << (shift - 1) : 0)) >> shift; /* to nearest */
    must(x >= -(1 << 23) && x < 1 << 23, "24 bits do not hold it");
    *word = (uint32_t)x << 8 | channel;
    return 1;
}

int main(int argc, char **argv)
{
    const int late = argc > 1; /* an interrupt that comes after both halves */
    uint32_t at = 0, word;
    int16_t pcm[8];
    (void)argv;
    for (uint32_t pin = 0; pin < 80; pin += 16) REG(GPIO(pin)) = ~0u; /* analog, at first */
    mic_switch(1);
    look();
    const uint32_t there = REG(DMA_CHANNEL + 4);
    uint32_t *to = (uint32_t *)REG(DMA_CHANNEL + 0xc);
    for (int byte; (byte = getchar()) != EOF;)
        for (int i = 7; i >= 0; i--) {
            if (!filter(byte >> i & 1, &word)) continue;
            to[at++] = word;
            if (at == there / 2) REG(DMA) |= 1u << 14;
            if (at == there) REG(DMA) |= 1u << 13, at = 0;
            if (at % (there / 2) || (late && at)) continue;
            REG(DMA + 4) = 0;
            mic_interrupt();
            REG(DMA) &= ~REG(DMA + 4); /* what is written there is cleared */
            must(!(REG(DMA) & 0xf000), "a flag stays");
            fwrite(pcm, 2, mic_take(pcm, 8), stdout);
        }
    fprintf(stderr, "lost %u\n", (unsigned)mic_lost());
    mic_heard(0);
    must(REG(GPIO(62) + 0x14) == 1u << 14, "the first keyword's pin, ARD-D2, is PD14");
    must(REG(GPIO(30) + 0x14) == 1u << 14, "LD2 is PB14");
    return 0;
}
