/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a model, and what opens is run: front end, network (plain and strict), and the
 * detector, on drawn logits too, until its longest window has gone round twice.
 * Nothing may trip a sanitizer, and each status is a documented one.
 *
 * One file, three uses:
 *   libFuzzer:  clang -g -O1 -fsanitize=fuzzer,address,undefined -DFUZZER -Iruntime \
 *                   tests/c/fuzz_model.c runtime/lp_*.c -o fuzz && ./fuzz -max_len=40000 CORPUS
 *   one input:  cc -g -fsanitize=address,undefined -Iruntime \
 *                   tests/c/fuzz_model.c runtime/lp_*.c -o fuzz && ./fuzz < FILE
 *   unit test:  ./fuzz COUNT MODEL...     COUNT drawn mutations of each model, the same on every
 *                                         machine */
#include "edge_lp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long opened, ran, events;

static void require(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "fuzz_model: %s\n", what);
    abort();
}

static void run(const lp_model *model, uint32_t flags, uint32_t noise)
{
    size_t bytes = 0;
    int e = lp_spotter_size(model, flags, &bytes);
    require(e == LP_OK, "size: a model that opened can be run");
    void *memory = malloc(bytes); /* exactly as much as was asked for */
    lp_spotter *spotter;
    require(memory && lp_spotter_init(&spotter, model, flags, memory, bytes) == LP_OK, "init");
    int16_t pcm[3 * LP_HOP];
    for (size_t i = 0; i < sizeof pcm / sizeof *pcm; i++)
        pcm[i] = (int16_t)((noise = noise * 1664525u + 1013904223u) >> 16);
    for (size_t at = 0, used; at < sizeof pcm / sizeof *pcm; at += used) {
        int frames;
        lp_event event;
        e = lp_spotter_push(spotter, pcm + at, sizeof pcm / sizeof *pcm - at, &used, &frames,
                            &event);
        require(e == 0 || e == 1 || (e == LP_E_OVERFLOW && (flags & LP_STRICT)),
                "push: a status that it does not have");
        require(used > 0 && (e != 1 || event.label < model->n_keywords),
                "push: an event that cannot be");
        if (e < 0) break;
    }
    free(memory);
    ran++;
}

static uint32_t at_most(uint32_t *noise, uint32_t below)
{
    *noise = *noise * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(*noise >> 4) * below) >> 28);
}

/* Events must be of keywords that may count: a wake word, or one behind a wake word. */
static void listen(const lp_model *model, uint32_t noise)
{
    size_t bytes = 0;
    const lp_detector_config *c = &model->detector;
    require(lp_detector_size(model->n_labels, c, &bytes) == LP_OK, "detector: size");
    void *memory = malloc(bytes);
    lp_detector *d;
    require(memory &&
                lp_detector_init(&d, model->n_labels, model->n_keywords, c, memory, bytes) == LP_OK,
            "detector: init");
    int32_t logits[LP_MAX_LABELS];
    uint32_t open = 0; /* a wake word has been heard */
    uint32_t longest = 0;
    for (uint32_t i = 0; i < LP_MAX_WINDOWS && c->windows[i]; i++) longest = c->windows[i];
    for (uint32_t t = 0; t < 2 * longest + 10; t++) {
        lp_event event;
        for (uint32_t i = 0; i < model->n_labels; i++)
            logits[i] = (int32_t)(at_most(&noise, 4096) << at_most(&noise, 19)) - 2048;
        if (!lp_detector_push(d, logits, &event)) continue;
        require((t + 1) % c->stride == 0 && (event.frame + 1) % c->stride == 0,
                "detector: an event between decisions");
        require(event.frame <= t && event.middle <= event.frame &&
                    event.label < model->n_keywords && event.score <= 32767 &&
                    event.score >= c->thresholds[event.label],
                "detector: an event that cannot be");
        require(event.wake == (event.label < c->wake_words), "detector: which word woke");
        require(!c->wake_words || event.wake || open, "detector: a command of nobody's");
        open |= event.wake;
        events++;
    }
    free(memory);
}

/* Work of a frame, in compartment updates: a model that would take seconds under a sanitizer is
 * opened but not run. */
static uint64_t work(const lp_model *m)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < m->n_layers; i++) n += 2u * m->layers[i].n;
    return n * m->steps;
}

static void try_bytes(const uint8_t *bytes, size_t size)
{
    lp_model model;
    int e = lp_model_open(&model, bytes, size);
    require(e == LP_OK || (e <= LP_E_MAGIC && e >= LP_E_FRONTEND),
            "open: a status that it does not have");
    if (e) return;
    opened++;
    for (uint32_t i = 0; i <= model.n_labels; i++) {
        size_t length = 0;
        const char *label = lp_model_label(&model, i, &length);
        require((label != NULL) == (i < model.n_labels), "label");
        /* touches every byte */
        for (size_t k = 0; k < length; k++)
            require(label[k] || 1, "a label reaches out of the file");
    }
    listen(&model, (uint32_t)size);
    if (work(&model) > 300000) return;
    run(&model, 0, (uint32_t)size);
    run(&model, LP_STRICT | LP_COUNT, (uint32_t)size);
}

/* As it is; then with the length and the checksum put right, which a mutation never guesses, so
 * that the fields behind them are reached. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1); /* one byte on: no alignment is promised */
    if (!copy) return 0;
    memcpy(copy + 1, data, size);
    try_bytes(copy + 1, size);
    free(copy);
    if (size < 16) return 0;
    copy = malloc(size);
    if (!copy) return 0;
    memcpy(copy, data, size);
    for (int i = 0; i < 4; i++) copy[8 + i] = (uint8_t)(size >> 8 * i);
    uint32_t crc = lp_crc32(0, copy, size - 4);
    for (int i = 0; i < 4; i++) copy[size - 4 + (size_t)i] = (uint8_t)(crc >> 8 * i);
    try_bytes(copy, size);
    free(copy);
    return 0;
}

#ifndef FUZZER
static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(seed >> 4) * below) >> 28);
}

/* One to four of: a byte set, a bit flipped, an extreme 16-bit field, a piece copied elsewhere,
 * cut, or grown. Mostly near the front and the end, where the fields are. */
static size_t mutate(uint8_t *bytes, size_t size, size_t room)
{
    static const uint16_t extreme[] = {0, 1, 0x7fff, 0x8000, 0xffff, 255, 256, 1024, 1025};
    for (uint32_t k = 1 + draw(4); k && size > 2; k--) {
        const uint32_t n = (uint32_t)size, edge = n < 200 ? n : 200, tail = n < 40 ? n : 40;
        const uint32_t where = draw(5); /* 0, 1: the front; 2: what newer formats add; else any */
        uint32_t at = where < 2 ? draw(edge) : where == 2 ? n - 1 - draw(tail) : draw(n);
        switch (draw(6)) {
        case 0: bytes[at] = (uint8_t)draw(256); break;
        case 1: bytes[at] ^= (uint8_t)(1u << draw(8)); break;
        case 2:
            if (at + 1 < size)
                bytes[at] = (uint8_t)extreme[draw(9)],
                bytes[at + 1] = (uint8_t)(extreme[draw(9)] >> 8);
            break;
        case 3: memmove(bytes + at, bytes + draw(at + 1), (size - at) / (2 + draw(60))); break;
        case 4:
            if (draw(4) == 0) size = at;
            break;
        case 5:
            if (size < room) bytes[size++] = (uint8_t)draw(256);
        }
    }
    return size;
}

static uint8_t *slurp(FILE *f, size_t *size)
{
    uint8_t *bytes = malloc(1 << 20);
    require(bytes && f, "cannot read");
    *size = fread(bytes, 1, (1 << 20) - 64, f);
    return bytes;
}

int main(int argc, char **argv)
{
    size_t size;
    if (argc == 1) {
        uint8_t *bytes = slurp(stdin, &size);
        LLVMFuzzerTestOneInput(bytes, size);
        free(bytes);
    }
    for (int i = 2; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        uint8_t *bytes = slurp(f, &size), *changed = malloc(1 << 20);
        fclose(f);
        LLVMFuzzerTestOneInput(bytes, size);
        require(opened == 2u * (unsigned)(i - 1) || i > 2, "the unchanged model does not open");
        for (long n = strtol(argv[1], NULL, 10); n > 0; n--) {
            memcpy(changed, bytes, size);
            LLVMFuzzerTestOneInput(changed, mutate(changed, size, size + 8));
        }
        free(bytes);
        free(changed);
    }
    printf("opened %lu, ran %lu, events %lu\n", opened, ran, events);
    return 0;
}
#endif
