/* SPDX-License-Identifier: Apache-2.0 */
/* Nordic nRF51822 and nRF52840: UART0, a timer that counts microseconds. The nRF51822's is run in
 * QEMU (machine microbit); neither was ever run on a board. */
#include "nrf.h"

#include "../cortex_m.h"
#define RING_BYTES 672u /* two requests of 160 samples, 330 bytes each: one comes, one waits */
#include "../ring.h"
#include "hal.h"
#include "microphone.h"

#define BAUD_460800 0x075f7000u /* BAUDRATE, from its table */
#ifndef LAST_IRQ
#define LAST_IRQ UART_IRQ
#endif

const char hal_name[] = BOARD;
const uint32_t hal_tick_hz = 1000000;
const uint32_t hal_receive_bytes = RING_BYTES - 1;

static void receive(void)
{
    if (REG(UART + 0x124)) { /* ERROR: its source tells an overrun by bit 0 */
        REG(UART + 0x124) = 0;
        const uint32_t why = REG(UART + 0x480);
        REG(UART + 0x480) = why;
        ring_lost += why & 1;
    }
    while (REG(UART + 0x108)) { /* RXDRDY */
        REG(UART + 0x108) = 0;  /* before the byte is taken: that may bring another */
        ring_put((uint8_t)REG(UART + 0x518));
    }
}

/* to 256 bytes: where VTOR may point */
__attribute__((section(".vectors"), used,
               aligned(256))) static void (*const vectors[16 + LAST_IRQ + 1])(void) = {
    SYSTEM_VECTORS, [16 + UART_IRQ] = receive,
#ifdef MIC_IRQ
    [16 + MIC_IRQ] = mic_interrupt
#endif
};

void hal_init(void)
{
#ifdef VTOR
    REG(0xe000e180) = REG(0xe000e184) = 0xffffffff; /* a boot loader's interrupts: off */
    REG(VTOR) = (uint32_t)vectors;
#endif
    REG(CLOCK) = 1; /* from the crystal: the RC's baud rate is not good enough */
    while (!REG(CLOCK + 0x100)) {}
    REG(TIMER + 0x508) = 3; /* 32 bits */
    REG(TIMER + 0x510) = 4; /* 16 MHz / 2^4 */
    REG(TIMER) = 1;
    PIN_SET(PIN_TX) = PIN_BIT(PIN_TX); /* a line at rest */
    PIN_OUTPUT(PIN_TX) = PIN_BIT(PIN_TX);
    PIN_CONFIGURE(PIN_RX) = 3u << 2; /* input, pulled up */
    REG(UART + 0x500) = 0;
    REG(UART + 0x50c) = PIN_TX;
    REG(UART + 0x514) = PIN_RX;
    REG(UART + 0x508) = REG(UART + 0x510) = 0xffffffff; /* no RTS, no CTS */
    REG(UART + 0x524) = BAUD_460800;
    REG(UART + 0x56c) = 0;                /* 8N1 */
    REG(UART + 0x500) = 4;                /* on */
    REG(UART + 0x304) = 1u << 2 | 1 << 9; /* interrupts: RXDRDY, ERROR */
    REG(UART) = 1;                        /* STARTRX, STARTTX */
    REG(UART + 8) = 1;
    NVIC_ENABLE(UART_IRQ);
}

void hal_write(const uint8_t *bytes, size_t n)
{
    while (n--) {
        REG(UART + 0x11c) = 0; /* TXDRDY */
        REG(UART + 0x51c) = *bytes++;
        while (!REG(UART + 0x11c)) {}
    }
}

uint32_t hal_ticks(void)
{
    REG(TIMER + 0x40) = 1; /* CAPTURE[0] -> CC[0] */
    return REG(TIMER + 0x540);
}

size_t hal_stack_used(void) { return stack_used(); }

void hal_exit(int code) { semihosting_exit(code); } /* in an emulator */
