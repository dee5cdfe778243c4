/* SPDX-License-Identifier: Apache-2.0 */
/* firmware/boards/nrf/pdm.c without the chip: its registers are memory, and what the nRF52840's
 * Product Specification (6.15 "PDM") says of the peripheral is done here by what the driver wrote.
 *   nrf_pdm_test < pcm > pcm     int16: what the peripheral's filter gives, and what is taken
 * Built for a 32-bit machine: the driver has addresses in registers. */
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
    static uint32_t pdm[0x400], pins[0x400];
    if (address >> 12 == 0x4001d) {
        if (pdm[1]) pdm[1] = 0, pdm[0x104 / 4] = 1; /* STOP: STOPPED */
        return &pdm[(address & 0xfff) / 4];
    }
    if (address >> 12 != 0x50000) exit(3);
    return &pins[(address & 0xfff) / 4];
}

#include "../../firmware/boards/nrf/pdm.c"

static void must(int good, const char *what)
{
    if (good) return;
    fprintf(stderr, "wrong: %s\n", what);
    exit(1);
}

static void look(void)
{
    must(REG(PDM + 0x500) == 1 && REG(PDM) == 1 && enabled == MIC_IRQ, "on, started, interrupt");
    must(REG(PDM + 0x504) == 0x0a000000 && REG(PDM + 0x520) == 1, "1.28 MHz, of which 80 a sample");
    must(REG(PDM + 0x508) == 1 && REG(PDM + 0x518) <= 0x50, "one channel, its gain");
    must(REG(PDM + 0x540) == PIN_CLOCK && REG(PDM + 0x544) == PIN_DATA, "which pins");
    must(REG(PDM + 0x304) == 5, "interrupts: STARTED, END");
}

/* The stream through the peripheral: it takes SAMPLE.PTR when it starts on a buffer. */
static size_t stream(const int16_t *pcm, size_t n)
{
    size_t taken = 0;
    int16_t out[48];
    const uint32_t room = REG(PDM + 0x564);
    int16_t *to = (int16_t *)NEXT;
    STARTED = 1;
    mic_interrupt();
    for (size_t i = 0; i < n; i++) {
        to[i % room] = pcm[i];
        if (i % room != room - 1) continue;
        END = 1;
        must((int16_t *)NEXT != to, "the buffer that is full is the next one");
        to = (int16_t *)NEXT;
        STARTED = 1;
        mic_interrupt();
        must(!END && !STARTED, "an event stays");
        for (size_t k; (k = mic_take(out, i % 48 + 1)) > 0; taken += k) fwrite(out, 2, k, stdout);
    }
    return taken;
}

int main(void)
{
    static int16_t pcm[1 << 16];
    const size_t n = fread(pcm, 2, sizeof pcm / 2, stdin);
    for (int times = 0; times < 2; times++) { /* switched off in between */
        mic_switch(1);
        look();
        REG(PDM) = 0;
        must(stream(pcm, n) == n / 32 * 32 && mic_lost() == 0, "some are missing");
        mic_switch(0);
        must(!REG(PDM) && !mic_ready(), "off");
    }
    const uint32_t before = PIN_OUT(PIN_LED);
    mic_heard(3);
    must((PIN_OUT(PIN_LED) ^ before) == PIN_BIT(PIN_LED), "the light");
    return 0;
}
