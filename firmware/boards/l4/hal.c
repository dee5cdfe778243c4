/* SPDX-License-Identifier: Apache-2.0 */
/* ST boards with an STM32L475 or L476: 80 MHz from the MSI through the PLL, a USART to the on-board
 * ST-LINK's virtual COM port. Written from the reference manual. The clock, the line and its
 * interrupt are run in QEMU (machine b-l475e-iot01a, 9.1 and later), NEVER on a board. */
#include "l4.h"

#include "../cortex_m.h"
#define RING_BYTES 672u /* two requests of 160 samples, 330 bytes each: one comes, one waits */
#include "../ring.h"
#include "hal.h"
#include "microphone.h"

#ifndef BAUD
#define BAUD 460800u
#endif
#ifndef LAST_IRQ
#define LAST_IRQ USART_IRQ
#endif

const char hal_name[] = NAME;
const uint32_t hal_tick_hz = CLOCK;
const uint32_t hal_receive_bytes = RING_BYTES - 1;

static void receive(void)
{
    const uint32_t status = REG(USART + 0x1c);
    if (status & 8) ring_lost++; /* ORE: a byte came before the last one was read */
    REG(USART + 0x20) = 0xf;     /* clear overrun, noise, framing and parity errors */
    if (status & 0x20) ring_put((uint8_t)REG(USART + 0x24));
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16 + LAST_IRQ + 1])(void) = {
    SYSTEM_VECTORS, [16 + USART_IRQ] = receive,
#ifdef MIC_IRQ
    [16 + MIC_IRQ] = mic_interrupt
#endif
};

void hal_init(void)
{
    /* prefetch, caches, 4 wait states; read back before the clock rises (3.3.3), which QEMU has not
     * got: so it is asked a few times, not for ever */
    FLASH_ACR = (FLASH_ACR & ~7u) | 0x700 | 4;
    for (int asked = 0; asked < 16 && (FLASH_ACR & 7) != 4; asked++) {}
    /* PLL: MSI 4 MHz / 1 * 40 / 2, output R on */
    REG(RCC + 0x0c) = 1 | 40 << 8 | 1 << 24;
    REG(RCC) |= 1u << 24; /* PLLON */
    while (!(REG(RCC) & 1u << 25)) {}
    REG(RCC + 0x08) = (REG(RCC + 0x08) & ~3u) | 3; /* system clock = PLL */
    while ((REG(RCC + 0x08) & 0xc) != 0xc) {}
    REG(USART_ENABLE) |= 1u << USART_ENABLE_BIT;
    (void)REG(USART_ENABLE);
    pin_set(PIN_TX, ALTERNATE, 7);
    pin_set(PIN_RX, ALTERNATE, 7);
    REG(USART + 0x0c) = (CLOCK + BAUD / 2) / BAUD;
    REG(USART) = 1 | 4 | 8 | 0x20; /* on, receiver, transmitter, receive interrupt */
    NVIC_ENABLE(USART_IRQ);
    /* DEMCR: trace on, for the cycle counter */
    REG(0xe000edfc) |= 1u << 24;
    REG(0xe0001004) = 0;
    REG(0xe0001000) |= 1;
}

void hal_write(const uint8_t *bytes, size_t n)
{
    while (n--) {
        while (!(REG(USART + 0x1c) & 0x80)) {}
        REG(USART + 0x28) = *bytes++;
    }
}

uint32_t hal_ticks(void) { return REG(0xe0001004); } /* cycles */
size_t hal_stack_used(void) { return stack_used(); }

void hal_exit(int code) { semihosting_exit(code); } /* in an emulator */
