/* SPDX-License-Identifier: Apache-2.0 */
/* Arm MPS2 with a Cortex-M3, M4 or M7, as QEMU emulates it: CMSDK UART 0 and APB timer 0; with an
 * M33 or M55 the same at other addresses, which its board.mk names. */
#include "../cortex_m.h"
#include "../ring.h"
#include "hal.h"
#include "microphone.h"

#ifndef UART
#define UART 0x40004000u
#define UART_IRQ 0
#define TIMER 0x40000000u
#endif
#define UART_DATA REG(UART)
#define UART_STATE REG(UART + 4) /* 1: transmitter full, 2: byte received */
#define UART_CTRL REG(UART + 8)
#define UART_INT REG(UART + 12) /* write 2: clears the receive interrupt */
#define UART_DIV REG(UART + 16)

const char hal_name[] = "qemu:" BOARD;
#ifdef TIMER
const uint32_t hal_tick_hz = 25000000;
#else
const uint32_t hal_tick_hz = 32000000; /* SysTick, of the AN547's clock */
#endif
const uint32_t hal_receive_bytes = RING_BYTES - 1;

static void receive(void)
{
    UART_INT = 2; /* first, or a byte that comes after the loop would be forgotten */
    while (UART_STATE & 2) ring_put((uint8_t)UART_DATA);
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16 + UART_IRQ + 1])(void) = {
    SYSTEM_VECTORS, [16 + UART_IRQ] = receive};

void hal_init(void)
{
    UART_DIV = 16;
    UART_CTRL = 1 | 2 | 8; /* transmitter, receiver, receive interrupt */
    NVIC_ENABLE(UART_IRQ);
#ifdef TIMER
    REG(TIMER + 8) = 0xffffffffu; /* reload */
    REG(TIMER) = 1;
#else
    REG(0xe000e014) = 0xffffff; /* reload */
    REG(0xe000e010) = 5;        /* the processor's clock, on */
#endif
}

void hal_write(const uint8_t *bytes, size_t n)
{
    while (n--) {
        while (UART_STATE & 1) {}
        UART_DATA = *bytes++;
    }
}

/* Both timers count down. SysTick has 24 bits, which last half a second: it is read more often. */
uint32_t hal_ticks(void)
{
#ifdef TIMER
    return 0u - REG(TIMER + 4);
#else
    static uint32_t last, ticks;
    const uint32_t now = REG(0xe000e018);
    ticks += (last - now) & 0xffffff;
    last = now;
    return ticks;
#endif
}

size_t hal_stack_used(void) { return stack_used(); }

void hal_exit(int code) { semihosting_exit(code); }
