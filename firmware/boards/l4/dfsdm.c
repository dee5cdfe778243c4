/* SPDX-License-Identifier: Apache-2.0 */
/* PDM microphones on a DFSDM (RM0351 24.4): the chip clocks them, filters their bits to 48 kHz and
 * writes the words into one half of a buffer while the other half is brought to 16 kHz here. One
 * of the line's two microphones is heard, the one that speaks while the clock is high.
 *
 * 80 MHz / 34 = 2.353 MHz of bits; sinc^4 of 49 of them: 48,019 a second (+0.04 %), and the full
 * range is 49^4 = 5,764,801 < 2^23, so 24 bits hold it before any shift. What passes
 * is what lp_pdm passes, whose four boxes are as long: -0.4 dB at 4 kHz, -1.2 at 7. */
#include "lp_audio.h"

#include "../samples.h"
#include "l4.h"

#ifndef MIC_GAIN
#define MIC_GAIN 4 /* bits, 0 to 4; 0: ones only are 22,518. 4 for speech at a metre */
#endif

#define CLOCK_DIVIDER 34u
#define BITS 49u /* of a sample at 48 kHz */
#define PIECE 6u /* words, two samples: done before the line's next byte, which has no FIFO */
#define MEAN_BITS 10

#define DFSDM 0x40016000u
#define CHANNEL(y) (DFSDM + 0x20 * (y)) /* CFGR1 0, CFGR2 4 */
#define FILTER (DFSDM + 0x100)   /* the first: CR1 0, ISR 8, ICR 0xc, FCR 0x14, RDATAR 0x1c */
#define DMA 0x40020000u          /* DMA1: ISR 0, IFCR 4, CSELR 0xa8 */
#define DMA_CHANNEL (DMA + 0x44) /* the fourth, the filter's: CCR 0, CNDTR 4, CPAR 8, CMAR 0xc */
#define FULL (1u << 13)          /* of it, in ISR and IFCR */
#define HALF (1u << 14)

static volatile uint32_t words[2][PIECE];
static lp_decimator to_16k;
static int32_t mean; /* Q10 */
static uint8_t ready;

/* Without its mean (such microphones have an offset), a high-pass at 7.5 Hz. |x| <= 49^4 / 2^4 <
 * 2^19, so |mean| <= 2^19 * 2^10: it moves towards 2^10 x. */
static int16_t level(int32_t x)
{
    const int32_t y = x - (mean >> MEAN_BITS);
    mean += y;
    return (int16_t)(y > 32767 ? 32767 : y < -32768 ? -32768 : y);
}

static void hear(const volatile uint32_t *piece)
{
    for (uint32_t i = 0; i < PIECE; i++) {
        const int16_t x = level((int32_t)piece[i] >> 8); /* below: which channel */
        int16_t pcm;
        if (lp_decimate(&to_16k, &x, 1, &pcm)) sample_put(pcm);
    }
}

void mic_interrupt(void)
{
    const uint32_t done = REG(DMA) & (HALF | FULL);
    REG(DMA + 4) = done;
    if (done == (HALF | FULL)) samples_lost++; /* at least one: too late for one of them */
    if (done & HALF) hear(words[0]);
    if (done & FULL) hear(words[1]);
}

static void prepare(void)
{
    for (uint32_t i = 0; i < KEYWORD_PINS; i++) pin_set(keyword_pins[i], OUTPUT, 0);
    pin_set(PIN_LED, OUTPUT, 0);
    pin_set(PIN_CLOCK, ALTERNATE, 6);
    pin_set(PIN_DATA, ALTERNATE, 6);
    REG(RCC + 0x48) |= 1;        /* DMA1 */
    REG(RCC + 0x60) |= 1u << 24; /* DFSDM1, its clock PCLK2 */
    (void)REG(RCC + 0x60);
    REG(DMA + 0xa8) &= ~0xf000u; /* the channel's requests: the filter's (11.6.7) */
    REG(DMA_CHANNEL + 8) = FILTER + 0x1c;
    REG(DMA_CHANNEL + 0xc) = (uint32_t)words;
    REG(CHANNEL(0)) = (CLOCK_DIVIDER - 1) << 16;
    REG(CHANNEL(0)) |= 1u << 31;                          /* the clock runs, and all of it is on */
    REG(CHANNEL(MIC_CHANNEL) + 4) = (8u - MIC_GAIN) << 3; /* right shift, rounded */
    REG(CHANNEL(MIC_CHANNEL)) = 1u << 2;                  /* taken where this clock rises */
    REG(CHANNEL(MIC_CHANNEL)) |= 1u << 7;
    REG(FILTER + 0x14) = 4u << 29 | (BITS - 1) << 16; /* sinc^4 */
    NVIC_ENABLE(MIC_IRQ);
}

void mic_switch(int on)
{
    if (!ready) prepare();
    ready = 1;
    REG(FILTER) = 0; /* off, what it was at is dropped */
    REG(DMA_CHANNEL) = 0;
    __asm__ volatile("cpsid i" ::: "memory");
    REG(DMA + 4) = 0xf000; /* what it has told so far */
    to_16k = (lp_decimator){0};
    mean = 0;
    __asm__ volatile("cpsie i" ::: "memory");
    samples_drop();
    if (!on) return;
    REG(DMA_CHANNEL + 4) = 2 * PIECE;
    /* words to words, memory goes on, around and around, half and full are told, on */
    REG(DMA_CHANNEL) = 2u << 10 | 2u << 8 | 1u << 7 | 1u << 5 | 1u << 2 | 1u << 1 | 1;
    /* fast, of this channel, by DMA, without an end */
    REG(FILTER) = 1u << 29 | (uint32_t)MIC_CHANNEL << 24 | 1u << 21 | 1u << 18;
    REG(FILTER) |= 1;        /* on */
    REG(FILTER) |= 1u << 17; /* and go */
}

void mic_heard(uint32_t keyword)
{
    PIN_OUT(PIN_LED) ^= PIN_BIT(PIN_LED);
    if (keyword < KEYWORD_PINS) PIN_OUT(keyword_pins[keyword]) ^= PIN_BIT(keyword_pins[keyword]);
}
