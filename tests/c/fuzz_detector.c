/* SPDX-License-Identifier: Apache-2.0 */
/* The detector under any sequence of calls: configurations, mostly of those that can be, logits,
 * resets, in exactly as much memory as was asked for, or more. Which configurations are taken is
 * said here once more; events must be of what may count, and nothing may change between decisions.
 *
 *   libFuzzer:  clang -g -O1 -fsanitize=fuzzer,address,undefined -DFUZZER -Iruntime \
 *                   tests/c/fuzz_detector.c runtime/lp_*.c -o fuzz && ./fuzz CORPUS
 *   one input:  without -DFUZZER and fuzzer:  ./fuzz < FILE
 *   unit test:  ./fuzz COUNT     COUNT drawn inputs, the same on every machine */
#include "edge_lp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *at, *end;
static unsigned long taken, refused, events;

static void require(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "fuzz_detector: %s\n", what);
    abort();
}

static uint32_t byte(void) { return at < end ? *at++ : 0; }
static uint16_t word(void)
{
    const uint32_t low = byte();
    return (uint16_t)(low | byte() << 8);
}

/* In a fourth of them some fields may be out of their ranges, or large. */
static lp_detector_config configuration(uint32_t n_keywords)
{
    lp_detector_config c = {0};
    const uint32_t how = byte(), wild = how < 64 ? byte() : 0;
    const uint32_t stride = 1 + byte() % 9, n = 1 + how % 4;
    for (uint32_t i = 0, window = 0; i < n; i++)
        c.windows[i] = (uint16_t)(window += stride * (1 + byte() % 12));
    c.stride = (uint16_t)stride;
    c.refractory = (uint16_t)(byte() % 40), c.hold = (uint16_t)(byte() % 12), c.latency = word();
    c.wake_words = (uint16_t)(byte() % (n_keywords + 1));
    if (c.wake_words) c.wake = wild & 8 ? word() : (uint16_t)byte();
    if (wild & 16) c.windows[byte() % LP_MAX_WINDOWS] = word();
    if (wild & 32) c.stride = word();
    if (wild & 64) c.refractory = word(), c.hold = word();
    for (uint32_t i = 0; i < LP_MAX_LABELS; i++)
        c.thresholds[i] = wild & 128 ? word() : (uint16_t)(byte() << 6);
    return c;
}

static uint32_t windows(const lp_detector_config *c)
{
    uint32_t n = 0;
    while (n < LP_MAX_WINDOWS && c->windows[n]) n++;
    return n;
}

/* SPEC.md, "Detector" */
static int can_be(const lp_detector_config *c, uint32_t n_keywords)
{
    const uint32_t n = windows(c);
    for (uint32_t i = n; i < LP_MAX_WINDOWS; i++)
        if (c->windows[i]) return 0;
    for (uint32_t i = 0; i < n; i++)
        if (c->stride < 1 || c->windows[i] % c->stride || c->windows[i] > LP_MAX_WINDOW ||
            (i && c->windows[i] <= c->windows[i - 1]))
            return 0;
    for (uint32_t i = 0; i < n_keywords; i++)
        if (c->thresholds[i] > 32767) return 0;
    return n > 0 && c->wake_words <= n_keywords && (c->wake_words || !c->wake);
}

static uint32_t rows(const lp_detector_config *c)
{
    const uint32_t n = windows(c);
    return 2 * n + c->windows[n - 1] / c->stride;
}

typedef struct {
    lp_detector *d;
    lp_detector_config c;
    uint32_t labels, keywords, room; /* rows that there are at least */
    uint32_t frames, skipped;        /* since a reset; since that or a clearing configuration */
    uint32_t awake;
    int woken; /* a wake word was heard since */
} run;

static void configure(run *r)
{
    const lp_detector_config now = configuration(r->keywords);
    const int good = can_be(&now, r->keywords), e = lp_detector_configure(r->d, &now);
    require(good || e == LP_E_ARG, "configure: what cannot be");
    require(!good || e == LP_OK || (e == LP_E_SPACE && rows(&now) > r->room), "configure");
    refused += e != LP_OK;
    if (e) return;
    taken++;
    if (memcmp(r->c.windows, now.windows, sizeof now.windows) || r->c.stride != now.stride ||
        r->c.wake_words != now.wake_words)
        r->skipped = r->awake = 0, r->woken = 0;
    r->c = now;
}

static void push(run *r, const int32_t *logits)
{
    lp_event e;
    const int found = lp_detector_push(r->d, logits, &e);
    const uint32_t awake = lp_detector_awake(r->d);
    uint32_t sum = 0;
    require(found == 0 || found == 1, "push: a status that it does not have");
    r->frames++;
    if (++r->skipped % r->c.stride) require(!found && awake == r->awake, "between decisions");
    r->awake = awake;
    for (uint32_t i = 0; i < r->labels; i++) sum += lp_detector_posterior(r->d)[i];
    require(sum <= 32767 + r->labels && awake % r->c.stride == 0, "posteriors, open frames");
    if (!found) return;
    events++;
    require(e.frame < r->frames && e.middle <= e.frame && e.label < r->keywords &&
                e.score <= 32767 && e.wake == (e.label < r->c.wake_words),
            "an event that cannot be");
    require(!r->c.wake_words || e.wake || r->woken, "a command of nobody's");
    r->woken |= e.wake;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at = data, end = data + size;
    run r = {.labels = 1 + byte() % LP_MAX_LABELS};
    r.keywords = byte() % (r.labels + 1);
    const size_t more = byte() % 3 ? 0 : word() % 3000;
    r.c = configuration(r.keywords);
    const int good = can_be(&r.c, r.keywords);
    size_t bytes = 0;
    const int e = lp_detector_size(r.labels, &r.c, &bytes);
    require(!good || e == LP_OK, "size");
    if (e) return 0;
    void *memory = malloc(bytes += more);
    require(memory != NULL, "memory");
    memset(memory, 0xa5, bytes);
    require(lp_detector_init(&r.d, r.labels, r.keywords, &r.c, memory, bytes) ==
                (good ? LP_OK : LP_E_ARG),
            "init");
    if (good) r.room = rows(&r.c) + (uint32_t)(more / (2 * r.labels));
    while (good && at < end) {
        const uint32_t what = byte();
        if (what < 8) configure(&r);
        if (what == 8) lp_detector_reset(r.d), r.frames = r.skipped = r.awake = 0, r.woken = 0;
        if (what <= 8) continue;
        int32_t logits[LP_MAX_LABELS];
        for (uint32_t i = 0; i < r.labels; i++) logits[i] = (int32_t)((byte() - 128u) << what % 24);
        for (uint32_t i = 0; i <= what / 16; i++) push(&r, logits);
    }
    free(memory);
    return 0;
}

#ifndef FUZZER
int main(int argc, char **argv)
{
    static uint8_t data[4096];
    uint32_t seed = 1;
    if (argc == 1) return LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof data, stdin));
    for (long n = strtol(argv[1], NULL, 10); n > 0; n--) {
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
        data[0] %= 13; /* few labels: more frames */
        LLVMFuzzerTestOneInput(data, sizeof data);
    }
    printf("taken %lu, refused %lu, events %lu\n", taken, refused, events);
    return 0;
}
#endif
