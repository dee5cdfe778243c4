/* SPDX-License-Identifier: Apache-2.0 */
/* Where the RP2350 has what (RP2350 datasheet, 2.2 "Address map" and each block's list). */
#ifndef CHIP_H
#define CHIP_H

#include "../nvic.h"

#define CLOCK 150000000u
#define PLL_DIVIDERS (5u << 16 | 2u << 12) /* 12 MHz * 125 / 5 / 2 */

#define RESETS 0x40020000u
/* bits of RESETS (7.5.3): IO_BANK0, PADS_BANK0, PIO0, PLL_SYS, TIMER0 */
#define RESET_BLOCKS (1u << 6 | 1u << 9 | 1u << 11 | 1u << 14 | 1u << 23)
#define RESET_UART (1u << 26)
#define CLOCKS 0x40010000u
#define PADS 0x40038004u
#define PINS 0x40028004u
#define XOSC 0x40048000u
#define PLL 0x40050000u
#define UART 0x40070000u
#define TIMER 0x400b0000u
#define PIO 0x50200000u
#define PIO_INTE 0x170u
#define SIO 0xd0000000u
#define SIO_XOR 0x28u
#define SIO_OUTPUT 0x38u
#define PIO_IRQ 15
#define UART_IRQ 33

/* TIMER0 counts ticks (8.5, TIMER0_CYCLES and TIMER0_CTRL): a microsecond is 12 periods. */
static inline void chip_tick(void)
{
    REG(0x4010801c) = 12;
    REG(0x40108018) = 1;
}

#endif
