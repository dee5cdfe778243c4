/* SPDX-License-Identifier: Apache-2.0 */
/* An I2S microphone with 24 bits in 32, as the INMP441, on PIO0: bit clock on GP10, word select on
 * GP11, data on GP12, its L/R pin to ground (the left slot). The PIO's interrupt takes each sample
 * out of its FIFO of eight, so it may wait half a millisecond. */
#include "../samples.h"
#include "keywords.h"
#include "pio.h"

#ifndef MIC_GAIN
#define MIC_GAIN 3 /* bits: such a microphone gives speech at 1 m some 50 dB below full scale */
#endif

/* 64 bit clocks a sample at 2 PIO cycles each: 256 CLOCK / (16 kHz * 128), exact on both chips */
#define DIVISOR (CLOCK / 8000 << 8)
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

static uint8_t ready;

void mic_interrupt(void)
{
    if (pio_stalled()) samples_lost++; /* at least one */
    while (pio_has_word()) {
        const int32_t x = (int32_t)(pio_word() << 8) >> (16 - MIC_GAIN);
        sample_put((int16_t)(x > 32767 ? 32767 : x < -32768 ? -32768 : x));
    }
}

void mic_switch(int on)
{
    if (!ready) keywords_init(), pio_prepare(program, LENGTH, 2, DIVISOR, 24);
    ready = 1;
    pio_stop();
    samples_drop();
    if (on) pio_go();
}
