/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime's test program, the same on this machine (under sanitizers), under qemu-user and on
 * every emulated board: no libc, only hal.h. Checks what must hold anywhere, and prints a digest of
 * everything that the runtime computed; all machines must print the same one. The model is the one
 * that is linked in (firmware/model.S). */
#include "edge_lp.h"
#include "hal.h"
#include "lp_audio.h"
#include "model.h"

#define SECONDS 2u

static uint64_t memory[(ARENA_BYTES + 7) / 8], second_frontend[LP_VECTORS ? 704 : 512];
static uint32_t digest, failures;
static int32_t u[LP_MAX_UNITS], v[LP_MAX_UNITS];

static void text(const char *s)
{
    size_t n = 0;
    while (s[n]) n++;
    hal_write((const uint8_t *)s, n);
}

static void hex(const char *name, uint32_t x)
{
    char digits[10];
    for (int i = 0; i < 8; i++) digits[i] = "0123456789abcdef"[x >> (28 - 4 * i) & 15];
    digits[8] = '\n';
    digits[9] = 0;
    text(name), text(" "), text(digits);
}

static void check(int good, const char *what)
{
    if (good) return;
    failures++;
    text("FAILED: "), text(what), text("\n");
}

/* In little-endian order, whatever the machine's is. */
static void take(uint32_t x, uint32_t bytes)
{
    uint8_t b[4] = {(uint8_t)x, (uint8_t)(x >> 8), (uint8_t)(x >> 16), (uint8_t)(x >> 24)};
    digest = lp_crc32(digest, b, bytes);
}

static uint32_t seed = 1;
static uint32_t draw(void) { return (seed = seed * 1664525u + 1013904223u) >> 8; }

/* 2 s of sound that reaches everything: silence, noise from a whisper to full scale, the loudest
 * square wave, constant extremes, tones. */
static int16_t sample(uint32_t t)
{
    uint32_t piece = t / 3200 % 10;
    int32_t noise = (int32_t)(draw() & 65535) - 32768;
    switch (piece) {
    case 0: return 0;
    case 1: return (int16_t)(noise >> 12);
    case 2: return (int16_t)(noise >> 6);
    case 3: return (int16_t)(noise >> 3);
    case 4: return (int16_t)noise;
    case 5: return t & 1 ? 32767 : -32768;
    case 6: return t / 16 & 1 ? 32767 : -32768;
    case 7: return t & 1024 ? 32767 : -32768;
    case 8: return (int16_t)((t * 411 & 65535) - 32768);
    default: return (int16_t)((int32_t)(t % 73 * 800) - 29200);
    }
}

static void test_crc(void)
{
    check(lp_crc32(0, (const uint8_t *)"123456789", 9) == 0xcbf43926u, "CRC-32 check value");
    check(lp_crc32(lp_crc32(0, (const uint8_t *)"1234", 4), (const uint8_t *)"56789", 5) ==
              0xcbf43926u,
          "CRC-32 in two pieces");
}

static void test_errors(const lp_model *model)
{
    lp_model m;
    lp_spotter *s;
    size_t need, size = (size_t)(model_end - model_bytes);
    check(lp_model_open(&m, model_bytes, size - 1) == LP_E_TRUNCATED, "truncated model");
    check(lp_model_open(&m, model_bytes + 1, size - 1) == LP_E_MAGIC, "no model");
    check(lp_model_open(&m, NULL, 1) == LP_E_ARG, "null model");
    check(lp_spotter_size(model, 0, &need) == LP_OK && need <= sizeof memory, "size");
    check(lp_spotter_init(&s, model, 0, memory, need - 8) < 0, "too little memory");
    check(lp_spotter_init(&s, model, 0, (uint8_t *)memory + 4, need) == LP_E_SPACE,
          "unaligned memory");
}

/* One pass over the sound in pieces of `piece` samples -> digest of features, logits, posteriors,
 * events, states. */
static uint32_t run(lp_spotter *s, const lp_model *model, uint32_t piece)
{
    int16_t pcm[256];
    lp_event event;
    const uint16_t *posterior = lp_detector_posterior(lp_spotter_detector(s));
    digest = 0;
    seed = 1;
    for (uint32_t t = 0; t < SECONDS * LP_SAMPLE_RATE;) {
        uint32_t n = 0;
        for (; n < piece && t < SECONDS * LP_SAMPLE_RATE; n++) pcm[n] = sample(t++);
        for (size_t from = 0, used; from < n; from += used) {
            int frames, found = lp_spotter_push(s, pcm + from, n - from, &used, &frames, &event);
            check(found >= 0, "push");
            if (!frames) continue;
            for (uint32_t i = 0; i < LP_FEATURES; i++) take((uint32_t)lp_spotter_features(s)[i], 2);
            for (uint32_t i = 0; i < model->n_labels; i++)
                take((uint32_t)lp_spotter_logits(s)[i], 4), take(posterior[i], 2);
            if (found)
                take(event.frame, 4), take(event.middle, 4), take(event.label, 2),
                    take(event.score, 2);
        }
    }
    lp_net *net = lp_spotter_net(s);
    const uint32_t groups = 2 * model->n_layers - 1u;
    for (uint32_t g = 0; g < groups; g++) {
        check(lp_net_state(net, g, u, v, NULL) == LP_OK, "state");
        for (uint32_t i = 0; i < model->layers[g / 2].n; i++)
            take((uint32_t)u[i], 4), take((uint32_t)v[i], 4);
    }
    check(lp_net_state(net, groups, u, v, NULL) == LP_E_ARG, "state of no group");
    lp_counts counts;
    lp_net_counts(net, &counts);
    take((uint32_t)counts.steps, 4), take((uint32_t)counts.spikes, 4),
        take((uint32_t)counts.synops, 4);
    return digest;
}

/* Front end alone == front end in the spotter, started in the middle of a stream after a reset. */
static uint32_t front_end_digest(lp_frontend *f, uint32_t piece)
{
    int16_t pcm[256], features[LP_FEATURES];
    digest = 0;
    seed = 1;
    for (uint32_t t = 0; t < LP_SAMPLE_RATE;) {
        uint32_t n = 0;
        for (; n < piece && t < LP_SAMPLE_RATE; n++) pcm[n] = sample(t++);
        for (size_t from = 0, used; from < n; from += used)
            if (lp_frontend_push(f, pcm + from, n - from, &used, features))
                for (uint32_t i = 0; i < LP_FEATURES; i++) take((uint32_t)features[i], 2);
    }
    return digest;
}

/* The core by itself: a recurrent dense network with delays, refractory periods and inputs, pulled
 * to its 16- and 24-bit limits. */
static uint32_t core_digest(void)
{
    enum { N = 24, IN = 8 };
    static int16_t w[IN * N], u[N * N];
    static uint16_t spikes[IN];
    /* with vectors there is a table of 4 KB too */
    static uint64_t core_memory[LP_VECTORS ? 1112 : 600];
    seed = 7;
    for (uint32_t i = 0; i < IN * N; i++) w[i] = (int16_t)(draw() & 65535);
    for (uint32_t i = 0; i < N * N; i++) u[i] = (int16_t)((int32_t)(draw() & 8191) - 4096);
    lp_group g = {.n = N,
                  .join = LP_NO_JOIN,
                  .vmin = -8388607,
                  .vmax = 8388607,
                  .vth = 64 << 6,
                  .bias = 77,
                  .du = 409,
                  .dv = 128,
                  .refract = 3};
    lp_synapses y[2] = {{.src = LP_INPUT, .dst = 0, .kind = LP_DENSE16, .data = w},
                        {.src = 0, .dst = 0, .kind = LP_DENSE16, .delay = 5, .data = u}};
    lp_core_spec spec = {
        .groups = &g, .synapses = y, .n_groups = 1, .n_synapses = 2, .n_inputs = IN};
    lp_core *core;
    size_t need = 0;
    check(lp_core_size(&spec, &need) == LP_OK && need <= sizeof core_memory, "core size");
    if (lp_core_init(&core, &spec, core_memory, sizeof core_memory) != LP_OK) return 0;
    digest = 0;
    for (uint32_t t = 0; t < 300; t++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < IN; i++)
            if (draw() % 5 == 0) spikes[n++] = (uint16_t)i;
        const uint32_t starts[2] = {0, n};
        check(lp_core_run(core, 1, starts, spikes, NULL, 0) == LP_OK, "core step");
        for (uint32_t i = 0; i < N; i++)
            take((uint32_t)lp_core_u(core, 0)[i], 4), take((uint32_t)lp_core_v(core, 0)[i], 4),
                take(lp_core_spikes(core, 0)[i], 1);
    }
    spikes[0] = IN;
    const uint32_t starts[2] = {0, 1};
    check(lp_core_run(core, 1, starts, spikes, NULL, 0) == LP_E_ARG, "input out of range");
    return digest;
}

/* The detector by itself: three windows, a threshold for each keyword, a wake word, on drawn logits
 * in which one label after the other leads. */
static uint32_t detector_digest(uint16_t shortest, uint16_t stride)
{
    enum { LABELS = 6, KEYWORDS = 4, LONGEST = 40 };
    static uint64_t detector_memory[160];
    lp_detector_config c = {.windows = {shortest, 10, LONGEST},
                            .stride = stride,
                            .refractory = 8,
                            .latency = 5,
                            .hold = 3,
                            .wake_words = 1,
                            .wake = 60,
                            .thresholds = {9000, 12000, 15000, 18000}};
    lp_detector *d;
    lp_event event;
    size_t need = 0;
    uint32_t first = 0;
    check(lp_detector_size(LABELS, &c, &need) == LP_OK && need <= sizeof detector_memory, "size");
    if (lp_detector_init(&d, LABELS, KEYWORDS, &c, detector_memory, need) != LP_OK) return 0;
    for (int pass = 0; pass < 2; pass++) {
        uint32_t leader = 0;
        digest = 0;
        seed = 11;
        for (uint32_t t = 0; t < 1200; t++) {
            int32_t logits[LABELS];
            if (t % 24 == 0) leader = draw() % LABELS;
            for (uint32_t i = 0; i < LABELS; i++)
                logits[i] = (int32_t)(draw() & 1023) - 512 + (i == leader ? 1500 : 0);
            int found = lp_detector_push(d, logits, &event);
            for (uint32_t i = 0; i < LABELS; i++) take(lp_detector_posterior(d)[i], 2);
            take(lp_detector_awake(d), 4);
            if (found)
                take(event.frame, 4), take(event.middle, 4), take(event.label, 2),
                    take(event.score, 2), take(event.wake, 2);
        }
        check(pass == 0 || digest == first, "detector: after a reset");
        first = digest;
        lp_detector_reset(d);
    }
    c.windows[2] = LONGEST + 8;
    check(lp_detector_configure(d, &c) == LP_E_SPACE, "a window too long for the memory");
    return first;
}

static void take_samples(const int16_t *pcm, size_t n)
{
    for (size_t i = 0; i < n; i++) take((uint32_t)pcm[i], 2);
}

/* What stands before the front end: noise as 48 kHz, as 8 kHz and as the bits of a microphone. */
static uint32_t audio_digest(void)
{
    static lp_decimator decimator;
    static lp_interpolator interpolator;
    static lp_pdm pdm;
    static int16_t pcm[50], out[100];
    static uint8_t bits[50];
    digest = 0;
    seed = 13;
    pdm.gain = 2;
    for (uint32_t t = 0; t < 40; t++) {
        for (uint32_t i = 0; i < 50; i++) {
            pcm[i] = (int16_t)((int32_t)(draw() & 65535) - 32768);
            bits[i] = (uint8_t)(pcm[i] & 255);
        }
        take_samples(out, lp_decimate(&decimator, pcm, 50, out));
        take_samples(out, lp_interpolate(&interpolator, pcm, 50, out));
        take_samples(out, lp_pdm_pcm(&pdm, bits, 50, out));
    }
    return digest;
}

int main(void)
{
    lp_model model;
    lp_spotter *s;
    lp_frontend *f;
    hal_init();
    test_crc();
    check(lp_model_open(&model, model_bytes, (size_t)(model_end - model_bytes)) == LP_OK, "open");
    if (!failures) {
        test_errors(&model);
        check(lp_spotter_init(&s, &model, 0, memory, sizeof memory) == LP_OK, "init");
        check(lp_frontend_size() <= sizeof second_frontend &&
                  lp_frontend_init(&f, second_frontend, sizeof second_frontend) == LP_OK,
              "front end");
    }
    if (!failures) {
        uint32_t front_end = front_end_digest(f, 160), whole = run(s, &model, 160);
        hex("front_end", front_end);
        hex("spotter", whole);
        lp_frontend_reset(f);
        check(front_end_digest(f, 37) == front_end, "front end: pieces of 37");
        lp_spotter_reset(s);
        check(run(s, &model, 251) == whole, "spotter: pieces of 251, after a reset");
        hex("core", core_digest());
        hex("detector", detector_digest(3, 1));
        hex("every_second", detector_digest(4, 2));
        hex("audio", audio_digest());
    }
    text(failures ? "FAILED\n" : "passed\n");
    hal_exit(failures != 0);
    return failures != 0;
}
