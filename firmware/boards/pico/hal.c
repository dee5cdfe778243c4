/* SPDX-License-Identifier: Apache-2.0 */
/* Raspberry Pi Pico and Pico 2, at 125 or 150 MHz from the crystal, UART0 on GP0 and GP1. Written
 * from the chips' datasheets. The Pico is run in the emulator rp2040js; neither on the board. */
#include "pico.h"

#include "../cortex_m.h"
#include <boot.h>
#define RING_BYTES 672u /* two requests of 160 samples, 330 bytes each: one comes, one waits */
#include "../ring.h"
#include "hal.h"
#include "microphone.h"

#ifndef BAUD
#define BAUD 460800u
#endif
#define DIVISOR ((4 * CLOCK + BAUD / 2) / BAUD) /* CLOCK / (16 BAUD), 6 bits of fraction */

const char hal_name[] = BOARD;
const uint32_t hal_tick_hz = 1000000;
const uint32_t hal_receive_bytes = RING_BYTES - 1;

static void receive(void)
{
    while (!(REG(UART + 0x18) & 0x10)) {
        const uint32_t got = REG(UART);
        if (got & 0x800) ring_lost++; /* the FIFO ran over before this byte */
        ring_put((uint8_t)got);
    }
}

/* to 256 bytes: where the vectors may lie */
__attribute__((section(".vectors"), used,
               aligned(256))) static void (*const vectors[16 + UART_IRQ + 1])(void) = {
    SYSTEM_VECTORS, [16 + PIO_IRQ] = mic_interrupt, [16 + UART_IRQ] = receive};

static void clocks(void)
{
    REG(XOSC + 0x0c) = 47; /* 1 ms to settle, in 256 periods of 12 MHz */
    REG(XOSC) = 0xfabaa0;  /* on, 1 to 15 MHz */
    while (!(REG(XOSC + 4) & 1u << 31)) {}
    REG(CLOCKS + 0x30) = 2; /* reference: the crystal */
    while (REG(CLOCKS + 0x38) != 4) {}
    REG(PLL) = 1; /* 12 MHz * 125, divided twice */
    REG(PLL + 8) = 125;
    CLEAR(PLL + 4) = 0x21; /* power: the PLL, its VCO */
    while (!(REG(PLL) & 1u << 31)) {}
    REG(PLL + 0xc) = PLL_DIVIDERS;
    CLEAR(PLL + 4) = 8;     /* power: the dividers behind it */
    REG(CLOCKS + 0x3c) = 1; /* system: the PLL */
    while (REG(CLOCKS + 0x44) != 2) {}
    REG(CLOCKS + 0x48) = 1u << 11; /* peripherals: as the system */
    chip_tick();                   /* the timer counts microseconds */
}

void hal_init(void)
{
    REG(0xe000ed08) = (uint32_t)vectors; /* VTOR */
    CLEAR(RESETS) = RESET_BLOCKS;
    while (~REG(RESETS + 8) & RESET_BLOCKS) {}
    clocks();
    CLEAR(RESETS) = RESET_UART; /* needs its clock to come out of reset */
    while (~REG(RESETS + 8) & RESET_UART) {}
    pin_set(PIN_TX, BY_UART, OUTPUT);
    pin_set(PIN_RX, BY_UART, PULLED_UP); /* nothing connected is a line at rest */
    REG(UART + 0x24) = DIVISOR >> 6;
    REG(UART + 0x28) = DIVISOR & 63;
    REG(UART + 0x2c) = 0x70;  /* 8 bits, FIFOs */
    REG(UART + 0x30) = 0x301; /* on, both ways */
    REG(UART + 0x38) = 0x50;  /* interrupts: FIFO half full, or a byte that nothing follows */
    NVIC_ENABLE(UART_IRQ);
}

void hal_write(const uint8_t *bytes, size_t n)
{
    while (n--) {
        while (REG(UART + 0x18) & 0x20) {}
        REG(UART) = *bytes++;
    }
}

uint32_t hal_ticks(void) { return REG(TIMER + 0x28); } /* microseconds */
size_t hal_stack_used(void) { return stack_used(); }

void hal_exit(int code)
{
    __asm__ volatile("mov r0, %0\n bkpt 0xab" : : "r"(code) : "r0"); /* ends an emulation */
    halt();
}
