/* SPDX-License-Identifier: Apache-2.0 */
/* Logits -> means over sliding windows -> posteriors, combined by their geometric mean -> events
 * (SPEC.md, "Detector"). One frame in `stride` is a decision; the others only count as time. */
#include "lp_detect.h"
#include "lp_fix.h"

struct lp_detector {
    uint32_t n_labels, n_keywords;
    size_t rows;        /* of n_labels int16: what the memory has for sums and ring */
    uint32_t n_windows; /* of the configuration, and decisions in the longest of them */
    uint32_t longest;
    uint32_t frame;   /* frames pushed since the last reset */
    uint32_t skipped; /* frames pushed since the last decision: below stride */
    uint32_t at;      /* ring position, below longest */
    uint32_t quiet;   /* decisions left of the refractory period */
    uint32_t awake;   /* decisions left in which commands count */
    uint32_t held;    /* decisions for which the candidate has stayed unbeaten */
    lp_event candidate;
    int has_candidate;
    uint64_t *product;         /* [n_labels], of the windows' posteriors */
    uint16_t *posterior;       /* [n_labels] */
    int32_t *sums;             /* [n_windows][n_labels] */
    int16_t *ring;             /* [longest][n_labels], the last decisions' logits */
    lp_detector_config config; /* last: the fields above are near, in shorter instructions */
};

/* How many windows there are; 0 where they are not multiples of the stride that rise within
 * 1..LP_MAX_WINDOW, or something follows the last one. */
LP_ONCE static uint32_t windows(const lp_detector_config *c)
{
    uint32_t n = 0, longest = 0;
    for (uint32_t i = 0; i < LP_MAX_WINDOWS; i++) {
        const uint32_t window = c->windows[i];
        if (!window) continue;
        if (i > n || window <= longest || window > LP_MAX_WINDOW) return 0;
        if (!c->stride || window % c->stride) return 0;
        longest = window;
        n++;
    }
    return n;
}

LP_ONCE int lp_detector_valid(const lp_detector_config *c, uint32_t n_keywords)
{
    for (uint32_t i = 0; i < n_keywords; i++)
        if (c->thresholds[i] > 32767) return 0;
    return windows(c) && c->wake_words <= n_keywords && (c->wake_words || !c->wake);
}

/* Everything but sums and ring, which come last and take what is left. */
LP_ONCE static lp_detector *place(lp_arena *a, uint32_t n_labels)
{
    lp_detector *d = lp_take(a, sizeof(lp_detector));
    uint64_t *product = lp_take(a, n_labels * sizeof(uint64_t));
    uint16_t *posterior = lp_take(a, n_labels * sizeof(uint16_t));
    if (d) {
        d->product = product;
        d->posterior = posterior;
        d->sums = (int32_t *)(void *)(a->base + a->used);
    }
    return d;
}

LP_ONCE int lp_detector_size(uint32_t n_labels, const lp_detector_config *config, size_t *bytes)
{
    lp_arena a = {0};
    const uint32_t n = config ? windows(config) : 0;
    if (!bytes || n_labels < 1 || n_labels > LP_MAX_LABELS || !n) return LP_E_ARG;
    place(&a, n_labels);
    lp_take(&a, (2 * n + config->windows[n - 1] / config->stride) * n_labels * sizeof(int16_t));
    *bytes = a.used;
    return LP_OK;
}

LP_ONCE int lp_detector_init(lp_detector **out, uint32_t n_labels, uint32_t n_keywords,
                             const lp_detector_config *config, void *memory, size_t bytes)
{
    size_t need;
    int e = lp_detector_size(n_labels, config, &need);
    if (e) return e;
    if (!out || !memory || n_keywords > n_labels) return LP_E_ARG;
    if (bytes < need || (uintptr_t)memory % 8) return LP_E_SPACE;
    lp_arena a = {memory, 0};
    lp_detector *d = place(&a, n_labels);
    d->n_labels = n_labels;
    d->n_keywords = n_keywords;
    d->rows = (bytes - a.used) / (n_labels * sizeof(int16_t));
    d->config.windows[0] = 0; /* no configuration has that: this one is new, and clears */
    if ((e = lp_detector_configure(d, config))) return e;
    d->frame = 0;
    *out = d;
    return LP_OK;
}

LP_ONCE static void clear(lp_detector *d)
{
    lp_zero(d->sums, (2 * d->n_windows + d->longest) * d->n_labels * sizeof(int16_t));
    lp_zero(d->posterior, d->n_labels * sizeof(uint16_t));
    d->skipped = d->at = d->quiet = d->awake = d->held = 0;
    d->has_candidate = 0;
}

/* Sums, ring and open frames mean the same under both. */
LP_ONCE static int goes_on(const lp_detector_config *a, const lp_detector_config *b)
{
    for (uint32_t i = 0; i < LP_MAX_WINDOWS; i++)
        if (a->windows[i] != b->windows[i]) return 0;
    return a->stride == b->stride && a->wake_words == b->wake_words;
}

LP_ONCE int lp_detector_configure(lp_detector *d, const lp_detector_config *c)
{
    if (!d || !c || !lp_detector_valid(c, d->n_keywords)) return LP_E_ARG;
    const uint32_t n = windows(c);
    const uint32_t longest = c->windows[n - 1] / c->stride;
    if (2 * n + longest > d->rows) return LP_E_SPACE;
    const int keep = goes_on(&d->config, c);
    d->config = *c;
    if (keep) return LP_OK;
    d->n_windows = n;
    d->longest = longest;
    d->ring = (int16_t *)(void *)(d->sums + n * d->n_labels);
    clear(d);
    return LP_OK;
}

void lp_detector_reset(lp_detector *d)
{
    if (!d) return;
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

LP_INLINE uint32_t decisions(const lp_detector *d, uint32_t window)
{
    return d->config.windows[window] / d->config.stride;
}

/* The ring takes a frame of logits; each window's sum gains it and loses the one that leaves the
 * window, a zero before it was full. |sum| <= LP_MAX_WINDOW * 32767 < 2^23. */
static void take_frame(lp_detector *d, const int32_t *logits)
{
    const uint32_t n = d->n_labels;
    int16_t *row = d->ring + (size_t)d->at * n, *now = (int16_t *)d->posterior; /* scratch */
    for (uint32_t i = 0; i < n; i++) now[i] = (int16_t)lp_clip(logits[i], -32767, 32767);
    for (uint32_t k = 0; k < d->n_windows; k++) {
        const uint32_t window = decisions(d, k);
        /* for the longest window that is row itself, not yet overwritten */
        const uint32_t back = d->at >= window ? d->at - window : d->at + d->longest - window;
        const int16_t *old = d->ring + (size_t)back * n;
        for (uint32_t i = 0; i < n; i++) d->sums[k * n + i] += now[i] - old[i];
    }
    for (uint32_t i = 0; i < n; i++) row[i] = now[i];
    d->at = d->at + 1 == d->longest ? 0 : d->at + 1;
}

/* product[i] *= posterior Q15 of one window: softmax of its mean. d->posterior is the scratch.
 * Decisions before the first count as all-zero logits: a start is never a detection. */
static void multiply_softmax(lp_detector *d, const int32_t *sum, int32_t window)
{
    int32_t best = INT32_MIN;
    uint32_t total = 0;
    for (uint32_t i = 0; i < d->n_labels; i++) best = lp_max(best, sum[i]);
    best /= window; /* the greatest mean */
    for (uint32_t i = 0; i < d->n_labels; i++) {
        d->posterior[i] = (uint16_t)exp_q15((uint32_t)(best - sum[i] / window));
        total += d->posterior[i]; /* <= 64 * 2^15 = 2^21; >= 2^15, the best one's */
    }
    for (uint32_t i = 0; i < d->n_labels; i++) /* 2^15 * 2^15; <= 32767 after the division */
        d->product[i] *= (uint32_t)d->posterior[i] * 32767u / total;
}

/* d->posterior <- the largest q with q^n <= the product x, bit by bit. x <= 32767^n with n <= 4: q
 * has at most 15 bits and no power passes 2^60. */
#if LP_WIDE /* all labels side by side */
static void search(uint32_t *restrict q, const uint64_t *restrict x, uint32_t labels, uint32_t n)
{
    for (uint32_t bit = 1u << 14; bit; bit >>= 1)
        for (uint32_t i = 0; i < (labels & ~7u); i++) {
            const uint32_t c = q[i] | bit, square = c * c, more = n == 3 ? c : n == 2 ? 1 : square;
            q[i] = (int64_t)((uint64_t)square * more) <= (int64_t)x[i] ? c : q[i];
        }
}
LP_CLONES static void roots(lp_detector *d)
{
    uint32_t q[LP_MAX_LABELS] = {0};
    uint64_t x[LP_MAX_LABELS] = {0}; /* up to the next eight: nobody's */
    for (uint32_t i = 0; i < d->n_labels; i++) x[i] = d->product[i];
    search(q, x, (d->n_labels + 7) & ~7u, d->n_windows);
    for (uint32_t i = 0; i < d->n_labels; i++)
        d->posterior[i] = (uint16_t)(d->n_windows == 1 ? d->product[i] : q[i]);
}
#else /* with b = place / n, x < 2^(place + 1) <= 2^(n (b + 1)), so q < 2^(b + 1) */
static uint16_t root(uint64_t x, uint32_t n)
{
    int32_t place;
    uint32_t q = 0;
    if (n == 1 || !x) return (uint16_t)x;
    lp_top_bits(x, &place);
    for (uint32_t bit = 1u << (uint32_t)place / n; bit; bit >>= 1) {
        const uint32_t c = q | bit, square = c * c;
        const uint32_t more = lp_register(n == 3 ? c : n == 2 ? 1 : square); /* 32 bits of it */
        if ((uint64_t)square * more <= x) q = c;
    }
    return (uint16_t)q;
}
LP_INLINE void roots(lp_detector *d)
{
    for (uint32_t i = 0; i < d->n_labels; i++) d->posterior[i] = root(d->product[i], d->n_windows);
}
#endif

/* Geometric mean of the windows' posteriors. Not renormalised: where the windows disagree all
 * posteriors fall, and that is what keeps false events away (DESIGN.md). */
static void combine(lp_detector *d)
{
    for (uint32_t i = 0; i < d->n_labels; i++) d->product[i] = 1;
    for (uint32_t k = 0; k < d->n_windows; k++)
        multiply_softmax(d, d->sums + k * d->n_labels, (int32_t)decisions(d, k));
    roots(d);
}

/* May this label become an event now? Without wake words every keyword may. In the refractory
 * period of a wake word's event, commands may; in that of a command's event, nothing may. There is
 * no candidate when a period begins, so one that is there was let in as a command behind a wake
 * word; until then, d->candidate is still the last event. */
static int counts(const lp_detector *d, uint32_t label, uint32_t awake)
{
    const uint32_t n = awake || !d->config.wake_words ? d->n_keywords : d->config.wake_words;
    if (d->quiet && !(d->has_candidate || d->candidate.wake)) return 0;
    if (d->quiet && label < d->config.wake_words) return 0;
    return label < n && d->posterior[label] >= d->config.thresholds[label];
}

int lp_detector_push(lp_detector *d, const int32_t *logits, lp_event *event)
{
    if (!d || !logits || !event) return LP_E_ARG;
    const uint32_t stride = d->config.stride;
    d->frame++;
    if (++d->skipped < stride) return 0;
    d->skipped = 0;
    uint32_t best = 0, awake = d->awake;
    take_frame(d, logits);
    combine(d);
    if (d->awake) d->awake--;
    for (uint32_t i = 1; i < d->n_labels; i++)
        if (d->posterior[i] > d->posterior[best]) best = i;
    if (counts(d, best, awake) && (!d->has_candidate || d->posterior[best] > d->candidate.score)) {
        lp_event *c = &d->candidate; /* the first of a word's guesses is often not its best one */
        c->frame = d->frame - 1;
        c->middle = c->frame > d->config.latency ? c->frame - d->config.latency : 0;
        c->label = (uint16_t)best;
        c->score = d->posterior[best];
        c->wake = best < d->config.wake_words;
        d->has_candidate = 1;
        d->held = 0;
    } else if (d->has_candidate) {
        d->held++;
    }
    if (d->quiet) d->quiet--;
    if (!d->has_candidate || d->held * stride < d->config.hold) return 0;
    d->has_candidate = 0;
    d->quiet = d->config.refractory / stride; /* so many of these frames decide */
    if (d->candidate.wake) d->awake = d->config.wake / stride;
    *event = d->candidate;
    return 1;
}

const uint16_t *lp_detector_posterior(const lp_detector *d) { return d ? d->posterior : NULL; }
uint32_t lp_detector_awake(const lp_detector *d) { return d ? d->awake * d->config.stride : 0; }
