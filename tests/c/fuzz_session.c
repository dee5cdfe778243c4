/* SPDX-License-Identifier: Apache-2.0 */
/* The serial protocol's fuzz harness, three programs in one file: a libFuzzer target
 * (-fsanitize=fuzzer -DLIBFUZZER), a program that takes one input on stdin, and, given a number as
 * argument, a seeded test of so many generated inputs. The first byte of an input chooses: even,
 * the bytes go to the line as they are; odd, they are made into well-formed frames, which get
 * behind the checksum. Whatever comes in, each complete frame gets at most one answer, each answer
 * is a well-formed frame, and memory stays in bounds. */
#include "hal.h"
#include "microphone.h"
#include "model.h"
#include "session.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char hal_name[] = "fuzz";
const uint32_t hal_tick_hz = 1, hal_receive_bytes = 1023;
void hal_init(void) {}
int hal_read(void) { return -1; }
uint32_t hal_lost(void) { return 0; }
void hal_wait(void) {}
uint32_t hal_ticks(void) { return 0; }
size_t hal_stack_used(void) { return 0; }
void hal_exit(int code) { exit(code); }

/* A microphone that now and then has a few samples. */
const uint32_t mic_room = 16;
static uint32_t seed = 1;
static uint32_t draw(void) { return (seed = seed * 1664525u + 1013904223u) >> 8; }
void mic_switch(int on) { (void)on; }
int mic_ready(void) { return 0; }
uint32_t mic_lost(void) { return seed >> 20; }
void mic_heard(uint32_t keyword) { (void)keyword; }
size_t mic_take(int16_t *pcm, size_t n)
{
    n = draw() % 4 ? 0 : draw() % (n + 1) | (n & 8);
    for (size_t i = 0; i < n; i++) pcm[i] = (int16_t)draw();
    return n;
}

static session board;
static uint64_t arena[(ARENA_BYTES + 7) / 8];
static uint8_t answer[2048];
static size_t answer_bytes;
static unsigned long delimiters_in, answers, configured, listened;

static void fail(const char *why)
{
    fprintf(stderr, "fuzz_session: %s\n", why);
    abort();
}

/* Decodes an answer by the book (apart from frame.c): COBS, length, CRC. */
static void check_answer(void)
{
    static uint8_t out[2048];
    size_t n = 0, at = 0;
    while (at < answer_bytes) {
        size_t code = answer[at++];
        if (code == 0 || at + code - 1 > answer_bytes) fail("an answer is not COBS");
        memcpy(out + n, answer + at, code - 1);
        n += code - 1;
        at += code - 1;
        if (code != 255 && at < answer_bytes) out[n++] = 0;
    }
    if (n < 7 || n > 3 + REPLY_BODY + 4) fail("an answer has an impossible length");
    uint32_t crc = out[n - 4] | (uint32_t)out[n - 3] << 8 | (uint32_t)out[n - 2] << 16 |
                   (uint32_t)out[n - 1] << 24;
    if (lp_crc32(0, out, n - 4) != crc) fail("an answer's checksum is wrong");
    configured += out[0] == (T_CONFIGURE | T_REPLY);
    listened += out[0] == (T_LISTEN | T_REPLY) && n > 3 + 7 + 4;
}

void hal_write(const uint8_t *bytes, size_t n)
{
    while (n--) {
        if (*bytes == 0) {
            check_answer();
            answer_bytes = 0;
            answers++;
        } else {
            if (answer_bytes == sizeof answer) fail("an answer has no end");
            answer[answer_bytes++] = *bytes;
        }
        bytes++;
    }
}

static void feed(uint8_t byte)
{
    delimiters_in += byte == 0;
    session_byte(&board, byte);
    session_hear(&board);
    if (answers > delimiters_in) fail("more answers than frames");
}

static void send(uint8_t type, uint16_t number, const uint8_t *body, size_t n)
{
    uint8_t p[3 + 400 + 4];
    p[0] = type, p[1] = (uint8_t)number, p[2] = (uint8_t)(number >> 8);
    memcpy(p + 3, body, n);
    n += 3;
    uint32_t crc = lp_crc32(0, p, n);
    for (int i = 0; i < 4; i++) p[n++] = (uint8_t)(crc >> 8 * i);
    for (size_t from = 0;;) {
        size_t run = 0;
        while (from + run < n && run < 254 && p[from + run]) run++;
        feed((uint8_t)(run + 1));
        for (size_t i = 0; i < run; i++) feed(p[from + i]);
        from += run;
        if (from == n) break;
        if (run < 254) from++; /* the block stands for its zero as well */
    }
    feed(0);
}

static void one(const uint8_t *data, size_t n)
{
    static const uint8_t types[] = {T_LABEL,   T_RESET,  T_CONFIGURE, T_STATISTICS,
                                    T_AUDIO16, T_AUDIO8, T_FEATURES,  T_HELLO,
                                    T_LISTEN,  0x00,     0x7f,        0x90};
    static const uint8_t hello[] = {PROTOCOL_VERSION, 1, 2, 3, 4};
    session_init(&board, model_bytes, (size_t)(model_end - model_bytes), arena, sizeof arena);
    answer_bytes = 0;
    answers = delimiters_in = 0;
    if (n && data[0] & 1) {
        send(T_HELLO, 100, hello, sizeof hello);
        uint16_t number = 100;
        for (size_t at = 1; at + 3 <= n;) { /* type, step of the number, length, body */
            size_t length = (size_t)data[at + 2] * 2 + (data[at] >> 7);
            number = (uint16_t)(number + (data[at + 1] < 200 ? 1 : data[at + 1]));
            const uint8_t type = types[(data[at] & 127) % sizeof types];
            at += 3;
            if (length > 400) length = 400;
            if (length > n - at) length = n - at;
            send(type, number, data + at, length);
            at += length;
        }
    } else {
        for (size_t i = 1; i < n; i++) feed(data[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    one(data, n);
    return 0;
}

#ifndef LIBFUZZER
/* A CONFIGURE that is often taken: type, step, length, and a body whose fields are mostly in their
 * ranges. */
static size_t configuration(uint8_t *p)
{
    const uint32_t n = 2 * (LP_MAX_WINDOWS + 6 + board.spot.model.n_keywords);
    p[0] = 0x82, p[1] = 0, p[2] = (uint8_t)(n / 2), p[3] = draw() & 15;
    const uint32_t stride = 1 + draw() % 3;
    for (uint32_t i = 0, window = 0; i < n; i += 2) {
        uint32_t x = draw() % (draw() & 1 ? 40 : 32768), field = i / 2;
        if (field < LP_MAX_WINDOWS) x = window = window || !i ? window + stride * (draw() % 9) : 0;
        if (field == LP_MAX_WINDOWS) x = stride;
        if (field == LP_MAX_WINDOWS + 4) x = 1 + draw() % 3; /* wake words */
        if (draw() % 100 == 0) x = draw();
        p[4 + i] = (uint8_t)x, p[5 + i] = (uint8_t)(x >> 8);
    }
    return 4 + n;
}

int main(int argc, char **argv)
{
    static uint8_t data[65536];
    if (argc < 2) {
        one(data, fread(data, 1, sizeof data, stdin));
        return 0;
    }
    const int runs = atoi(argv[1]);
    static const uint8_t lengths[] = {0, 1, 4, 2, 9, 40, 80, 160, 255};
    for (int k = 0; k < runs; k++) {
        size_t n = 1 + draw() % 1500;
        const uint32_t zeros = 2 + draw() % 60; /* how often a delimiter */
        for (size_t i = 0; i < n; i++) data[i] = draw() % zeros ? (uint8_t)draw() : 0;
        data[0] = (uint8_t)k;
        if (k & 2) /* plausible requests: types and lengths that fit now and then */
            for (size_t i = 1; i + 3 < n;) {
                if (draw() % 6 == 0) {
                    i += configuration(data + i);
                    continue;
                }
                if (draw() % 12 == 0) { /* asks for what the microphone heard, some times */
                    for (int j = 0; j < 12; j++, i += 3) data[i] = 8, data[i + 1] = data[i + 2] = 0;
                    continue;
                }
                data[i] &= 127, data[i + 1] %= 210, data[i + 2] = lengths[draw() % sizeof lengths];
                i += 3 + 2u * data[i + 2];
            }
        one(data, n);
    }
    printf("%d inputs, %lu configured, %lu frames of the microphone\n", runs, configured, listened);
    return 0;
}
#endif
