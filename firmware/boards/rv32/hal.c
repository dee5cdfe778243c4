/* SPDX-License-Identifier: Apache-2.0 */
/* RISC-V rv32imac, QEMU's virt machine: a 16550 with its FIFO, polled. Interrupts only wake it,
 * they are never taken. */
#include "../start.h"
#include "hal.h"
#include "microphone.h"

#define REG8(address) (*(volatile uint8_t *)(address))
#define REG(address) (*(volatile uint32_t *)(address))
#define UART 0x10000000u
#define UART_IRQ 10
#define PLIC 0x0c000000u
#define PLIC_CLAIM REG(PLIC + 0x200004)

const char hal_name[] = "qemu:rv32";
const uint32_t hal_tick_hz = 0; /* ticks are instructions; without -icount they are not exact */
const uint32_t hal_receive_bytes = 1023; /* QEMU holds back what the FIFO has no room for */

__attribute__((used)) static void enter(void)
{
    start();
    hal_exit(0);
}

__asm__(".section .start, \"ax\"\n"
        ".globl _start\n"
        "_start:\n"
        "    la sp, stack_top\n"
        "    j enter\n"
        ".text\n");

void hal_init(void)
{
    REG8(UART + 2) = 7;                  /* FIFOs on and empty */
    REG8(UART + 1) = 1;                  /* interrupt on received data */
    REG(PLIC + 4 * UART_IRQ) = 1;        /* priority */
    REG(PLIC + 0x2000) = 1u << UART_IRQ; /* enabled for hart 0, M mode */
    REG(PLIC + 0x200000) = 0;            /* threshold */
    /* external; mstatus.MIE stays 0 */
    __asm__ volatile(".option push\n.option arch, +zicsr\ncsrw mie, %0\n.option pop"
                     :
                     : "r"(0x800));
}

int hal_read(void) { return REG8(UART + 5) & 1 ? REG8(UART) : -1; }
uint32_t hal_lost(void) { return 0; }

void hal_wait(void)
{
    if (!mic_ready()) __asm__ volatile("wfi");
    uint32_t irq = PLIC_CLAIM;
    if (irq) PLIC_CLAIM = irq; /* done with it; if data is there, it comes again */
}

void hal_write(const uint8_t *bytes, size_t n)
{
    while (n--) {
        while (!(REG8(UART + 5) & 0x20)) {}
        REG8(UART) = *bytes++;
    }
}

uint32_t hal_ticks(void)
{
    uint32_t n;
    __asm__ volatile(".option push\n.option arch, +zicsr\ncsrr %0, minstret\n.option pop"
                     : "=r"(n));
    return n;
}

size_t hal_stack_used(void) { return stack_used(); }

void hal_exit(int code)
{
    REG(0x100000) = code ? (uint32_t)code << 16 | 0x3333 : 0x5555; /* the machine's test device */
    for (;;) {}
}
