/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANCE_H
#define CHANCE_H

#include <stdint.h>

/* Chance by counting, so that it does not matter in which order synapses are visited: a 32-bit hash
 * (C. Wellons' lowbias32) of the index, by a key for each step and use. Streams: a trace's decay 0
 * to 4, r1's 5, impulses 8 to 12, weights 16, tags 17; noise 24 and on. */
typedef struct {
    uint32_t add, times;
} chance;

static inline uint32_t mix(uint32_t x)
{
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}

static chance key(uint32_t seed, uint32_t number, uint64_t step, uint32_t stream)
{
    uint32_t h = mix(seed + 0x9e3779b9u);
    h = mix(h ^ number) + (uint32_t)(step >> 32);
    h = mix(mix(h) ^ (uint32_t)step);
    h = mix(h + stream);
    return (chance){h, mix(h) | 1};
}

static inline uint32_t draw(chance c, uint32_t index)
{
    return mix((index + c.add) * c.times) >> 16;
}

#endif
