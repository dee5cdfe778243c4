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

#include "lp_machine.h"

/* The compiler vectorises; the C stays portable. */
#if !defined(__GNUC__) || !defined(__x86_64__) || !defined(__linux__) || defined(LP_NO_CLONES)
#define LP_CLONES
#elif __GNUC__ >= 12
#define LP_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define LP_CLONES __attribute__((target_clones("avx2", "default")))
#endif

/* Vectors, and room for more code that they take. */
#ifdef __OPTIMIZE_SIZE__
#define LP_WIDE 0
#else
#define LP_WIDE LP_VECTORS
#endif

#if defined(__GNUC__)
#define LP_INLINE static inline __attribute__((always_inline))
#define LP_ONCE __attribute__((cold))      /* for size, among what runs always */
#define LP_APART __attribute__((noinline)) /* its stack is not that of all its caller calls */
#if __GNUC__ >= 7
#define LP_ON __attribute__((fallthrough)) /* to the next case */
#else
#define LP_ON
#endif
#else
#define LP_INLINE static inline
#define LP_ONCE
#define LP_APART
#define LP_ON
#endif

/* x, of which the compiler shall not know that it is a constant: it stays in a register. */
static inline uint32_t lp_register(uint32_t x)
{
#if defined(__GNUC__)
    __asm__("" : "+r"(x));
#endif
    return x;
}

#if defined(__GNUC__)
#define LP_RARE(x) __builtin_expect(x, 0)
#else
#define LP_RARE(x) (x)
#endif

/* p, of which the compiler shall not know where it comes from: one pointer that moves, in place of
 * many that are kept. */
LP_INLINE void *lp_hidden(void *p)
{
#if defined(__GNUC__)
    __asm__("" : "+r"(p));
#endif
    return p;
}

typedef char lp_assert_arithmetic_shift[((-3) >> 1) == -2 ? 1 : -1];
typedef char lp_assert_modular_cast[(int16_t)0x8001u == -32767 ? 1 : -1];

#define LP_V_LIMIT 8388607   /* 2^23 - 1: the largest voltage and the largest current */
#define LP_DRIVE_MAX 4194303 /* 2^22 - 1, so u + drive stays below 2^24 */

static inline int32_t lp_min(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t lp_max(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int32_t lp_clip(int32_t x, int32_t lo, int32_t hi)
{
    return lp_min(lp_max(x, lo), hi);
}
/* -x within -(2^22 - 1)..2^22 - 1 */
static inline int32_t lp_minus_clip22(int32_t x)
{
#if defined(__thumb2__) /* from -2^22..2^22 - 1 to -(2^22 - 1)..2^22, and that one cut off */
    __asm__("ssat %0, #23, %1" : "=r"(x) : "r"(x));
    __asm__("ssat %0, #23, %1" : "=r"(x) : "r"(-x));
    return x;
#else
    return -lp_clip(x, -LP_DRIVE_MAX, LP_DRIVE_MAX);
#endif
}

/* Cortex-M4 and M7: one instruction each, which compilers do not find. */
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
#define LP_DSP 1
/* acc + floor(a b / 2^32) */
static inline int32_t lp_mac_high(int32_t a, int32_t b, int32_t acc)
{
    int32_t x;
    __asm__("smmla %0, %1, %2, %3" : "=r"(x) : "r"(a), "r"(b), "r"(acc));
    return x;
}
/* acc + the products of the lower and of the upper halves, signed */
static inline int32_t lp_mac2(uint32_t a, uint32_t b, int32_t acc)
{
    int32_t x;
    __asm__("smlad %0, %1, %2, %3" : "=r"(x) : "r"(a), "r"(b), "r"(acc));
    return x;
}
/* the lower half of a below that of b */
static inline uint32_t lp_halves(int32_t a, int32_t b)
{
    uint32_t x;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(x) : "r"(a), "r"(b));
    return x;
}
/* a >> 15, 16 bits of it, below those of b >> 15 */
static inline uint32_t lp_halves_15(int32_t a, int32_t b)
{
    uint32_t x;
    __asm__("pkhtb %0, %1, %2, asr #15" : "=r"(x) : "r"((uint32_t)b << 1), "r"(a));
    return x;
}
/* acc + a's lower half times b's upper one - a's upper half times b's lower one */
static inline int32_t lp_mac2_crossed(uint32_t a, uint32_t b, int32_t acc)
{
    int32_t x;
    __asm__("smlsdx %0, %1, %2, %3" : "=r"(x) : "r"(a), "r"(b), "r"(acc));
    return x;
}
LP_INLINE const uint8_t *const *lp_two_pointers(const uint8_t *const *p, const uint8_t **x,
                                                const uint8_t **y)
{
    __asm__("ldrd %0, %1, [%2], #8"
            : "=&r"(*x), "=&r"(*y), "+r"(p)
            : "m"(*(const uint8_t *const(*)[2])p));
    return p;
}
#else
#define LP_DSP 0
static inline int32_t lp_mac_high(int32_t a, int32_t b, int32_t acc)
{
    return acc + (int32_t)((int64_t)a * b >> 32);
}
static inline int32_t lp_mac2(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + (int16_t)a * (int16_t)b + (int16_t)(a >> 16) * (int16_t)(b >> 16);
}
LP_INLINE const uint8_t *const *lp_two_pointers(const uint8_t *const *p, const uint8_t **x,
                                                const uint8_t **y)
{
    *x = p[0], *y = p[1];
    return p + 2;
}
#endif

/* Two lanes of 7 bits, two's complement, from bits low and low + 16 of t: moved to the top of both
 * halves of a word, and each then added to acc, times what lp_lane_scale made of the scale. */
#if LP_DSP
static inline uint32_t lp_lanes(uint32_t t, uint32_t low) { return t << (9 - low) & 0xfe00fe00u; }
static inline int32_t lp_lane_scale(int32_t scale) { return scale * 128; } /* 2^16 / 2^9 */
/* half the sums of the lanes of two words: exact, as their lower bits are 0 */
static inline uint32_t lp_lanes_mean(uint32_t l, uint32_t m)
{
    uint32_t x;
    __asm__("shadd16 %0, %1, %2" : "=r"(x) : "r"(l), "r"(m));
    return x;
}
static inline int32_t lp_add_low(uint32_t lanes, int32_t scale, int32_t acc)
{
    int32_t x;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(x) : "r"(scale), "r"(lanes), "r"(acc));
    return x;
}
static inline int32_t lp_add_high(uint32_t lanes, int32_t scale, int32_t acc)
{
    int32_t x;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(x) : "r"(scale), "r"(lanes), "r"(acc));
    return x;
}
#else
static inline uint32_t lp_lanes(uint32_t t, uint32_t low) { return t << (9 - low); }
static inline int32_t lp_lane_scale(int32_t scale) { return scale; }
static inline int32_t lp_add_low(uint32_t lanes, int32_t scale, int32_t acc)
{
    return acc + ((int32_t)(lanes << 16) >> 25) * scale;
}
static inline int32_t lp_add_high(uint32_t lanes, int32_t scale, int32_t acc)
{
    return acc + ((int32_t)lanes >> 25) * scale;
}
#endif

/* p[0] and p[1], aligned for a word: one instruction in Thumb-2. */
#if defined(__thumb2__)
typedef uint64_t lp_two __attribute__((may_alias));
LP_INLINE void lp_two_words(const int32_t *p, int32_t *x, int32_t *y)
{
    __asm__("ldrd %0, %1, %2" : "=r"(*x), "=r"(*y) : "Uv"(*(const lp_two *)(const void *)p));
}
LP_INLINE void lp_put_two_words(int32_t *p, int32_t x, int32_t y)
{
    __asm__("strd %1, %2, %0" : "=Uv"(*(lp_two *)(void *)p) : "r"(x), "r"(y));
}
#else
LP_INLINE void lp_two_words(const int32_t *p, int32_t *x, int32_t *y) { *x = p[0], *y = p[1]; }
LP_INLINE void lp_put_two_words(int32_t *p, int32_t x, int32_t y) { p[0] = x, p[1] = y; }
#endif

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

/* The same for keep = 4096 - odd * 2^(12 - shift), 0 <= odd < 256: |x odd| + 2^12 < 2^31. */
static inline int32_t lp_decay_odd(int32_t x, int32_t odd, int32_t shift)
{
    int32_t up = ((1 << shift) - 1) & ~(x >> 31);
    return x - ((x * odd + up) >> shift);
}

/* The place of the highest bit that is set, x > 0. */
static inline int32_t lp_top_bit(uint32_t x)
{
#if defined(__ARM_FEATURE_CLZ) || defined(__riscv_zbb) || \
    (defined(__GNUC__) && (defined(__x86_64__) || defined(__aarch64__) || defined(__wasm__)))
    return 31 - __builtin_clz(x); /* an instruction there, a call elsewhere */
#else
    int32_t e = 0;
    for (int32_t k = 16; k; k >>= 1)
        if (x >> (e + k)) e += k;
    return e;
#endif
}

/* The 16 bits of x from its highest one on, and that one's place, 0 < x < 2^63. */
static inline uint32_t lp_top_bits(uint64_t x, int32_t *place)
{
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__aarch64__) || defined(__wasm__))
    *place = 63 - __builtin_clzll(x);
    return (uint32_t)(x << (63 - *place) >> 48);
#else
    const uint32_t high = (uint32_t)(x >> 32), low = (uint32_t)x;
    const int32_t top = lp_top_bit(high ? high : low);
    *place = high ? 32 + top : top;
    return (high ? high << (31 - top) | low >> (top + 1) : low << (31 - top)) >> 16;
#endif
}

/* Little-endian loads from any alignment. LP_ALIGNED: a word's load wants an aligned address. */
#if defined(__GNUC__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && \
    (defined(__riscv) || defined(__XTENSA__) ||                                                  \
     (defined(__arm__) && !defined(__ARM_FEATURE_UNALIGNED)))
#define LP_ALIGNED 1
#else
#define LP_ALIGNED 0
#endif
static inline uint32_t lp_le16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
#if defined(__GNUC__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && \
    !LP_ALIGNED /* there compilers would call memcpy */
static inline uint32_t lp_le32(const uint8_t *p)
{
    uint32_t x;
    __builtin_memcpy(&x, p, 4); /* one load where the target can, and the vectoriser sees it */
    return x;
}
static inline uint64_t lp_le64(const uint8_t *p)
{
    uint64_t x;
    __builtin_memcpy(&x, p, 8);
    return x;
}
#else
static inline uint32_t lp_le32(const uint8_t *p) { return lp_le16(p) | lp_le16(p + 2) << 16; }
static inline uint64_t lp_le64(const uint8_t *p)
{
    return lp_le32(p) | (uint64_t)lp_le32(p + 4) << 32;
}
#endif

/* A word at p + skew bytes. Where a load must be aligned p is, and the word comes from the two
 * around it: up to 3 bytes before and behind, which the caller knows to be his. Else skew is 0. */
#if LP_ALIGNED
static inline uint32_t lp_skew(const uint8_t *p) { return (uint32_t)((uintptr_t)p & 3); }
LP_INLINE uint32_t lp_word(const uint8_t *p, uint32_t skew)
{
    uint32_t w[2];
    __builtin_memcpy(w, __builtin_assume_aligned(p, 4), 8);
    return w[0] >> 8 * skew | w[1] << 1 << (31 - 8 * skew);
}
#else
static inline uint32_t lp_skew(const uint8_t *p) { return (void)p, 0; }
LP_INLINE uint32_t lp_word(const uint8_t *p, uint32_t skew) { return (void)skew, lp_le32(p); }
#endif

static inline uint32_t lp_le16x2(const int16_t *x) { return (uint16_t)x[0] | (uint32_t)x[1] << 16; }
static inline int32_t lp_le16s(const uint8_t *p) { return (int16_t)lp_le16(p); }
static inline int32_t lp_le32s(const uint8_t *p) { return (int32_t)lp_le32(p); }

/* lp_frontend_size of a machine without vectors, in every build: for LP_BOARD. */
#define LP_BOARD_FRONTEND (6u * LP_WINDOW + 8u * LP_FEATURES + 8u)

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

/* What lies in memory is named by its way from the structure that names it, in bytes, and a pointer
 * to elsewhere is padded to 64 bits: sizes are those of any machine. */
#define LP_POINTER_PADDING \
    uint32_t:              \
    64 - 8 * sizeof(void *)
static inline uint32_t lp_way(const void *from, const void *to)
{
    return (uint32_t)((const uint8_t *)to - (const uint8_t *)from);
}
LP_INLINE void *lp_beside(const void *from, uint32_t way)
{
    return (void *)(uintptr_t)((const uint8_t *)from + way);
}

static inline void lp_zero(void *p, size_t n)
{
    uint8_t *b = p;
    while (n--) *b++ = 0;
}

#if defined(__GNUC__) && LP_VECTORS /* a host, whose library knows its processor */
static inline void lp_copy(void *restrict to, const void *restrict from, size_t n)
{
    if (n) __builtin_memcpy(to, from, n); /* of nothing, from may be NULL */
}
#else
static inline void lp_copy(void *restrict to, const void *restrict from, size_t n)
{
    uint8_t *restrict b = to;
    const uint8_t *restrict c = from, *const end = c + n;
#if defined(__thumb2__) && !LP_ALIGNED
    for (; end - c >= 4; b += 4, c += 4) __builtin_memcpy(b, c, 4);
#endif
    while (c != end) *b++ = *c++;
}
#endif

#endif
