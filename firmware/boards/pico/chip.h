/* SPDX-License-Identifier: Apache-2.0 */
/* Where the RP2040 has what (RP2040 datasheet, 2.2 "Address Map" and each block's list). */
#ifndef CHIP_H
#define CHIP_H

#include "../nvic.h"

#define CLOCK 125000000u
#define PLL_DIVIDERS (6u << 16 | 2u << 12) /* 12 MHz * 125 / 6 / 2 */

#define RESETS 0x4000c000u
/* bits of RESETS (2.14.3): IO_BANK0, PADS_BANK0, PIO0, PLL_SYS, TIMER */
#define RESET_BLOCKS (1u << 5 | 1u << 8 | 1u << 10 | 1u << 12 | 1u << 21)
#define RESET_UART (1u << 22)
#define CLOCKS 0x40008000u
#define PADS 0x4001c004u
#define PINS 0x40014004u
#define XOSC 0x40024000u
#define PLL 0x40028000u
#define UART 0x40034000u
#define TIMER 0x40054000u
#define PIO 0x50200000u
#define PIO_INTE 0x12cu
#define SIO 0xd0000000u
#define SIO_XOR 0x1cu
#define SIO_OUTPUT 0x24u
#define PIO_IRQ 7
#define UART_IRQ 20

/* The timer counts the watchdog's ticks (4.7.6, TICK): on, a microsecond is 12 periods. */
static inline void chip_tick(void) { REG(0x4005802c) = 1u << 9 | 12; }

#endif
