/* SPDX-License-Identifier: Apache-2.0 */
/* The recurrence of a low-pass layer over a sequence, forward and backward, for the trainer
 * (train/edge_lp_train/scan.py): in TensorFlow each of its small products is an operation of its
 * own, which takes as long again as the arithmetic.
 *
 *   z_k = d_{k / sub} + y_k U,   y_{k+1} = a y_k + (1 - a) clip(z_k, 0, limit),   y_0 = 0
 *
 * or, spiking, what the core computes (SPEC.md, "Network"), in float:
 *
 *   v_{k+1} = clip(a v_k + (1 - a) z_k, 0, limit),
 *   y_{k+1} = a y_k + (1 - a) limit [v_{k+1} > y_k]
 *
 * whose gradient is taken to be that of the line above (straight through).
 *
 * Everything is float32, row-major and dense: what there is of each step is (batch, steps, units).
 * The rows of a batch have nothing to do with each other, so a call works on rows first..last-1,
 * and threads may share a batch. Needs vectors as GCC and Clang have them. */
#include "scan.h"

#include <stdlib.h>
#include <string.h>

enum { LANES = 16, ROWS = 8 };
typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#if defined(__x86_64__) && defined(__gnu_linux__)
#define CLONES __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define CLONES
#endif
#define INLINE static inline __attribute__((always_inline))

/* A (units, units) matrix as panels of LANES columns, zeros behind the last column: a panel is read
 * from one end to the other. NULL: no memory. */
static float *panels_of(const float *matrix, size_t units)
{
    const size_t n = (units + LANES - 1) / LANES;
    float *out = calloc(n * LANES * units, sizeof *out);
    for (size_t p = 0; out && p < n; p++)
        for (size_t i = 0; i < units; i++)
            for (size_t j = 0; j < LANES && p * LANES + j < units; j++)
                out[(p * units + i) * LANES + j] = matrix[i * units + p * LANES + j];
    return out;
}

/* out (rows, LANES) = x (rows, units) times a panel; the rows of x lie `stride` apart, and their
 * number is a constant where this is called. */
INLINE void product(const float *x, size_t stride, const float *panel, size_t units, size_t rows,
                    lanes *out)
{
    lanes sum[ROWS] = {{0}};
    for (size_t i = 0; i < units; i++) {
        const lanes w = *(const lanes *)(panel + i * LANES);
        for (size_t r = 0; r < rows; r++) sum[r] += x[r * stride + i] * w;
    }
    for (size_t r = 0; r < rows; r++) out[r] = sum[r];
}

INLINE float clip(float x, float limit)
{
    const float top = x < limit ? x : limit;
    return top > 0 ? top : 0;
}

/* `width` units of one row from their products z on; a constant but in the last panel. v: NULL
 * where nothing spikes. */
INLINE void settle(float limit, const float *restrict a, const float *restrict z,
                   const float *restrict drive, const float *restrict y, float *restrict v,
                   float *restrict next, uint8_t *restrict inside, size_t width)
{
    for (size_t j = 0; j < width; j++) {
        const float x = drive[j] + z[j];
        float gain = clip(x, limit);
        if (v) {
            v[j] = clip(a[j] * v[j] + (1 - a[j]) * x, limit);
            gain = v[j] > y[j] ? limit : 0;
        }
        next[j] = a[j] * y[j] + (1 - a[j]) * gain;
        inside[j] = (x >= 0) & (x <= limit);
    }
}

/* The same in the last panel, in few instructions: there are three clones of what calls it. */
__attribute__((noinline)) static void settle_few(float limit, const float *a, const float *z,
                                                 const float *drive, const float *y, float *v,
                                                 float *next, uint8_t *inside, size_t width)
{
    settle(limit, a, z, drive, y, v, next, inside, width);
}

/* All steps of `rows` rows from `row` on; next (rows, units) and, where it spikes, v behind it are
 * scratch. */
INLINE void forward(const lp_scan *s, const float *panels, const float *drive, float *before,
                    uint8_t *inside, float *out, float *next, size_t row, size_t rows)
{
    const size_t n = s->units, steps = s->frames * s->sub_steps;
    memset(next, 0, 2 * rows * n * sizeof *next);
    for (size_t k = 0; k < steps; k++) {
        float *y = before + (row * steps + k) * n;
        for (size_t r = 0; r < rows; r++) memcpy(y + r * steps * n, next + r * n, n * sizeof *y);
        for (size_t at = 0; at < n; at += LANES) {
            const size_t width = n - at < LANES ? n - at : LANES;
            lanes sum[ROWS];
            product(y, steps * n, panels + at * n, n, rows, sum);
            for (size_t r = 0; r < rows; r++) {
                const size_t u = ((row + r) * steps + k) * n + at;
                const float *d = drive + ((row + r) * s->frames + k / s->sub_steps) * n + at;
                const float *a = s->retention + at, *z = (const float *)&sum[r];
                float *to = next + r * n + at, *v = s->spiking ? to + rows * n : NULL;
                if (width == LANES) settle(s->limit, a, z, d, before + u, v, to, inside + u, LANES);
                else settle_few(s->limit, a, z, d, before + u, v, to, inside + u, width);
            }
        }
        if ((k + 1) % s->sub_steps == 0)
            for (size_t r = 0; r < rows; r++)
                memcpy(out + ((row + r) * s->frames + k / s->sub_steps) * n, next + r * n,
                       n * sizeof *out);
    }
}

CLONES int lp_scan_forward(const lp_scan *s, size_t first, size_t last, const float *recurrent,
                           const float *drive, float *before, uint8_t *inside, float *out)
{
    float *panels = panels_of(recurrent, s->units);
    float *next = malloc(2 * ROWS * s->units * sizeof *next);
    size_t row = panels && next ? first : last;
    for (size_t rows; row < last; row += rows) {
        rows = row + ROWS <= last ? ROWS : 1;
        if (rows == ROWS) forward(s, panels, drive, before, inside, out, next, row, ROWS);
        else forward(s, panels, drive, before, inside, out, next, row, 1);
    }
    const int done = panels && next;
    free(next);
    free(panels);
    return done ? 0 : -1;
}

/* All steps of `rows` rows, backwards. g (rows, units), scratch: the gradient of y_{k+1}, then of
 * y_k. */
INLINE void backward(const lp_scan *s, const float *panels, const float *dy, const uint8_t *inside,
                     float *dz, float *d_drive, float *g, size_t row, size_t rows)
{
    const size_t n = s->units, steps = s->frames * s->sub_steps;
    const float *a = s->retention;
    memset(g, 0, rows * n * sizeof *g);
    for (size_t k = steps; k-- > 0;) {
        const int end = (k + 1) % s->sub_steps == 0;
        for (size_t r = 0; r < rows; r++) {
            const size_t frame = ((row + r) * s->frames + k / s->sub_steps) * n;
            const size_t u = ((row + r) * steps + k) * n;
            const uint8_t *restrict in = inside + u;
            float *restrict from = g + r * n, *restrict to = dz + u,
                            *restrict sum = d_drive + frame;
            if (end) memset(sum, 0, n * sizeof *sum);
            for (size_t j = 0; j < n; j++) {
                from[j] += end ? dy[frame + j] : 0;
                to[j] = (1 - a[j]) * from[j] * in[j];
                sum[j] += to[j];
            }
        }
        for (size_t at = 0; at < n; at += LANES) {
            const size_t width = n - at < LANES ? n - at : LANES;
            lanes sum[ROWS];
            product(dz + (row * steps + k) * n, steps * n, panels + at * n, n, rows, sum);
            for (size_t r = 0; r < rows; r++) {
                float *to = g + r * n + at;
                if (width == LANES) *(lanes *)to = *(const lanes *)(a + at) * *(lanes *)to + sum[r];
                else
                    for (size_t j = 0; j < width; j++) to[j] = a[at + j] * to[j] + sum[r][j];
            }
        }
    }
}

CLONES int lp_scan_backward(const lp_scan *s, size_t first, size_t last, const float *transposed,
                            const float *dy, const uint8_t *inside, float *dz, float *d_drive)
{
    float *panels = panels_of(transposed, s->units), *g = malloc(ROWS * s->units * sizeof *g);
    size_t row = panels && g ? first : last;
    for (; row + ROWS <= last; row += ROWS)
        backward(s, panels, dy, inside, dz, d_drive, g, row, ROWS);
    for (; row < last; row++) backward(s, panels, dy, inside, dz, d_drive, g, row, 1);
    const int done = panels && g;
    free(g);
    free(panels);
    return done ? 0 : -1;
}
