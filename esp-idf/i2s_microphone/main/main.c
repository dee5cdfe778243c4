/* SPDX-License-Identifier: Apache-2.0 */
/* Keywords from an I2S microphone (INMP441 and the like: 24 bits in 32), L/R to ground. The driver's
 * DMA fills its buffers while one is heard. */
#include "driver/i2s_std.h"
#include "edge_lp.h"
#include "esp_attr.h"
#include "esp_heap_caps.h"
#include "esp_log.h"
#include "lp_status.h"
#include <stdatomic.h>
#include <stdio.h>

#define BIT_CLOCK 4 /* SCK */
#define WORD_SELECT 5
#define DATA 6
#define GAIN 3 /* bits: such a microphone gives speech at 1 m some 50 dB below full scale */

static const char TAG[] = "edge_lp";

/* main/model.lpb, in flash */
extern const uint8_t model_begin[] asm("_binary_model_lpb_start");
extern const uint8_t model_end[] asm("_binary_model_lpb_end");

static i2s_chan_handle_t microphone;
static atomic_uint lost; /* buffers that were full when the next one came, since the last look */

static bool IRAM_ATTR overrun(i2s_chan_handle_t handle, i2s_event_data_t *event, void *context)
{
    atomic_fetch_add(&lost, 1);
    return false;
}

static esp_err_t start(void)
{
    i2s_chan_config_t channel = I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_AUTO, I2S_ROLE_MASTER);
    channel.dma_desc_num = 8; /* 80 ms may pass until samples are lost */
    channel.dma_frame_num = LP_HOP;
    const i2s_std_config_t standard = {
        .clk_cfg = I2S_STD_CLK_DEFAULT_CONFIG(LP_SAMPLE_RATE),
        .slot_cfg = I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_32BIT,
                                                        I2S_SLOT_MODE_MONO),
        .gpio_cfg = {.mclk = I2S_GPIO_UNUSED,
                     .bclk = BIT_CLOCK,
                     .ws = WORD_SELECT,
                     .dout = I2S_GPIO_UNUSED,
                     .din = DATA},
    };
    const i2s_event_callbacks_t callbacks = {.on_recv_q_ovf = overrun};
    esp_err_t e = i2s_new_channel(&channel, NULL, &microphone);
    if (e == ESP_OK) e = i2s_channel_init_std_mode(microphone, &standard);
    if (e == ESP_OK) e = i2s_channel_register_event_callback(microphone, &callbacks, NULL);
    return e == ESP_OK ? i2s_channel_enable(microphone) : e;
}

/* -> samples, of LP_HOP at most; ESP_OK, or what the driver says when none come for a second */
static esp_err_t take(int16_t *pcm, size_t *n)
{
    static int32_t words[LP_HOP];
    size_t bytes = 0;
    const esp_err_t e = i2s_channel_read(microphone, words, sizeof words, &bytes, 1000);
    *n = bytes / sizeof *words;
    for (size_t i = 0; i < *n; i++) {
        const int32_t x = words[i] >> (16 - GAIN);
        pcm[i] = (int16_t)(x > 32767 ? 32767 : x < -32768 ? -32768 : x);
    }
    return e;
}

static int open_model(lp_model *model, lp_spotter **spotter)
{
    size_t bytes;
    int e = lp_model_open(model, model_begin, (size_t)(model_end - model_begin));
    if (e == LP_OK) e = lp_spotter_size(model, 0, &bytes);
    if (e != LP_OK) return e;
    void *memory = heap_caps_aligned_alloc(8, bytes, MALLOC_CAP_INTERNAL | MALLOC_CAP_8BIT);
    return memory ? lp_spotter_init(spotter, model, 0, memory, bytes) : LP_E_SPACE;
}

void app_main(void)
{
    static lp_model model;
    static int16_t pcm[LP_HOP];
    lp_event events[2]; /* as many as LP_HOP samples can bring, and one */
    lp_spotter *spotter;
    const int status = open_model(&model, &spotter);
    if (status != LP_OK) {
        ESP_LOGE(TAG, "the model: %s", lp_status_text(status));
        return;
    }
    esp_err_t e = start();
    if (e == ESP_OK) ESP_LOGI(TAG, "listening for %u keywords", (unsigned)model.n_keywords);
    while (e == ESP_OK) {
        size_t n;
        e = take(pcm, &n);
        const int found = lp_spotter_hear(spotter, pcm, n, events, 2);
        for (int i = 0; i < found; i++) {
            size_t length;
            const char *label = lp_model_label(&model, events[i].label, &length);
            printf("%.*s at %lu ms\n", (int)length, label, 10ul * events[i].middle);
        }
        const unsigned buffers = atomic_exchange(&lost, 0);
        if (buffers) ESP_LOGW(TAG, "%u ms lost", 10 * buffers);
    }
    ESP_LOGE(TAG, "the microphone: %s", esp_err_to_name(e));
}
