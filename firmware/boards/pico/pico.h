/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of the RP2040 (its datasheet), and which pin is what. */
#ifndef PICO_H
#define PICO_H

#include "../nvic.h"

#define CLOCK 125000000u
#define SET(address) REG((address) + 0x2000u) /* writes set, or clear, the bits that are 1 */
#define CLEAR(address) REG((address) + 0x3000u)

#define RESETS 0x4000c000u
#define CLOCKS 0x40008000u
#define PADS(pin) REG(0x4001c004u + 4u * (pin))
#define FUNCTION(pin) REG(0x40014004u + 8u * (pin)) /* 2: UART, 5: by SIO, 6: PIO0 */
#define XOSC 0x40024000u
#define PLL 0x40028000u
#define UART 0x40034000u
#define TIMER 0x40054000u
#define WATCHDOG_TICK REG(0x4005802cu)
#define SIO 0xd0000000u
#define PIO 0x50200000u
#define PIO_IRQ 7
#define UART_IRQ 20

enum { PIN_TX = 0, PIN_RX = 1, PIN_CLOCK = 10, PIN_WORD = 11, PIN_DATA = 12, PIN_KEYWORD = 13 };
enum { KEYWORD_PINS = 10, PIN_LED = 25 };

/* of the microphone's file, if it has one: for each word that the PIO has */
__attribute__((weak)) void mic_interrupt(void);

#endif
