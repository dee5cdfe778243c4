/* SPDX-License-Identifier: Apache-2.0 */
/* Olimex STM32-H405: an STM32F405 at 168 MHz from its crystal of 8, USART1 on PA9 and PA10. Written
 * from the reference manual (RM0090: FLASH 3, RCC 7, GPIO 8, TIM2 18, USART 30). Its line and its
 * interrupt are run in QEMU (machine netduinoplus2, the same chip), NEVER on a board. */
#include "../cortex_m.h"
#define RING_BYTES 672u /* two requests of 160 samples, 330 bytes each: one comes, one waits */
#include "../ring.h"
#include "hal.h"

#define FLASH_ACR REG(0x40023c00u)
#define RCC 0x40023800u
#define GPIOA 0x40020000u
#define USART1 0x40011000u
#define USART1_IRQ 37
#define TIM2 0x40000000u
#define BUS 84000000u /* APB2, and TIM2 on APB1 */
#ifndef BAUD
#define BAUD 460800u
#endif

const char hal_name[] = "stm32-h405";
const uint32_t hal_tick_hz = 1000000;
const uint32_t hal_receive_bytes = RING_BYTES - 1;

static void receive(void)
{
    const uint32_t status = REG(USART1), byte = REG(USART1 + 4); /* in this order: clears errors */
    if (status & 8) ring_lost++; /* ORE: a byte came before the last one was read */
    if (status & 0x20) ring_put((uint8_t)byte);
}

__attribute__((section(".vectors"),
               used)) static void (*const vectors[16 + USART1_IRQ + 1])(void) = {
    SYSTEM_VECTORS, [16 + USART1_IRQ] = receive};

/* The crystal takes milliseconds; QEMU has no RCC, whose bits never come there. */
static int came(uint32_t address, uint32_t bits)
{
    for (uint32_t asked = 0; asked < 1000000; asked++)
        if ((REG(address) & bits) == bits) return 1;
    return 0;
}

static void clocks(void)
{
    REG(RCC) |= 1u << 16;               /* HSEON */
    if (!came(RCC, 1u << 17)) return;   /* HSERDY */
    FLASH_ACR = 0x700 | 5;              /* prefetch, caches, 5 wait states */
    REG(RCC + 8) = 4u << 13 | 5u << 10; /* APB2 is half of the clock, APB1 a quarter */
    REG(RCC + 4) = 8 | 336u << 6 | 1u << 22 | 7u << 24; /* HSE / 8 * 336 / 2 */
    REG(RCC) |= 1u << 24;                               /* PLLON */
    if (!came(RCC, 1u << 25)) return;                   /* PLLRDY */
    REG(RCC + 8) |= 2;                                  /* system clock = PLL */
    came(RCC + 8, 2u << 2);
}

void hal_init(void)
{
    clocks();
    REG(RCC + 0x30) |= 1;       /* GPIOA */
    REG(RCC + 0x40) |= 1;       /* TIM2 */
    REG(RCC + 0x44) |= 1u << 4; /* USART1 */
    (void)REG(RCC + 0x44);
    REG(GPIOA + 0x24) = (REG(GPIOA + 0x24) & ~0xff0u) | 0x770; /* PA9, PA10: AF7 */
    REG(GPIOA) = (REG(GPIOA) & ~(15u << 18)) | 10u << 18;      /* alternate function */
    REG(TIM2 + 0x28) = BUS / hal_tick_hz - 1;                  /* PSC */
    REG(TIM2 + 0x2c) = 0xffffffff;                             /* ARR: all 32 bits */
    REG(TIM2 + 0x14) = 1;                                      /* UG: taken over */
    REG(TIM2) = 1;
    REG(USART1 + 8) = (BUS + BAUD / 2) / BAUD;
    REG(USART1 + 0xc) = 1u << 13 | 1u << 5 | 1u << 3 | 1u << 2; /* on, RXNEIE, both ways */
    NVIC_ENABLE(USART1_IRQ);
}

void hal_write(const uint8_t *bytes, size_t n)
{
    while (n--) {
        while (!(REG(USART1) & 0x80)) {}
        REG(USART1 + 4) = *bytes++;
    }
}

uint32_t hal_ticks(void) { return REG(TIM2 + 0x24); } /* microseconds */
size_t hal_stack_used(void) { return stack_used(); }

void hal_exit(int code) { semihosting_exit(code); } /* in an emulator */
