/* SPDX-License-Identifier: Apache-2.0 */
/* An I2S microphone with 24 bits in 32, as the INMP441, on PIO0: bit clock on GP10, word select on
 * GP11, data on GP12, its L/R pin to ground (the left slot). The PIO's interrupt takes each sample
 * out of its FIFO of eight, so it may wait half a millisecond. */
#include "pico.h"

#include "microphone.h"

#define ROOM 256u /* 16 ms; a power of two */
#ifndef MIC_GAIN
#define MIC_GAIN 3 /* bits: such a microphone gives speech at 1 m some 50 dB below full scale */
#endif

/* 64 bit clocks a sample at 2 PIO cycles each: 125 MHz / 61.035 = 16 kHz * 128, exactly */
#define DIVISOR (61u << 16 | 9u << 8)
#define SIDE(word, clock) ((word) << 12 | (clock) << 11)

static const uint16_t program[] = {
    /* data change where the clock falls, and are taken where it rises; the first bit of a slot is
     * one clock behind the change of word select */
    0xe037 | SIDE(0, 0), /* left: set x, 23 */
    0xa042 | SIDE(0, 1), /*       nop */
    0xa042 | SIDE(0, 0), /*       nop */
    0x4001 | SIDE(0, 1), /* bit:  in pins, 1 */
    0x0043 | SIDE(0, 0), /*       jmp x--, bit */
    0xe025 | SIDE(0, 1), /*       set x, 5 */
    0xa042 | SIDE(0, 0), /* rest: nop */
    0x0046 | SIDE(0, 1), /*       jmp x--, rest */
    0xe03e | SIDE(1, 0), /*       set x, 30 */
    0xa042 | SIDE(1, 1), /*       nop */
    0xa042 | SIDE(1, 0), /* right: nop */
    0x004a | SIDE(1, 1), /*       jmp x--, right */
};
enum { LENGTH = sizeof program / sizeof program[0] };

const uint32_t mic_room = ROOM - 1;

static volatile int16_t samples[ROOM];
static volatile uint32_t head, tail, lost;
static uint8_t ready;

void mic_interrupt(void)
{
    if (REG(PIO + 8) & 1) { /* RXSTALL: the PIO had to wait, so at least one sample is missing */
        REG(PIO + 8) = 1;
        lost++;
    }
    while (!(REG(PIO + 4) & 1u << 8)) {
        int32_t x = (int32_t)(REG(PIO + 0x20) << 8) >> (16 - MIC_GAIN);
        x = x > 32767 ? 32767 : x < -32768 ? -32768 : x;
        const uint32_t next = (head + 1) % ROOM;
        if (next == tail) {
            lost++;
            continue;
        }
        samples[head] = (int16_t)x;
        head = next;
    }
}

static void prepare(void)
{
    for (uint32_t i = 0; i < LENGTH; i++) REG(PIO + 0x48 + 4 * i) = program[i];
    REG(PIO + 0xc8) = DIVISOR;
    REG(PIO + 0xcc) = (LENGTH - 1u) << 12; /* wraps from the last to the first */
    /* the FIFOs in one, a word is 24 bits, from the left */
    REG(PIO + 0xd0) = 1u << 31 | 24u << 20 | 1u << 16;
    /* side: 2 pins from PIN_CLOCK, set: the same, in: PIN_DATA */
    REG(PIO + 0xdc) = 2u << 29 | 2u << 26 | PIN_DATA << 15 | PIN_CLOCK << 10 |
                      (uint32_t)PIN_CLOCK << 5;
    REG(PIO + 0xd8) = 0xe083; /* set pindirs, 3 */
    FUNCTION(PIN_CLOCK) = FUNCTION(PIN_WORD) = FUNCTION(PIN_DATA) = 6;
    PADS(PIN_DATA) = 0x56; /* input, pulled down: in the right slot nobody drives it */
    for (uint32_t pin = PIN_KEYWORD; pin < PIN_KEYWORD + KEYWORD_PINS; pin++) FUNCTION(pin) = 5;
    FUNCTION(PIN_LED) = 5;
    REG(SIO + 0x24) = 1u << PIN_LED | ((1u << KEYWORD_PINS) - 1) << PIN_KEYWORD; /* outputs */
    REG(PIO + 0x12c) = 1; /* interrupt: a word has come */
    NVIC_ENABLE(PIO_IRQ);
}

void mic_switch(int on)
{
    if (!ready) prepare();
    ready = 1;
    REG(PIO) = 0;
    while (!(REG(PIO + 4) & 1u << 8)) (void)REG(PIO + 0x20);
    __asm__ volatile("cpsid i" ::: "memory");
    head = tail;
    __asm__ volatile("cpsie i" ::: "memory");
    REG(PIO + 8) = 1;
    REG(PIO + 0xd8) = 0;            /* jmp 0 */
    REG(PIO) = on ? 1 << 4 | 1 : 0; /* no bit of the last word, and go */
}

int mic_ready(void) { return head != tail; }

size_t mic_take(int16_t *pcm, size_t n)
{
    size_t i = 0;
    for (; i < n && tail != head; i++) {
        pcm[i] = samples[tail];
        tail = (tail + 1) % ROOM;
    }
    return i;
}

uint32_t mic_lost(void) { return lost; }

/* The light changes with each keyword, and so does a pin of each of the first ten. */
void mic_heard(uint32_t keyword)
{
    const uint32_t pin = keyword < KEYWORD_PINS ? 1u << (PIN_KEYWORD + keyword) : 0;
    REG(SIO + 0x1c) = 1u << PIN_LED | pin;
}
