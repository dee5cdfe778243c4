/* SPDX-License-Identifier: Apache-2.0 */
/* The two functions that gcc calls without being asked. */
#include <stddef.h>

void *memset(void *to, int c, size_t n)
{
    unsigned char *p = to;
    while (n--) *p++ = (unsigned char)c;
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    unsigned char *p = to;
    const unsigned char *q = from;
    while (n--) *p++ = *q++;
    return to;
}
