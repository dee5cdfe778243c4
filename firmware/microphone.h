/* SPDX-License-Identifier: Apache-2.0 */
/* A microphone of the board's own, which MICROPHONE of the Makefile chooses: a file of the board's
 * folder or of microphones/. Nothing else knows where samples come from. */
#ifndef MICROPHONE_H
#define MICROPHONE_H

#include <stddef.h>
#include <stdint.h>

extern const uint32_t mic_room; /* samples that it holds until they are taken; 0: there is none */
void mic_switch(int on);        /* on: from the sample that comes next */
/* Up to n samples, 16 kHz, in order -> how many there were. */
size_t mic_take(int16_t *pcm, size_t n);
int mic_ready(void); /* whether mic_take would give any; hal_wait does not sleep then */
/* samples that came in and found no room, since the start */
uint32_t mic_lost(void);
void mic_heard(uint32_t keyword); /* show it: a light, a pin */

#endif
