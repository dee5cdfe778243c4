/* SPDX-License-Identifier: Apache-2.0 */
/* Keywords from a digital microphone, the devicetree's dmic_dev, by Zephyr's DMIC driver. */
#include <edge_lp.h>
#include <lp_status.h>
#include <model.h>
#include <zephyr/audio/dmic.h>
#include <zephyr/devicetree.h>
#include <zephyr/kernel.h>

#if !DT_NODE_EXISTS(DT_NODELABEL(dmic_dev))
#error "no microphone: label one dmic_dev in an overlay of the devicetree (README.md)"
#endif

#define BLOCK 320 /* samples: 20 ms */

BUILD_ASSERT(CONFIG_MAIN_STACK_SIZE >= EDGE_LP_MODEL_STACK + 1024);

static const struct device *const dmic = DEVICE_DT_GET(DT_NODELABEL(dmic_dev));
static uint64_t memory[EDGE_LP_MODEL_ARENA / 8];
K_MEM_SLAB_DEFINE_STATIC(blocks, 2 * BLOCK, 4, 4); /* what comes while one block is heard */

static int start(void)
{
    static struct pcm_stream_cfg stream = {
        .pcm_rate = LP_SAMPLE_RATE, .pcm_width = 16, .block_size = 2 * BLOCK, .mem_slab = &blocks};
    static struct dmic_cfg config = {.io = {.min_pdm_clk_freq = 1000000,
                                            .max_pdm_clk_freq = 3500000,
                                            .min_pdm_clk_dc = 40,
                                            .max_pdm_clk_dc = 60},
                                     .streams = &stream,
                                     .channel = {.req_num_streams = 1, .req_num_chan = 1}};
    config.channel.req_chan_map_lo = dmic_build_channel_map(0, 0, PDM_CHAN_LEFT);
    int e = device_is_ready(dmic) ? dmic_configure(dmic, &config) : -1;
    return e ? e : dmic_trigger(dmic, DMIC_TRIGGER_START);
}

int main(void)
{
    static lp_model model;
    static lp_event events[BLOCK / LP_HOP + 1]; /* as many as a block can bring */
    lp_spotter *spotter;
    int e = lp_model_open(&model, edge_lp_model, edge_lp_model_size);
    if (!e) e = lp_spotter_init(&spotter, &model, 0, memory, sizeof memory);
    if (e) {
        printk("edge-lp: %s\n", lp_status_text(e));
        return e;
    }
    for (e = start(); !e;) {
        void *pcm;
        size_t bytes;
        e = dmic_read(dmic, 0, &pcm, &bytes, 1000);
        if (e) break;
        const int found = lp_spotter_hear(spotter, pcm, bytes / 2, events, ARRAY_SIZE(events));
        k_mem_slab_free(&blocks, pcm);
        for (int i = 0; i < found; i++) {
            size_t length;
            const char *label = lp_model_label(&model, events[i].label, &length);
            printk("%.*s at %u0 ms\n", (int)length, label, (unsigned)events[i].middle);
        }
    }
    printk("the microphone failed: %d\n", e);
    return e;
}
