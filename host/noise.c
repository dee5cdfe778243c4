/* SPDX-License-Identifier: Apache-2.0 */
#include "noise.h"
#include "chance.h"
#include "lp_fix.h"

#include <string.h>

#define NOISE 24u /* stream, of trial 0 */

void lp_noise_before(const lp_noise *noises, size_t n_noises, uint64_t step)
{
    for (const lp_noise *z = noises; z < noises + n_noises; z++) {
        const chance c = key(z->seed, z->group, step, NOISE + z->trial);
        for (uint32_t i = 0; i < z->n; i++) {
            const int32_t x = (int32_t)(draw(c, i) >> 8) - 128 + z->mean; /* -128..575 */
            /* |bias| < 2^23 and 575 * 2^13 < 2^23: their sum with u and a join is below 2^26 */
            const int32_t noise = z->exponent >= 7 ? x * (1 << (z->exponent - 7))
                                                   : x >> (7 - z->exponent);
            z->more[i] = z->bias[i] + noise;
        }
    }
}

void lp_noise_after(const lp_core *core, const lp_noise *noises, size_t n_noises,
                    const lp_probe *probes, size_t n_probes)
{
    int changed = 0;
    for (const lp_noise *z = noises; z < noises + n_noises; z++) {
        if (!z->on_u) continue;
        changed = 1;
        for (uint32_t i = 0; i < z->n; i++) z->u[i] = lp_wrap24(z->u[i] + z->more[i] - z->bias[i]);
    }
    for (const lp_probe *p = probes; changed && p < probes + n_probes; p++)
        for (const lp_noise *z = noises; z < noises + n_noises; z++)
            if (p->what == LP_WHAT_U && p->group == z->group)
                memcpy(p->rows, lp_core_u(core, z->group), z->n * sizeof(int32_t));
}
