/* SPDX-License-Identifier: Apache-2.0 */
/* microphone() by Zephyr's DMIC drivers (Zephyr 3.5 and later): the devicetree names the microphone
 * dmic_dev. Blocks of 10 ms; three of them may wait, 30 ms. */
#include <zephyr/audio/dmic.h>
#include <zephyr/kernel.h>

#define BLOCK 320    /* bytes: 160 samples of 16 bits */
#define TIMEOUT 1000 /* ms */

K_MEM_SLAB_DEFINE_STATIC(blocks, BLOCK, 4, 4);

static int start(const struct device *dmic)
{
    struct pcm_stream_cfg stream = {
        .pcm_rate = 16000, .pcm_width = 16, .block_size = BLOCK, .mem_slab = &blocks};
    struct dmic_cfg config = {
        /* Hz and per cent that usual microphones take */
        .io = {.min_pdm_clk_freq = 1000000,
               .max_pdm_clk_freq = 3500000,
               .min_pdm_clk_dc = 40,
               .max_pdm_clk_dc = 60},
        .streams = &stream,
        .channel = {.req_num_streams = 1,
                    .req_num_chan = 1,
                    .req_chan_map_lo = dmic_build_channel_map(0, 0, PDM_CHAN_LEFT)},
    };
    const int e = device_is_ready(dmic) ? dmic_configure(dmic, &config) : -1;
    return e < 0 ? e : dmic_trigger(dmic, DMIC_TRIGGER_START);
}

/* n samples; a failure is told and gives silence: then the microphone is started anew. */
void microphone(int16_t *pcm, size_t n)
{
    static const struct device *const dmic = DEVICE_DT_GET(DT_NODELABEL(dmic_dev));
    static int running;
    static void *block;
    static size_t at, end; /* samples of the block */
    for (size_t i = 0; i < n; i++) {
        if (at == end) {
            size_t bytes = 0;
            if (block) k_mem_slab_free(&blocks, block);
            block = NULL;
            at = end = 0;
            int e = running ? 0 : start(dmic);
            if (!e) e = dmic_read(dmic, 0, &block, &bytes, TIMEOUT);
            if (!e && bytes < sizeof *pcm) e = -1;
            running = !e;
            if (e) {
                printk("microphone: error %d\n", e);
                for (k_msleep(10); i < n; i++) pcm[i] = 0;
                return;
            }
            end = bytes / sizeof *pcm;
        }
        pcm[i] = ((const int16_t *)block)[at++];
    }
}
