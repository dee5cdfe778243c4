/* SPDX-License-Identifier: Apache-2.0 */
/* ST NUCLEO-L476RG: 80 MHz from the MSI through the PLL, USART2 (PA2, PA3) to the on-board
 * ST-LINK's virtual COM port. NEVER RUN on the real board: written from the reference manual
 * (RM0351), built with every test run. */
#include "../cortex_m.h"
#include "../ring.h"
#include "hal.h"

#define RCC 0x40021000u
#define FLASH_ACR REG(0x40022000u)
#define GPIOA 0x48000000u
#define USART2 0x40004400u
#define USART2_IRQ 38
#define CLOCK 80000000u
#ifndef BAUD
#define BAUD 460800u
#endif

const char hal_name[] = "nucleo-l476rg";
const uint32_t hal_tick_hz = CLOCK;
const uint32_t hal_receive_bytes = RING_BYTES - 1;

static void receive(void)
{
    uint32_t status = REG(USART2 + 0x1c);
    if (status & 8) ring_lost++; /* ORE: a byte came before the last one was read */
    REG(USART2 + 0x20) = 0xf;    /* clear overrun, noise, framing and parity errors */
    if (status & 0x20) ring_put((uint8_t)REG(USART2 + 0x24));
}

__attribute__((section(".vectors"),
               used)) static void (*const vectors[16 + USART2_IRQ + 1])(void) = {
    SYSTEM_VECTORS, [16 + USART2_IRQ] = receive};

void hal_init(void)
{
    /* prefetch, caches, 4 wait states */
    FLASH_ACR = (FLASH_ACR & ~7u) | 0x700 | 4;
    while ((FLASH_ACR & 7) != 4) {}
    /* PLL: MSI 4 MHz / 1 * 40 / 2, output R on */
    REG(RCC + 0x0c) = 1 | 40 << 8 | 1 << 24;
    REG(RCC) |= 1u << 24; /* PLLON */
    while (!(REG(RCC) & 1u << 25)) {}
    REG(RCC + 0x08) = (REG(RCC + 0x08) & ~3u) | 3; /* system clock = PLL */
    while ((REG(RCC + 0x08) & 0xc) != 0xc) {}
    REG(RCC + 0x4c) |= 1;        /* GPIOA */
    REG(RCC + 0x58) |= 1u << 17; /* USART2 */
    (void)REG(RCC + 0x58);
    REG(GPIOA) = (REG(GPIOA) & ~0xf0u) | 0xa0;                   /* PA2, PA3: alternate function */
    REG(GPIOA + 0x20) = (REG(GPIOA + 0x20) & ~0xff00u) | 0x7700; /* AF7 */
    REG(USART2 + 0x0c) = (CLOCK + BAUD / 2) / BAUD;
    /* enable, receiver, transmitter, receive interrupt */
    REG(USART2) = 1 | 4 | 8 | 0x20;
    NVIC_ENABLE(USART2_IRQ);
    /* DEMCR: trace on, for the cycle counter */
    REG(0xe000edfc) |= 1u << 24;
    REG(0xe0001004) = 0;
    REG(0xe0001000) |= 1;
}

void hal_write(const uint8_t *bytes, size_t n)
{
    while (n--) {
        while (!(REG(USART2 + 0x1c) & 0x80)) {}
        REG(USART2 + 0x28) = *bytes++;
    }
}

uint32_t hal_ticks(void) { return REG(0xe0001004); } /* cycles */
size_t hal_stack_used(void) { return stack_used(); }

void hal_exit(int code)
{
    (void)code;
    halt();
}
