/* SPDX-License-Identifier: Apache-2.0 */
/* From reset to main: .data out of flash, .bss to zero, the stack painted. */
#ifndef START_H
#define START_H

#include "stack.h"

extern uint32_t data_start[], data_end[], data_load[], bss_start[], bss_end[]; /* linker script */
int main(void);

static inline void start(void)
{
    const uint32_t *from = data_load;
    for (volatile uint32_t *to = data_start; to < data_end;) *to++ = *from++;
    for (volatile uint32_t *to = bss_start; to < bss_end;) *to++ = 0;
    stack_paint();
    main();
}

#endif
