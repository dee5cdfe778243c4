/* SPDX-License-Identifier: Apache-2.0 */
/* Keywords from an I2S microphone (INMP441 and the like), L/R to ground: bit clock on GP10, word
 * select on GP11, data on GP12. Two DMA channels start each other and fill a half each: one is
 * heard while the other one fills, and none is ever armed by hand, since their addresses wrap. */
#include "edge_lp.h"
#include "hardware/clocks.h"
#include "hardware/dma.h"
#include "hardware/pio.h"
#include "i2s.pio.h"
#include "lp_status.h"
#include "model.h"
#include "pico/stdlib.h"
#include <stdio.h>

#define CLOCK_PIN 10 /* word select is the next one */
#define DATA_PIN 12
#define GAIN 3       /* bits: such a microphone gives speech at 1 m some 50 dB below full scale */
#define HALF 256     /* samples: 16 ms; a power of two */
#define HALF_BITS 10 /* log2 of its bytes */

_Static_assert(PICO_STACK_SIZE >= EDGE_LP_MODEL_STACK, "PICO_STACK_SIZE in CMakeLists.txt");
_Static_assert(sizeof(int32_t) * HALF == 1 << HALF_BITS, "the DMA's addresses wrap there");

static uint64_t memory[EDGE_LP_MODEL_ARENA / 8];
static int32_t words[2][HALF] __attribute__((aligned(1 << HALF_BITS)));
static uint channels[2];

static void start(void)
{
    const uint at = pio_add_program(pio0, &i2s_program);
    pio_sm_config c = i2s_program_get_default_config(at);
    sm_config_set_sideset_pins(&c, CLOCK_PIN);
    sm_config_set_in_pins(&c, DATA_PIN);
    sm_config_set_in_shift(&c, false, true, 24);
    sm_config_set_fifo_join(&c, PIO_FIFO_JOIN_RX);
    sm_config_set_clkdiv(&c, (float)clock_get_hz(clk_sys) / (LP_SAMPLE_RATE * 128));
    pio_gpio_init(pio0, CLOCK_PIN);
    pio_gpio_init(pio0, CLOCK_PIN + 1);
    pio_gpio_init(pio0, DATA_PIN);
    gpio_pull_down(DATA_PIN); /* in the right slot nobody drives it */
    pio_sm_set_consecutive_pindirs(pio0, 0, CLOCK_PIN, 2, true);
    pio_sm_init(pio0, 0, at, &c);
    for (int i = 0; i < 2; i++) channels[i] = (uint)dma_claim_unused_channel(true);
    for (int i = 0; i < 2; i++) {
        dma_channel_config d = dma_channel_get_default_config(channels[i]);
        channel_config_set_read_increment(&d, false);
        channel_config_set_write_increment(&d, true);
        channel_config_set_ring(&d, true, HALF_BITS);
        channel_config_set_dreq(&d, pio_get_dreq(pio0, 0, false));
        channel_config_set_chain_to(&d, channels[1 - i]);
        dma_channel_configure(channels[i], &d, words[i], &pio0->rxf[0], HALF, i == 0);
    }
    pio_sm_set_enabled(pio0, 0, true);
}

/* Waits for the half i, and gives it as 16 bits. */
static void microphone(int i, int16_t *pcm)
{
    while (!(dma_hw->intr & 1u << channels[i])) tight_loop_contents();
    dma_hw->intr = 1u << channels[i];
    for (int k = 0; k < HALF; k++) {
        const int32_t x = (int32_t)((uint32_t)words[i][k] << 8) >> (16 - GAIN);
        pcm[k] = (int16_t)(x > 32767 ? 32767 : x < -32768 ? -32768 : x);
    }
    /* filled anew already? Then this was too slow by a half. */
    if (dma_hw->intr & 1u << channels[i]) printf("samples lost\n");
}

int main(void)
{
    static lp_model model;
    static int16_t pcm[HALF];
    static lp_event events[HALF / LP_HOP + 1]; /* as many as a half can bring */
    lp_spotter *spotter;
    stdio_init_all();
    int status = lp_model_open(&model, edge_lp_model, edge_lp_model_size);
    if (status == LP_OK) status = lp_spotter_init(&spotter, &model, 0, memory, sizeof memory);
    if (status == LP_OK) start();
    for (int half = 0; status >= 0; half = 1 - half) {
        microphone(half, pcm);
        status = lp_spotter_hear(spotter, pcm, HALF, events, HALF / LP_HOP + 1);
        for (int i = 0; i < status; i++) {
            size_t length;
            const char *label = lp_model_label(&model, events[i].label, &length);
            printf("%.*s at %lu ms\n", (int)length, label, 10ul * events[i].middle);
        }
    }
    for (;; sleep_ms(1000)) printf("edge-lp: %s\n", lp_status_text(status));
}
