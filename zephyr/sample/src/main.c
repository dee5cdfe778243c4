/* SPDX-License-Identifier: Apache-2.0 */
/* Keywords on a Zephyr board. microphone() fills in n samples, 16 kHz, int16, and waits for them:
 * dmic.c where the board has Zephyr's DMIC, else the application's. Here that is silence. */
#include <edge_lp.h>
#include <zephyr/kernel.h>

#define MEMORY 20480 /* lp_spotter_size says how much a model needs; lp_spotter_init checks it */

static const uint8_t model_bytes[] = {
#include "model.inc" /* CMakeLists.txt makes it from the .lpb */
};
static uint64_t memory[MEMORY / 8];

#ifdef CONFIG_AUDIO_DMIC
void microphone(int16_t *pcm, size_t n);
#else
static void microphone(int16_t *pcm, size_t n)
{
    for (size_t i = 0; i < n; i++) pcm[i] = 0;
    k_msleep(10);
}
#endif

int main(void)
{
    static lp_model model;
    lp_spotter *spotter;
    int16_t pcm[LP_HOP];
    int e = lp_model_open(&model, model_bytes, sizeof model_bytes);
    if (!e) e = lp_spotter_init(&spotter, &model, 0, memory, sizeof memory);
    if (e) {
        printk("edge-lp: status %d of edge_lp.h\n", e);
        return e;
    }
    for (;;) {
        lp_event events[2]; /* as many as LP_HOP samples can bring, and one */
        microphone(pcm, LP_HOP);
        int found = lp_spotter_hear(spotter, pcm, LP_HOP, events, 2);
        for (int i = 0; i < found; i++) {
            size_t length;
            const char *label = lp_model_label(&model, events[i].label, &length);
            printk("%.*s at %u0 ms\n", (int)length, label, (unsigned)events[i].middle);
        }
    }
}
