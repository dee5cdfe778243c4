/* SPDX-License-Identifier: Apache-2.0 */
/* The front end on any samples, cut anyhow: the same features as in one piece, within their range,
 * the same again after a reset; nothing may trip a sanitizer. The first byte chooses how the others
 * become samples: as they are, or as runs of one value, which reach full scale for long.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -Iruntime \
 *       tests/c/fuzz_frontend.c runtime/lp_*.c -o fuzz && ./fuzz -max_len=8192 */
#include "edge_lp.h"
#include <stdlib.h>
#include <string.h>

#define SAMPLES 16000
#define FRAMES (SAMPLES / LP_HOP)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int16_t pcm[SAMPLES], whole[FRAMES][LP_FEATURES], cut[FRAMES][LP_FEATURES];

static size_t samples_of(const uint8_t *data, size_t size)
{
    size_t n = 0;
    if (!size) return 0;
    const int runs = *data++ & 1;
    for (size--; size >= 2 + (size_t)runs && n < SAMPLES;
         data += 2 + runs, size -= 2 + (size_t)runs)
        for (int k = runs ? 1 + data[2] : 1; k && n < SAMPLES; k--)
            pcm[n++] = (int16_t)(data[0] | data[1] << 8);
    return n;
}

static size_t push(lp_frontend *f, size_t n, const uint8_t *cuts, size_t size,
                   int16_t (*features)[LP_FEATURES])
{
    size_t frames = 0;
    for (size_t at = 0, k = 0, used; at < n; at += used) {
        const size_t rest = n - at, piece = size ? cuts[k++ % size] : rest;
        const int made = lp_frontend_push(f, pcm + at, piece < rest ? piece : rest, &used,
                                          features[frames]);
        if (made < 0 || used > rest || (size && used > piece)) abort();
        frames += (size_t)made;
    }
    return frames;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t n = samples_of(data, size), bytes = lp_frontend_size();
    void *memory = malloc(bytes); /* exactly as much as was asked for */
    lp_frontend *f;
    if (!memory || lp_frontend_init(&f, memory, bytes)) abort();
    const size_t frames = push(f, n, NULL, 0, whole);
    lp_frontend_reset(f);
    int pieces = 0;
    for (size_t i = 0; i < size; i++) pieces |= data[i];
    if (push(f, n, data, pieces ? size : 0, cut) != frames || frames != n / LP_HOP) abort();
    for (size_t i = 0; i < frames; i++)
        for (int b = 0; b < LP_FEATURES; b++)
            if (whole[i][b] != cut[i][b] || abs(whole[i][b]) > 16384) abort();
    free(memory);
    return 0;
}
