/* SPDX-License-Identifier: Apache-2.0 */
/* What the Pico (RP2040) and the Pico 2 (RP2350) share: which pin is what, and how one is set. */
#ifndef PICO_H
#define PICO_H

#include <chip.h> /* of the board that is built: pico or pico2 */

#define SET(address) REG((address) + 0x2000u) /* writes set, or clear, the bits that are 1 */
#define CLEAR(address) REG((address) + 0x3000u)

enum { PIN_TX = 0, PIN_RX = 1, PIN_CLOCK = 10, PIN_WORD = 11, PIN_DATA = 12, PIN_KEYWORD = 13 };
enum { KEYWORD_PINS = 10, PIN_LED = 25 };

typedef enum { BY_UART = 2, BY_SIO = 5, BY_PIO0 = 6 } pin_function;
/* drive 4 mA, Schmitt trigger; an RP2350's pads let nothing through until they are written */
typedef enum { OUTPUT = 0x52, PULLED_DOWN = 0x56, PULLED_UP = 0x5a } pin_pad;

static inline void pin_set(uint32_t pin, pin_function function, pin_pad pad)
{
    REG(PADS + 4 * pin) = pad;
    REG(PINS + 8 * pin) = function;
}

/* of the microphone's file, if it has one: for each word that the PIO has */
__attribute__((weak)) void mic_interrupt(void);

#endif
