/* SPDX-License-Identifier: Apache-2.0 */
/* What model.S puts into flash, to be read in place. */
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>

extern const uint8_t model_bytes[], model_end[]; /* an .lpb */
/* int16 samples, little-endian; only in count.c's image */
extern const uint8_t audio_bytes[], audio_end[];

#endif
