/* SPDX-License-Identifier: Apache-2.0 */
/* Rounding, saturation and loads: the only place where their meaning is decided (SPEC.md,
 * "Arithmetic").
 *
 * Two things C99 leaves to the implementation are used below: >> of a negative number and the
 * conversion of an out-of-range value to a signed type. Both are asserted here, so a compiler that
 * differs refuses the file. */
#ifndef LP_FIX_H
#define LP_FIX_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && defined(__x86_64__) && defined(__linux__) && !defined(LP_NO_CLONES)
#define LP_CLONES   \
    __attribute__(( \
        target_clones("avx2", "default"))) /* the compiler vectorises; the C stays portable */
#else
#define LP_CLONES
#endif

typedef char lp_assert_arithmetic_shift[((-3) >> 1) == -2 ? 1 : -1];
typedef char lp_assert_modular_cast[(int16_t)0x8001u == -32767 ? 1 : -1];

#define LP_V_LIMIT 8388607 /* 2^23 - 1: the largest voltage and the largest current */

static inline int32_t lp_min(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t lp_max(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int32_t lp_clip(int32_t x, int32_t lo, int32_t hi)
{
    return lp_min(lp_max(x, lo), hi);
}

/* x mod 2^24 in [-2^23, 2^23). Any int32 x. */
static inline int32_t lp_wrap24(int32_t x) { return (int32_t)((uint32_t)x << 8) >> 8; }

/* sgn(x) * ((|x| * keep) >> 12): the magnitude that remains is rounded toward zero.
 * |x| <= 2^23, 0 <= keep <= 4096. With x = 4096 h + l, 0 <= l < 4096:
 *   |h * keep| <= 2^11 * 2^12 = 2^23;  l * keep + 4095 < 2^24;  no product leaves int32, no 64-bit
 *   multiply is needed. */
static inline int32_t lp_decay(int32_t x, int32_t keep)
{
    int32_t up = (x >> 31) & 4095; /* toward zero = floor, plus 4095/4096 when x is negative */
    return (x >> 12) * keep + (((x & 4095) * keep + up) >> 12);
}

/* The same for keep = 4096 - 2^(12 - shift), without a multiplication: x - sgn(x) * ceil(|x| /
 * 2^shift). 0 <= shift <= 12. */
static inline int32_t lp_decay_shift(int32_t x, int32_t shift)
{
    /* floor, plus what makes it a ceiling when x is positive */
    int32_t up = ((1 << shift) - 1) & ~(x >> 31);
    return x - ((x + up) >> shift);
}

/* Little-endian loads from any alignment. */
static inline uint32_t lp_le16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
#if defined(__GNUC__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
static inline uint32_t lp_le32(const uint8_t *p)
{
    uint32_t x;
    __builtin_memcpy(&x, p, 4); /* one load where the target can, and the vectoriser sees it */
    return x;
}
#else
static inline uint32_t lp_le32(const uint8_t *p) { return lp_le16(p) | lp_le16(p + 2) << 16; }
#endif
static inline int32_t lp_le16s(const uint8_t *p) { return (int16_t)lp_le16(p); }
static inline int32_t lp_le32s(const uint8_t *p) { return (int32_t)lp_le32(p); }

/* Carves aligned pieces out of the caller's memory; with base NULL it only measures. */
typedef struct {
    uint8_t *base;
    size_t used;
} lp_arena;

static inline void *lp_take(lp_arena *a, size_t bytes)
{
    size_t at = a->used;
    a->used += (bytes + 7u) & ~(size_t)7u;
    return a->base ? a->base + at : NULL;
}

static inline void lp_zero(void *p, size_t n)
{
    uint8_t *b = p;
    while (n--) *b++ = 0;
}

static inline void lp_copy(void *restrict to, const void *restrict from, size_t n)
{
    uint8_t *restrict b = to;
    const uint8_t *restrict c = from;
    for (size_t i = 0; i < n; i++) b[i] = c[i];
}

#endif
