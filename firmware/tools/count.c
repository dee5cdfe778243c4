/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the audio in flash through front end, network and detector, one frame after the other, and
 * writes what each took, in ticks:
 *   part frames ticks
 * and a checksum of the logits and posteriors, so that it is known that the right work was counted.
 */
#include "edge_lp.h"
#include "hal.h"
#include "model.h"

static uint64_t arena[(ARENA_BYTES + 7) / 8];
static uint64_t front_end_memory[LP_VECTORS ? 704 : 512]; /* one of its own, to be timed alone */

static void text(const char *s)
{
    size_t n = 0;
    while (s[n]) n++;
    hal_write((const uint8_t *)s, n);
}

static void number(uint64_t x)
{
    char digits[21], *p = digits + 20;
    /* in halves of 16 bits: no 64-bit division on the board */
    uint32_t low = (uint32_t)x, high = (uint32_t)(x >> 32);
    uint32_t part[4] = {high >> 16, high & 0xffff, low >> 16, low & 0xffff};
    *p = 0;
    do {
        uint32_t rest = 0;
        for (int i = 0; i < 4; i++) {
            uint32_t v = rest << 16 | part[i];
            part[i] = v / 10;
            rest = v % 10;
        }
        *--p = (char)('0' + rest);
    } while (part[0] | part[1] | part[2] | part[3]);
    text(p);
}

static void line(const char *name, uint64_t a, uint64_t b)
{
    text(name), text(" "), number(a), text(" "), number(b), text("\n");
}

int main(void)
{
    lp_model model;
    lp_spotter *spotter;
    lp_frontend *frontend;
    lp_event event;
    lp_counts counts;
    int16_t features[LP_FEATURES], pcm[LP_HOP];
    int32_t logits[LP_MAX_LABELS];
    uint64_t front_end = 0, network = 0, detector = 0;
    uint32_t frames = 0, events = 0, crc = 0;
    hal_init();
    int e = lp_model_open(&model, model_bytes, (size_t)(model_end - model_bytes));
    if (!e) e = lp_spotter_init(&spotter, &model, 0, arena, sizeof arena);
    if (!e) e = lp_frontend_init(&frontend, front_end_memory, sizeof front_end_memory);
    if (e) {
        line("error", (uint32_t)-e, 0);
        hal_exit(1);
        return 1;
    }
    const uint16_t *posterior = lp_detector_posterior(lp_spotter_detector(spotter));
    for (const uint8_t *p = audio_bytes; audio_end - p >= 2 * LP_HOP; p += 2 * LP_HOP) {
        size_t used;
        for (uint32_t i = 0; i < LP_HOP; i++) pcm[i] = (int16_t)(p[2 * i] | p[2 * i + 1] << 8);
        uint32_t t0 = hal_ticks();
        lp_frontend_push(frontend, pcm, LP_HOP, &used, features);
        uint32_t t1 = hal_ticks();
        lp_net_frame(lp_spotter_net(spotter), features, logits);
        uint32_t t2 = hal_ticks();
        events += (uint32_t)lp_detector_push(lp_spotter_detector(spotter), logits, &event);
        uint32_t t3 = hal_ticks();
        front_end += t1 - t0, network += t2 - t1, detector += t3 - t2;
        frames++;
        for (uint32_t i = 0; i < model.n_labels; i++) {
            const uint32_t z = (uint32_t)logits[i], q = posterior[i];
            const uint8_t bytes[6] = {(uint8_t)z,         (uint8_t)(z >> 8), (uint8_t)(z >> 16),
                                      (uint8_t)(z >> 24), (uint8_t)q,        (uint8_t)(q >> 8)};
            crc = lp_crc32(crc, bytes, sizeof bytes);
        }
    }
    lp_net_counts(lp_spotter_net(spotter), &counts);
    line("front_end", frames, front_end);
    line("network", frames, network);
    line("detector", frames, detector);
    line("events", events, 0);
    line("spikes", counts.spikes, 0);
    line("synops", counts.synops, 0);
    line("crc", crc, 0);
    hal_exit(0);
    return 0;
}
