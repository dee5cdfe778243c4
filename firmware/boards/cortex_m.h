/* SPDX-License-Identifier: Apache-2.0 */
/* What all Cortex-M boards share: vectors and the way into main. */
#ifndef CORTEX_M_H
#define CORTEX_M_H

#include "nvic.h"
#include "start.h"

static void halt(void)
{
    for (;;) __asm__ volatile("wfi");
}

static void reset_handler(void)
{
    start();
    halt();
}

/* Sleeps if *head == *tail. A pending interrupt wakes wfi even while it is masked: there is no gap
 * between looking and sleeping. */
static inline void sleep_if_equal(const volatile uint32_t *head, const volatile uint32_t *tail)
{
    __asm__ volatile("cpsid i" ::: "memory");
    if (*head == *tail) __asm__ volatile("wfi");
    __asm__ volatile("cpsie i" ::: "memory");
}

/* The 16 system vectors; the board appends its interrupts. */
#define SYSTEM_VECTORS                                                                         \
    (void (*)(void)) stack_top, reset_handler, halt, halt, halt, halt, halt, 0, 0, 0, 0, halt, \
        halt, 0, halt, halt

#endif
