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

/* Ends QEMU. */
static inline void semihosting_exit(int code)
{
    /* SYS_EXIT_EXTENDED, application exit */
    uint32_t block[2] = {0x20026, (uint32_t)code};
    register uint32_t r0 __asm__("r0") = 0x20;
    register uint32_t *r1 __asm__("r1") = block;
    __asm__ volatile("bkpt 0xab" : : "r"(r0), "r"(r1) : "memory");
    halt();
}

/* The 16 system vectors; the board appends its interrupts. */
#define SYSTEM_VECTORS                                                                         \
    (void (*)(void)) stack_top, reset_handler, halt, halt, halt, halt, halt, 0, 0, 0, 0, halt, \
        halt, 0, halt, halt

#endif
