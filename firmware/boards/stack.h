/* SPDX-License-Identifier: Apache-2.0 */
/* The stack is painted before main, so that its deepest use can be read off later. */
#ifndef STACK_H
#define STACK_H

#include <stddef.h>
#include <stdint.h>

#define PAINT 0xa5a5a5a5u

extern uint32_t stack_bottom[], stack_top[]; /* linker script */

static inline void stack_paint(void)
{
    volatile uint32_t here = 0;
    for (volatile uint32_t *p = stack_bottom; p + 8 < &here; p++) *p = PAINT;
}

static inline size_t stack_used(void)
{
    const volatile uint32_t *p = stack_bottom;
    while (p < stack_top && *p == PAINT) p++;
    return (size_t)(stack_top - p) * sizeof *p;
}

#endif
