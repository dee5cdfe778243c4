/* SPDX-License-Identifier: Apache-2.0 */
/* For which models the sigma-delta kernel (lp_sd.h) is the core's equal. */
#include "lp_sd.h"

#define COLUMNS 32

/* Adds to up and down what units first .. first + COLUMNS - 1 receive at most, if all spike; so do
 * those behind the last one, from any bits that a dense row's last word has for them.
 * <= 1024 * 4 * 2^12 a matrix: far below 2^31. */
static void reach(const lp_matrix *m, uint32_t shift, uint32_t first, int32_t *up, int32_t *down)
{
    const uint32_t words = DENSE3_WORDS(m->n_out);
    if (m->kind == LP_DENSE3)
        for (uint32_t i = first; i < 10 * words && i < first + COLUMNS; i++) {
            const uint8_t *at = m->codes + 4 * (i / 2 % words);
            const uint32_t bit = 3 * (i / 2 / words) + 16 * (i % 2);
            for (uint32_t j = 0; j < m->n_in; j++, at += 4 * words) {
                int32_t w = ((int32_t)(lp_le32(at) >> bit & 7) - 4) * (1 << shift);
                *(w < 0 ? &down[i - first] : &up[i - first]) += w;
            }
        }
    else
        for (uint32_t j = 0; j < m->n_in; j++) {
            const uint8_t *e;
            uint32_t count = sparse3_row(m->codes, j, &e), i;
            for (uint32_t k = 0; k < count; k++) {
                int32_t w = sparse3_entry(e + 2 * k, &i) * (1 << shift);
                if (i - first < COLUMNS) *(w < 0 ? &down[i - first] : &up[i - first]) += w;
            }
        }
}

/* tau = 2^s steps. x decays by ceil(|x| / tau), so what gains at most g a step stays within g tau:
 *   b <= 64 w_fb tau, asked to be below 2^23;
 *   |u| <= 64 |q| tau, asked to leave room for the bias below 2^23; then |q| < 2^15 follows.
 *     Behind the last unit anything below 2^31 will do.
 * So neither q nor u nor u + bias ever wraps, nor u + v of a soma: v < 2^23 and u is in -2^23..0.
 * Of the output |q| < 2^15 is asked; its u may wrap, and does so here as there. */
int lp_sd_fits(const lp_model *m, uint32_t flags)
{
    const uint32_t s = lp_sd_shift(m);
    if (4096u >> s != m->delta || (uint32_t)m->feedback << 6 >= 1u << (23 - s) || m->steps > 255 ||
        (flags & (LP_STRICT | LP_CORE)) || ((flags & LP_COUNT) && !LP_VECTORS))
        return 0;
    for (uint32_t l = 0; l < m->n_layers; l++)
        for (uint32_t first = 0; first < 10 * DENSE3_WORDS(m->layers[l].n); first += COLUMNS) {
            const lp_layer *y = &m->layers[l];
            const int output = l + 1u == m->n_layers;
            int32_t up[COLUMNS] = {0}, down[COLUMNS] = {0};
            if (l)
                reach(&y->w, (output ? m->output_shift : m->synapse_shift) - y->w.scale, first, up,
                      down);
            if (y->recurrent) reach(&y->u, m->synapse_shift - y->u.scale, first, up, down);
            for (uint32_t k = 0; k < COLUMNS; k++) {
                const int32_t q = lp_max(up[k], -down[k]);
                if (first + k >= y->n) {
                    if (!output && q >> (24 - s)) return 0;
                    continue;
                }
                const int32_t bias = lp_bias_of(y, first + k);
                const int32_t drive = l ? lp_max(bias, -bias) : LP_DRIVE_MAX;
                if (output ? q > 32767 : ((int64_t)q << (6 + s)) + drive > LP_V_LIMIT) return 0;
            }
        }
    return 1;
}
