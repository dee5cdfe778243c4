/* SPDX-License-Identifier: Apache-2.0 */
/* A microphone's clock and data by state machine 0 of PIO0 (datasheets: RP2040, chapter 3; RP2350,
 * chapter 11). Its interrupt takes each word out of a FIFO of eight. Part of a microphone. */
#ifndef PIO_H
#define PIO_H

#include "pico.h"

/* clocks: pins from PIN_CLOCK on that the program drives by side-set; divisor: 16 bits, 8 of them
 * of a fraction, as the register has them; word: bits after which a word is full, from the left */
static void pio_prepare(const uint16_t *program, uint32_t length, uint32_t clocks, uint32_t divisor,
                        uint32_t word)
{
    for (uint32_t i = 0; i < length; i++) REG(PIO + 0x48 + 4 * i) = program[i];
    REG(PIO + 0xc8) = divisor;
    REG(PIO + 0xcc) = (length - 1) << 12; /* wraps from the last to the first */
    REG(PIO + 0xd0) = 1u << 31 | (word & 31) << 20 | 1u << 16; /* the FIFOs in one, autopush */
    /* side and set: the clocks, in: PIN_DATA */
    REG(PIO + 0xdc) = clocks << 29 | clocks << 26 | PIN_DATA << 15 | PIN_CLOCK << 10 |
                      (uint32_t)PIN_CLOCK << 5;
    REG(PIO + 0xd8) = 0xe080 | ((1u << clocks) - 1); /* set pindirs */
    for (uint32_t i = 0; i < clocks; i++) pin_set(PIN_CLOCK + i, BY_PIO0, OUTPUT);
    pin_set(PIN_DATA, BY_PIO0, PULLED_DOWN); /* where nobody drives it */
    REG(PIO + PIO_INTE) = 1;                 /* interrupt: a word has come */
    NVIC_ENABLE(PIO_IRQ);
}

static inline int pio_has_word(void) { return !(REG(PIO + 4) & 1u << 8); }
static inline uint32_t pio_word(void) { return REG(PIO + 0x20); }

/* Whether it had to wait for room since last asked: then bits are missing. */
static inline int pio_stalled(void)
{
    const int stalled = REG(PIO + 8) & 1; /* RXSTALL */
    if (stalled) REG(PIO + 8) = 1;
    return stalled;
}

static void pio_stop(void)
{
    REG(PIO) = 0;
    while (pio_has_word()) (void)pio_word();
}

static void pio_go(void)
{
    (void)pio_stalled();
    REG(PIO + 0xd8) = 0;   /* jmp 0 */
    REG(PIO) = 1 << 4 | 1; /* no bit of the last word, and go */
}

#endif
