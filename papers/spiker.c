/* SPDX-License-Identifier: Apache-2.0 */
/* P1's simulator: layers of sigma-delta neurons in steps of 1 us, every filter a first-order one
 * with its exact exponential. edge_lp_papers/spiker/twin.py says the same in NumPy.
 *
 * A step of V1 (P1 eq. 1-3): the error of a unit that has just spiked is reset; i follows the input
 * current; s, what a receiver decodes, follows the spikes of the step before; the error filter
 * integrates what i is above s, and a spike is due where it exceeds the threshold.
 *
 * weights' s is not summed anew in each step: it obeys the filter of s itself, so only the rows of
 * the units that spiked are added. That is exact where all retentions of s are equal; where
 * mismatch has made them differ, and for units that do not spike, it is summed. */
#include "spiker.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__) && defined(__x86_64__) && defined(__linux__)
#define CLONES __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define CLONES
#endif

static int common(const double *keep, size_t n)
{
    for (size_t k = 1; k < n; k++)
        if (keep[k] != keep[0]) return 0;
    return 1;
}

CLONES static void summed(const lp_spiker *p, size_t width)
{
    memset(p->sum, 0, width * sizeof *p->sum);
    for (size_t j = 0; j < p->units; j++) {
        const double *row = p->weights + j * width, s = p->s[j];
        if (s != 0)
            for (size_t k = 0; k < width; k++) p->sum[k] += s * row[k];
    }
}

/* The spikes of the step before reach s, and so weights' s. V2 does not leak when it spikes. */
static size_t feed_back(const lp_spiker *p)
{
    size_t n = 0;
    for (size_t k = 0; k < p->units; k++) {
        if (p->kind == LP_SPIKER_V2)
            p->s[k] = p->spike[k] ? p->s[k] + p->i_in[k] : p->s[k] * p->keep_s[k];
        else p->s[k] = p->s[k] * p->keep_s[k] + (p->spike[k] ? p->i_in[k] * (1 - p->keep_s[k]) : 0);
        if (p->spike[k]) p->list[n++] = (uint32_t)k;
    }
    return n;
}

CLONES static void follow(const lp_spiker *p, size_t width, size_t n)
{
    const double keep = p->keep_s[0];
    double *sum = p->sum;
    for (size_t k = 0; k < width; k++) sum[k] *= keep;
    for (size_t i = 0; i < n; i++) {
        size_t j = p->list[i];
        const double *row = p->weights + j * width, add = p->i_in[j] * (1 - keep);
        for (size_t k = 0; k < width; k++) sum[k] += add * row[k];
    }
}

/* Pointers of its own, as a byte that is written may lie anywhere, in *p too. */
CLONES static void compare(const lp_spiker *p)
{
    const double *i = p->i, *s = p->s, *keep = p->keep_e, *gain = p->gain, *limit = p->threshold;
    const double least = p->kind == LP_SPIKER_V1 ? 0 : -HUGE_VAL;
    double *e = p->e;
    uint8_t *spike = p->spike;
    const size_t n = p->units;
    for (size_t k = 0; k < n; k++) {
        double error = i[k] - s[k];
        error = error < least ? least : error;
        e[k] = e[k] * keep[k] + gain[k] * (1 - keep[k]) * error;
    }
    for (size_t k = 0; k < n; k++) spike[k] = e[k] > limit[k];
}

CLONES static void analog(const lp_spiker *p, const double *drive)
{
    for (size_t k = 0; k < p->units; k++) {
        double x = drive[k] + p->sum[k];
        x = x < 0 ? 0 : x > p->i_in[k] ? p->i_in[k] : x;
        p->s[k] = p->s[k] * p->keep_s[k] + (1 - p->keep_s[k]) * x;
    }
}

/* The error of those that have spiked is reset, and i follows the input. */
CLONES static void receive(const lp_spiker *p, const double *drive)
{
    const double *keep = p->keep_in, *sum = p->sum;
    const uint8_t *spike = p->spike;
    double *i = p->i, *e = p->e;
    const size_t n = p->units;
    if (p->kind == LP_SPIKER_V1)
        for (size_t k = 0; k < n; k++) e[k] = spike[k] ? 0 : e[k];
    for (size_t k = 0; k < n; k++) i[k] = i[k] * keep[k] + (1 - keep[k]) * (drive[k] + sum[k]);
}

static void spiking(const lp_spiker *p, const double *drive, size_t width, int same)
{
    receive(p, drive);
    size_t n = feed_back(p);
    if (same) follow(p, width, n);
    else summed(p, width);
    compare(p);
}

/* The layer with the parameters of step t. */
static lp_spiker in_step(const lp_spiker *p, size_t t)
{
    lp_spiker now = *p;
    const size_t row = t * p->units;
    if (p->moving & LP_SPIKER_KEEP_IN) now.keep_in += row;
    if (p->moving & LP_SPIKER_KEEP_S) now.keep_s += row;
    if (p->moving & LP_SPIKER_KEEP_E) now.keep_e += row;
    if (p->moving & LP_SPIKER_GAIN) now.gain += row;
    if (p->moving & LP_SPIKER_THRESHOLD) now.threshold += row;
    if (p->moving & LP_SPIKER_I_IN) now.i_in += row;
    return now;
}

void lp_spiker_run(const lp_spiker *p, size_t steps, const double *drive, double *s,
                   uint8_t *spikes, double *out)
{
    size_t n = p->units, width = n + p->outputs;
    int same = p->kind == LP_SPIKER_V1 && !(p->moving & LP_SPIKER_KEEP_S) && common(p->keep_s, n);
    for (size_t t = 0; t < steps; t++) {
        const lp_spiker now = in_step(p, t);
        if (p->kind == LP_SPIKER_ANN) {
            analog(&now, drive + t * n);
            summed(&now, width);
        } else {
            spiking(&now, drive + t * n, width, same);
        }
        if (s) memcpy(s + t * n, p->s, n * sizeof *s);
        if (spikes) memcpy(spikes + t * n, p->spike, n);
        if (out) memcpy(out + t * p->outputs, p->sum + n, p->outputs * sizeof *out);
    }
}
