/* SPDX-License-Identifier: Apache-2.0 */
/* Registers that an nRF51822 and an nRF52840 share (nRF51 Series Reference Manual 3.0; nRF52840
 * Product Specification 1.7, chapter 4.2.3 and each peripheral's list of registers). Tasks and
 * events are registers too: writing 1 starts a task, an event is 1 until 0 is written. */
#ifndef NRF_H
#define NRF_H

#include "../nvic.h"
#include <chip.h> /* of the board that is built: its pins, and what its chip has beside this */

#define CLOCK 0x40000000u /* HFCLKSTART 0, HFCLKSTARTED 0x100 */
#define UART 0x40002000u
#define TIMER 0x40008000u
#define UART_IRQ 2

/* a pin's number: 32 * port + pin; OUT, OUTSET, OUTCLR, DIRSET, PIN_CNF of its port */
#define GPIO(pin) (0x50000000u + 0x300u * ((pin) / 32))
#define PIN_OUT(pin) REG(GPIO(pin) + 0x504)
#define PIN_SET(pin) REG(GPIO(pin) + 0x508)
#define PIN_OUTPUT(pin) REG(GPIO(pin) + 0x518)
#define PIN_CONFIGURE(pin) REG(GPIO(pin) + 0x700 + 4 * ((pin) % 32))
#define PIN_BIT(pin) (1u << ((pin) % 32))

/* of the microphone's file, if it has one */
__attribute__((weak)) void mic_interrupt(void);

#endif
