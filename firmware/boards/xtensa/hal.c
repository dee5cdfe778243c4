/* SPDX-License-Identifier: Apache-2.0 */
/* Xtensa, as LX106 or with register windows, on QEMU's pseudo machine sim, whose line is the
 * simulator's console: `simcall`, the instruction that Tensilica's own simulator answers (numbers:
 * Linux, arch/xtensa/platforms/iss/include/platform/simcall.h). No interrupts. */
#include "../start.h"
#include "arithmetic.h"
#include "hal.h"

enum { SYS_EXIT = 1, SYS_READ = 3, SYS_WRITE = 4, SYS_SELECT_ONE = 29, SELECT_READ = 1 };

const char hal_name[] = "qemu:" BOARD;
const uint32_t hal_tick_hz = 0;          /* ticks are of the simulator's time */
const uint32_t hal_receive_bytes = 1023; /* QEMU holds back what the console has no room for */

static int simcall(int call, int a, int b, int c)
{
    register int a2 __asm__("a2") = call;
    register int a3 __asm__("a3") = a;
    register int a4 __asm__("a4") = b;
    register int a5 __asm__("a5") = c;
    __asm__ volatile("simcall" : "+r"(a2), "+r"(a3) : "r"(a4), "r"(a5) : "memory");
    return a2;
}

__attribute__((used)) static void enter(void)
{
    start();
    hal_exit(0);
}

#ifdef __XTENSA_WINDOWED_ABI__
#include "windows.h"
#else
__asm__(".section .start, \"ax\"\n"
        "    j go\n" /* reset starts at the first byte; a constant stands before what loads it */
        ".literal_position\n"
        "go: movi a1, stack_top\n"
        "    call0 enter\n"
        ".text\n");
#endif

void hal_init(void) {}

int hal_read(void)
{
    uint8_t byte;
    const int now[2] = {0, 0}; /* seconds, microseconds to wait */
    const int there = simcall(SYS_SELECT_ONE, 0, SELECT_READ, (int)now) == 1;
    return there && simcall(SYS_READ, 0, (int)&byte, 1) == 1 ? byte : -1;
}

uint32_t hal_lost(void) { return 0; }
void hal_wait(void) {} /* nothing wakes it: it polls */

void hal_write(const uint8_t *bytes, size_t n) { simcall(SYS_WRITE, 1, (int)bytes, (int)n); }

uint32_t hal_ticks(void)
{
    uint32_t n;
    __asm__ volatile("rsr %0, ccount" : "=r"(n));
    return n;
}

size_t hal_stack_used(void) { return stack_used(); }

void hal_exit(int code)
{
    simcall(SYS_EXIT, code, 0, 0);
    for (;;) {}
}
