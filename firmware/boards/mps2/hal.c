/* SPDX-License-Identifier: Apache-2.0 */
/* Arm MPS2 with a Cortex-M3, M4 or M7, as QEMU emulates it: CMSDK UART 0 and APB timer 0. */
#include "../cortex_m.h"
#include "../ring.h"
#include "hal.h"
#include "microphone.h"

#define TIMER 0x40000000u
#define UART 0x40004000u
#define UART_DATA REG(UART)
#define UART_STATE REG(UART + 4) /* 1: transmitter full, 2: byte received */
#define UART_CTRL REG(UART + 8)
#define UART_INT REG(UART + 12) /* write 2: clears the receive interrupt */
#define UART_DIV REG(UART + 16)

const char hal_name[] = "qemu:" BOARD;
const uint32_t hal_tick_hz = 25000000;
const uint32_t hal_receive_bytes = RING_BYTES - 1;

static void receive(void)
{
    UART_INT = 2; /* first, or a byte that comes after the loop would be forgotten */
    while (UART_STATE & 2) ring_put((uint8_t)UART_DATA);
}

__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {SYSTEM_VECTORS,
                                                                                   receive};

void hal_init(void)
{
    UART_DIV = 16;
    UART_CTRL = 1 | 2 | 8; /* transmitter, receiver, receive interrupt */
    NVIC_ENABLE(0);
    REG(TIMER + 8) = 0xffffffffu; /* reload */
    REG(TIMER) = 1;
}

int hal_read(void) { return ring_get(); }
uint32_t hal_lost(void) { return ring_lost; }
void hal_wait(void)
{
    if (!mic_ready()) sleep_if_equal(&ring_head, &ring_tail);
}

void hal_write(const uint8_t *bytes, size_t n)
{
    while (n--) {
        while (UART_STATE & 1) {}
        UART_DATA = *bytes++;
    }
}

uint32_t hal_ticks(void) { return 0u - REG(TIMER + 4); } /* it counts down */
size_t hal_stack_used(void) { return stack_used(); }

void hal_exit(int code)
{
    /* semihosting: SYS_EXIT_EXTENDED, application exit */
    uint32_t block[2] = {0x20026, (uint32_t)code};
    register uint32_t r0 __asm__("r0") = 0x20;
    register uint32_t *r1 __asm__("r1") = block;
    __asm__ volatile("bkpt 0xab" : : "r"(r0), "r"(r1) : "memory");
    halt();
}
