/* SPDX-License-Identifier: Apache-2.0 */
/* Registers that the boards with an STM32L4x5 or L4x6 use (RM0351: FLASH 3.7, RCC 6.4, GPIO 8.4,
 * DMA 11.6, DFSDM 24.7 and 24.8, USART 40.8). */
#ifndef L4_H
#define L4_H

#include "../nvic.h"
#include <chip.h> /* of the board that is built: its line, and what is on its pins */

#define CLOCK 80000000u /* of the core and both buses */

#define FLASH_ACR REG(0x40022000u)
#define RCC 0x40021000u /* AHB1ENR 0x48, AHB2ENR 0x4c, APB1ENR1 0x58, APB2ENR 0x60 */

/* a pin's number: 16 * port + pin; MODER, IDR, ODR, BSRR, AFRL and AFRH of its port */
#define GPIO(pin) (0x48000000u + 0x400u * ((pin) / 16))
#define PIN_OUT(pin) REG(GPIO(pin) + 0x14)
#define PIN_BIT(pin) (1u << (pin) % 16)

typedef enum { OUTPUT = 1, ALTERNATE = 2 } pin_mode;

static inline void pin_set(uint32_t pin, pin_mode mode, uint32_t function)
{
    const uint32_t at = pin % 16, alternate = GPIO(pin) + 0x20 + at / 8 * 4, shift = at % 8 * 4;
    REG(RCC + 0x4c) |= 1u << pin / 16; /* its port's clock, two cycles before it is used */
    (void)REG(RCC + 0x4c);
    REG(alternate) = (REG(alternate) & ~(15u << shift)) | function << shift;
    REG(GPIO(pin)) = (REG(GPIO(pin)) & ~(3u << 2 * at)) | (uint32_t)mode << 2 * at;
}

/* of the microphone's file, if it has one */
__attribute__((weak)) void mic_interrupt(void);

#endif
