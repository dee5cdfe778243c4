/* SPDX-License-Identifier: Apache-2.0 */
/* What gcc calls where this core has no instruction: in Debian's libgcc of the LX106 these members
 * are empty, and for register windows there is none. */
#ifndef ARITHMETIC_H
#define ARITHMETIC_H

#include <stdint.h>

/* a / b, and *rest = a % b; b != 0 */
static uint32_t divide(uint32_t a, uint32_t b, uint32_t *rest)
{
    uint32_t q = 0, r = 0;
    for (int i = 31; i >= 0; i--) {
        const uint32_t out = r >> 31; /* 2 r does not fit: it is larger than b */
        r = r << 1 | (a >> i & 1);
        if (out || r >= b) r -= b, q |= 1u << i;
    }
    *rest = r;
    return q;
}

uint32_t __udivsi3(uint32_t a, uint32_t b)
{
    uint32_t rest;
    return divide(a, b, &rest);
}

uint32_t __umodsi3(uint32_t a, uint32_t b)
{
    uint32_t rest;
    divide(a, b, &rest);
    return rest;
}

static uint32_t size(int32_t x) { return x < 0 ? 0u - (uint32_t)x : (uint32_t)x; }

int32_t __divsi3(int32_t a, int32_t b)
{
    uint32_t rest, q = divide(size(a), size(b), &rest);
    return (int32_t)((a < 0) != (b < 0) ? 0u - q : q);
}

/* 16 bits at a time: the core multiplies to 32 */
uint64_t __umulsidi3(uint32_t a, uint32_t b)
{
    const uint32_t al = a & 0xffff, ah = a >> 16, bl = b & 0xffff, bh = b >> 16;
    const uint32_t low = al * bl, mid = ah * bl + (low >> 16); /* <= (2^16 - 1) 2^16 */
    const uint32_t mid2 = al * bh + (mid & 0xffff);
    return (uint64_t)(ah * bh + (mid >> 16) + (mid2 >> 16)) << 32 | (mid2 << 16 | (low & 0xffff));
}

int64_t __muldi3(int64_t a, int64_t b)
{
    const uint32_t al = (uint32_t)a, bl = (uint32_t)b;
    const uint32_t ah = (uint32_t)((uint64_t)a >> 32), bh = (uint32_t)((uint64_t)b >> 32);
    return (int64_t)(__umulsidi3(al, bl) + ((uint64_t)(ah * bl + al * bh) << 32));
}

#ifdef __XTENSA_WINDOWED_ABI__
uint64_t __ashldi3(uint64_t a, int n) /* 0 <= n < 64 */
{
    const uint32_t low = (uint32_t)a, high = (uint32_t)(a >> 32);
    if (n == 0) return a;
    const uint32_t up = n < 32 ? high << n | low >> (32 - n) : low << (n - 32);
    return (uint64_t)up << 32 | (n < 32 ? low << n : 0);
}
#endif

#endif
