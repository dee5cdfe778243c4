/* SPDX-License-Identifier: Apache-2.0 */
/* Logits -> mean over a sliding window -> posteriors -> events (SPEC.md, "Detector"). */
#include "edge_lp.h"
#include "lp_fix.h"

struct lp_detector {
    lp_detector_config config;
    uint32_t n_labels, n_keywords;
    uint32_t frame; /* frames pushed since the last reset */
    uint32_t at;    /* ring position */
    uint32_t quiet; /* frames left of the refractory period */
    uint32_t held;  /* frames for which the candidate has stayed unbeaten */
    lp_event candidate;
    int has_candidate;
    int32_t *sum;        /* [n_labels], of the window */
    uint16_t *posterior; /* [n_labels] */
    int16_t *ring;       /* [LP_MAX_WINDOW][n_labels] */
};

static lp_detector *place(lp_arena *a, uint32_t n_labels)
{
    lp_detector *d = lp_take(a, sizeof(lp_detector));
    int32_t *sum = lp_take(a, n_labels * sizeof(int32_t));
    uint16_t *posterior = lp_take(a, n_labels * sizeof(uint16_t));
    int16_t *ring = lp_take(a, (size_t)LP_MAX_WINDOW * n_labels * sizeof(int16_t));
    if (d) {
        d->sum = sum;
        d->posterior = posterior;
        d->ring = ring;
    }
    return d;
}

int lp_detector_size(uint32_t n_labels, size_t *bytes)
{
    lp_arena a = {0};
    if (!bytes || n_labels < 1 || n_labels > LP_MAX_LABELS) return LP_E_ARG;
    place(&a, n_labels);
    *bytes = a.used;
    return LP_OK;
}

int lp_detector_init(lp_detector **out, uint32_t n_labels, uint32_t n_keywords,
                     const lp_detector_config *config, void *memory, size_t bytes)
{
    size_t need;
    int e = lp_detector_size(n_labels, &need);
    if (e) return e;
    if (!out || !config || !memory || n_keywords > n_labels) return LP_E_ARG;
    if (bytes < need || (uintptr_t)memory % 8) return LP_E_SPACE;
    lp_arena a = {memory, 0};
    lp_detector *d = place(&a, n_labels);
    d->n_labels = n_labels;
    d->n_keywords = n_keywords;
    if ((e = lp_detector_configure(d, config))) return e;
    *out = d;
    return LP_OK;
}

static void clear(lp_detector *d)
{
    lp_zero(d->sum, d->n_labels * sizeof(int32_t));
    lp_zero(d->ring, (size_t)LP_MAX_WINDOW * d->n_labels * sizeof(int16_t));
    lp_zero(d->posterior, d->n_labels * sizeof(uint16_t));
    d->at = d->quiet = d->held = 0;
    d->has_candidate = 0;
}

int lp_detector_configure(lp_detector *d, const lp_detector_config *c)
{
    if (!c || c->window < 1 || c->window > LP_MAX_WINDOW || c->threshold > 32767) return LP_E_ARG;
    d->config = *c;
    clear(d);
    return LP_OK;
}

void lp_detector_reset(lp_detector *d)
{
    d->frame = 0;
    clear(d);
}

/* exp(-x / 256) in Q15 for x >= 0: 2^-(x log2 e / 256), the fraction by a table and linear
 * interpolation (error < 2^-8, the exponent's grid). */
static uint32_t exp_q15(uint32_t x)
{
    static const uint16_t table[17] = {32768, 31379, 30048, 28774, 27554, 26386, 25268, 24196,
                                       23170,
                                       /* 2^15 * 2^(-i/16) */
                                       22188, 21247, 20347, 19484, 18658, 17867, 17109, 16384};
    if (x > 256 * 12) return 0; /* below half of the last bit */
    uint32_t t = x * 369 >> 8;  /* Q8 exponent of 2; 369 / 256 = 1.4414, log2 e = 1.4427 */
    uint32_t i = t >> 4 & 15, f = t & 15;
    return ((uint32_t)table[i] * (16 - f) + (uint32_t)table[i + 1] * f) >> (4 + (t >> 8));
}

/* Posterior Q15 = softmax of the window's mean. Frames before the first count as all-zero logits: a
 * start is never a detection. */
static void softmax(lp_detector *d)
{
    int32_t best = INT32_MIN;
    uint32_t total = 0;
    for (uint32_t i = 0; i < d->n_labels; i++)
        best = lp_max(best, d->sum[i] / (int32_t)d->config.window);
    for (uint32_t i = 0; i < d->n_labels; i++) {
        d->posterior[i] = (uint16_t)exp_q15(
            (uint32_t)(best - d->sum[i] / (int32_t)d->config.window));
        total += d->posterior[i]; /* <= 64 * 2^15 = 2^21; >= 2^15, the best one's */
    }
    /* 2^15 * 2^15 */
    for (uint32_t i = 0; i < d->n_labels; i++)
        d->posterior[i] = (uint16_t)((uint32_t)d->posterior[i] * 32767u / total);
}

int lp_detector_push(lp_detector *d, const int32_t *logits, lp_event *event)
{
    int16_t *row = d->ring + (size_t)d->at * d->n_labels;
    uint32_t best = 0;
    for (uint32_t i = 0; i < d->n_labels; i++) {
        int16_t x = (int16_t)lp_clip(logits[i], -32767, 32767);
        d->sum[i] += x - row[i]; /* |sum| <= LP_MAX_WINDOW * 32767 < 2^23 */
        row[i] = x;
    }
    d->at = d->at + 1 == d->config.window ? 0 : d->at + 1;
    softmax(d);
    d->frame++;
    if (d->quiet) {
        d->quiet--;
        return 0;
    }
    for (uint32_t i = 1; i < d->n_labels; i++)
        if (d->posterior[i] > d->posterior[best]) best = i;
    if (best < d->n_keywords && d->posterior[best] >= d->config.threshold &&
        (!d->has_candidate || d->posterior[best] > d->candidate.score)) {
        lp_event *c = &d->candidate; /* the first of a word's guesses is often not its best one */
        c->frame = d->frame - 1;
        c->middle = c->frame > d->config.latency ? c->frame - d->config.latency : 0;
        c->label = (uint16_t)best;
        c->score = d->posterior[best];
        d->has_candidate = 1;
        d->held = 0;
    } else if (d->has_candidate) {
        d->held++;
    }
    if (!d->has_candidate || d->held < d->config.hold) return 0;
    d->has_candidate = 0;
    d->quiet = d->config.refractory;
    *event = d->candidate;
    return 1;
}

const uint16_t *lp_detector_posterior(const lp_detector *d) { return d->posterior; }
