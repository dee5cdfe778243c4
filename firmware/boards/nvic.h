/* SPDX-License-Identifier: Apache-2.0 */
/* Registers, and the interrupt controller of every Cortex-M. */
#ifndef NVIC_H
#define NVIC_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define NVIC_ENABLE(irq) (REG(0xe000e100 + 4 * ((irq) / 32)) = 1u << ((irq) % 32))

#endif
