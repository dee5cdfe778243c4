/* SPDX-License-Identifier: Apache-2.0 */
/* The light changes with each keyword, and so does a pin of each of the first ten. Part of a
 * microphone's file. */
#ifndef KEYWORDS_H
#define KEYWORDS_H

#include "microphone.h"
#include "pico.h"

static void keywords_init(void)
{
    for (uint32_t pin = PIN_KEYWORD; pin < PIN_KEYWORD + KEYWORD_PINS; pin++)
        pin_set(pin, BY_SIO, OUTPUT);
    pin_set(PIN_LED, BY_SIO, OUTPUT);
    REG(SIO + SIO_OUTPUT) = 1u << PIN_LED | ((1u << KEYWORD_PINS) - 1) << PIN_KEYWORD;
}

void mic_heard(uint32_t keyword)
{
    const uint32_t pin = keyword < KEYWORD_PINS ? 1u << (PIN_KEYWORD + keyword) : 0;
    REG(SIO + SIO_XOR) = 1u << PIN_LED | pin;
}

#endif
