/* SPDX-License-Identifier: Apache-2.0 */
/* Synapses: what a valid description is, what the targets' accumulators must hold, and how spikes
 * are delivered, for each kind (SPEC.md, "Weights" and the codings).
 *
 * 3-bit rows are added two lanes at a time: codes are stored with an offset of 4, so sums only grow
 * and cannot borrow from the neighbouring lane; the offset is taken off once, when the slot is
 * consumed. lp_incoming proves that no lane can carry, or has the codes added one by one. */
#include "lp_core.h"
#include "lp_codes.h"

#define PAIRS(n) (((n) + 1u) / 2u)

int lp_weight(int32_t mantissa, uint32_t bits, lp_sign_mode mode, int32_t exponent, int32_t *weight)
{
    if (!weight || bits < 1 || bits > 8 || exponent < -8 || exponent > 7) return LP_E_ARG;
    if (mode != LP_SIGN_MIXED && mode != LP_SIGN_EXCITATORY && mode != LP_SIGN_INHIBITORY)
        return LP_E_ARG;
    int32_t lo = mode == LP_SIGN_EXCITATORY ? 0 : mode == LP_SIGN_MIXED ? -256 : -255;
    int32_t hi = mode == LP_SIGN_INHIBITORY ? 0 : 255;
    if (mantissa < lo || mantissa > hi) return LP_E_ARG;
    uint32_t lsb = 8 - bits + (mode == LP_SIGN_MIXED);
    int32_t magnitude = (int32_t)((uint32_t)(mantissa < 0 ? -mantissa : mantissa) >> lsb << lsb);
    int32_t m = mantissa < 0 ? -magnitude : magnitude;
    /* |m| <= 2^8, so |w| <= 2^15; >> floors */
    int32_t w = exponent >= 0 ? m * (1 << exponent) : m >> -exponent;
    *weight = lp_clip(w, -32767, 32767);
    return LP_OK;
}

/* ------------------------------------------------------------------------------ descriptions -- */

uint32_t lp_sources(const lp_core_spec *s, const lp_synapses *y)
{
    return y->src == LP_INPUT ? s->n_inputs : s->groups[y->src].n;
}

int lp_synapses_check(const lp_core_spec *s, const lp_synapses *y)
{
    if (y->dst < 0 || (uint32_t)y->dst >= s->n_groups || y->delay > LP_MAX_DELAY || y->shift > 12)
        return LP_E_ARG;
    if (y->src != LP_INPUT &&
        (y->src < 0 || (uint32_t)y->src >= s->n_groups || s->groups[y->src].silent))
        return LP_E_ARG;
    uint32_t n_src = lp_sources(s, y), n_dst = s->groups[y->dst].n;
    if (y->kind != LP_DIAGONAL && !y->data && n_src) return LP_E_ARG;
    switch (y->kind) {
    case LP_DENSE16: return LP_OK;
    case LP_DENSE3: return y->bytes == n_src * dense3_row(n_dst) ? LP_OK : LP_E_ARG;
    case LP_SPARSE16:
        if (!y->rows || y->rows[0] != 0) return LP_E_ARG;
        for (uint32_t i = 0; i < n_src; i++)
            if (y->rows[i + 1] < y->rows[i]) return LP_E_ARG;
        if (y->rows[n_src] && !y->targets) return LP_E_ARG;
        for (uint32_t k = 0; k < y->rows[n_src]; k++)
            if (y->targets[k] >= n_dst) return LP_E_ARG;
        return LP_OK;
    case LP_SPARSE3: return sparse3_valid(y->data, y->bytes, n_src, n_dst) ? LP_OK : LP_E_ARG;
    case LP_DIAGONAL:
        return n_src == n_dst && y->weight >= -32768 && y->weight <= 32767 ? LP_OK : LP_E_ARG;
    }
    return LP_E_ARG;
}

/* A group's accumulators: the longest delay, the words of a slot, and whether the lanes can take
 * whole words of LP_DENSE3 codes, so that none ever leaves 0..65535. `down` and `up` are the least
 * and the most that a lane may receive in a step. A group's compartment spikes at most once a step
 * and names a target once, which only 16-bit rows need not; of input axons at most n_inputs spikes
 * come in a step, which may all be of one axon. So a target gets at most as many codes of a block
 * as it has sources, and at most one weight of a diagonal, or n_inputs of them from the axons. With
 * 16-bit rows, or where the sums reach too far, codes are added one by one. base: what a lane
 * starts from, minus the least that it receives. */
incoming lp_incoming(const lp_core_spec *s, uint32_t group)
{
    incoming in = {0, PAIRS(s->groups[group].n), 0, 1};
    int64_t down = 0, up = 0; /* a block adds less than 2^32, there are fewer than 2^32 */
    for (uint32_t k = 0; k < s->n_synapses; k++) {
        const lp_synapses *y = &s->synapses[k];
        if ((uint32_t)y->dst != group) continue;
        const int64_t all = (int64_t)lp_sources(s, y) << y->shift; /* <= 2^28 */
        const int64_t weight = (int64_t)y->weight * (y->src == LP_INPUT ? s->n_inputs : 1);
        if (y->delay > in.delay) in.delay = y->delay;
        /* whole words are added: room for the padding codes */
        if (y->kind == LP_DENSE3) in.words = 5 * DENSE3_WORDS(s->groups[group].n);
        if (y->kind == LP_DENSE3) up += 7 * all; /* code + 4 */
        else if (y->kind == LP_SPARSE3) down += 4 * all, up += 3 * all;
        else if (y->kind == LP_DIAGONAL)
            *(weight < 0 ? &down : &up) += weight < 0 ? -weight : weight;
        else in.packed = 0;
    }
    in.words = lp_padded(2 * in.words) / 2; /* a loop over all lanes has no rest */
    if (down + up > 65535) in.packed = 0;
    if (in.packed) in.base = (uint16_t)down;
    return in;
}

/* ---------------------------------------------------------------------------------- delivery -- */

#if VECTORS
/* sum <- a + the rows, of sixteen targets a vector: they stay in registers over all rows. */
LP_INLINE void add_vectors(uint16_t *a, uint16_t *sum, const int16_t *weights, uint32_t n,
                           const uint16_t *list, size_t count, const uint32_t vectors)
{
    lanes16 s[8], *const from = lp_hidden(a), *const to = sum == a ? from : lp_hidden(sum);
    for (uint32_t k = 0; k < vectors; k++) s[k] = from[k];
    for (const uint16_t *const end = list + count; list != end; list++) {
        const lanes16 *row = lp_hidden((void *)(weights + (size_t)*list * n));
        for (uint32_t k = 0; k < vectors; k++) s[k] += row[k];
    }
    for (uint32_t k = 0; k < vectors; k++) to[k] = s[k];
}

/* Where n is no multiple of sixteen, the last sixteen targets are a vector of their own, summed
 * before the others are: what both have is the same in both. */
LP_CLONES static void add_dense16(uint16_t *a, const int16_t *weights, uint32_t n,
                                  const uint16_t *list, size_t count)
{
    uint16_t last[16];
    uint32_t i = 0;
    if (n % 16 && n > 16) add_vectors(a + n - 16, last, weights + n - 16, n, list, count, 1);
    for (; i + 128 <= n; i += 128) add_vectors(a + i, a + i, weights + i, n, list, count, 8);
    for (; i + 64 <= n; i += 64) add_vectors(a + i, a + i, weights + i, n, list, count, 4);
    for (; i + 32 <= n; i += 32) add_vectors(a + i, a + i, weights + i, n, list, count, 2);
    for (; i + 16 <= n; i += 16) add_vectors(a + i, a + i, weights + i, n, list, count, 1);
    if (i == n) return;
    if (n > 16) lp_copy(a + n - 16, last, sizeof last);
    for (; n < 16 && i < n; i++)
        for (size_t k = 0; k < count; k++)
            a[i] = (uint16_t)(a[i] + (uint16_t)weights[(size_t)list[k] * n + i]);
}
#else
static void add_dense16(uint16_t *restrict a, const int16_t *weights, uint32_t n,
                        const uint16_t *list, size_t count)
{
    size_t k = 0;
    for (; k + 1 < count; k += 2) { /* two rows a pass: half the accumulator traffic */
        const int16_t *restrict x = weights + (size_t)list[k] * n;
        const int16_t *restrict y = weights + (size_t)list[k + 1] * n;
        for (uint32_t i = 0; i < n; i++) a[i] = (uint16_t)(a[i] + (uint16_t)x[i] + (uint16_t)y[i]);
    }
    if (k < count) {
        const int16_t *restrict x = weights + (size_t)list[k] * n;
        for (uint32_t i = 0; i < n; i++) a[i] = (uint16_t)(a[i] + (uint16_t)x[i]);
    }
}
#endif

/* Long rows come from far away: a few at a time, from end to end, as memory streams. */
#define STREAMS 8u
#define LONG_ROW 1024u

/* Word k of a row, field j (bits 3 j) of its halves: codes + 4 of compartments 2 (j words + k) and
 * one more. Up to nine rows are summed before they are unpacked, every other field at a time: 9 * 7
 * = 63 fills the 6 bits that a field then has. lp_incoming has shown that no lane passes 65535, so
 * w + w is two 16-bit sums. */
LP_CLONES static void add_dense3(lanes *restrict acc, const uint8_t *codes, uint32_t words,
                                 uint32_t shift, const uint16_t *list, size_t count)
{
    const uint8_t *rows[9];
    while (count) {
        const size_t block = count < 9 ? count : 9;
        for (size_t r = 0; r < block; r++) rows[r] = codes + (size_t)list[r] * words * 4;
        for (uint32_t k = 0; k < words; k++) {
            uint32_t even = 0, odd = 0, last = 0;
            for (size_t r = 0; r < block; r++) {
                uint32_t w = lp_le32(rows[r] + 4 * k);
                even += w & 0x01c701c7u;
                odd += w >> 3 & 0x01c701c7u;
                last += w >> 12 & 0x00070007u;
            }
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
            even = even << 16 | even >> 16; /* h[0] is the upper half here */
            odd = odd << 16 | odd >> 16;
            last = last << 16 | last >> 16;
#endif
            acc[k].w += (even & 0x003f003fu) << shift;
            acc[words + k].w += (odd & 0x003f003fu) << shift;
            acc[2 * words + k].w += (even >> 6 & 0x003f003fu) << shift;
            acc[3 * words + k].w += (odd >> 6 & 0x003f003fu) << shift;
            acc[4 * words + k].w += last << shift;
        }
        list += block;
        count -= block;
    }
}

/* The same row where a lane could carry: code by code, in 16 bits that wrap. */
static void add_dense3_each(uint16_t *acc, const uint8_t *codes, uint32_t n, uint32_t shift,
                            const uint16_t *list, size_t count)
{
    const uint32_t words = DENSE3_WORDS(n);
    for (size_t s = 0; s < count; s++) {
        for (uint32_t k = 0; k < words; k++) {
            uint32_t w = lp_le32(codes + ((size_t)list[s] * words + k) * 4);
            for (uint32_t i = 2 * k; i < n; i += 2 * words) { /* field by field */
                acc[i] = (uint16_t)(acc[i] + (((w & 7) - 4u) << shift));
                if (i + 1 < n)
                    acc[i + 1] = (uint16_t)(acc[i + 1] + (((w >> 16 & 7) - 4u) << shift));
                w >>= 3;
            }
        }
    }
}

#if VECTORS
#define AHEAD 4u /* rows */
typedef uint64_t four16 __attribute__((aligned(2), may_alias));

/* Asks for a row that is due next, a cache line of 64 bytes at a time. */
LP_INLINE void ask_for(const uint16_t *targets, const int16_t *weights, uint32_t n)
{
    for (uint32_t k = 0; k < n; k += 32) {
        __builtin_prefetch(targets + k);
        __builtin_prefetch(weights + k);
    }
}
#endif

static uint64_t add_sparse16(uint16_t *restrict acc, const lp_synapses *y, const uint16_t *list,
                             size_t count)
{
    const int16_t *restrict weights = y->data;
    const uint16_t *restrict targets = y->targets;
    const uint32_t *restrict rows = y->rows;
    uint64_t visited = 0;
    for (size_t s = 0; s < count; s++) {
        const uint32_t from = rows[list[s]], to = rows[list[s] + 1u];
        uint32_t k = from;
#if VECTORS
        if (s + 2 * AHEAD < count) __builtin_prefetch(rows + list[s + 2 * AHEAD]);
        if (s + AHEAD < count) {
            const uint32_t at = rows[list[s + AHEAD]];
            ask_for(targets + at, weights + at, rows[list[s + AHEAD] + 1u] - at);
        }
        for (; k + 4 <= to; k += 4) { /* four of each by one load */
            const uint64_t t = *(const four16 *)(targets + k);
            const uint64_t w = *(const four16 *)(weights + k);
            acc[t & 0xffff] = (uint16_t)(acc[t & 0xffff] + (uint16_t)w);
            acc[t >> 16 & 0xffff] = (uint16_t)(acc[t >> 16 & 0xffff] + (uint16_t)(w >> 16));
            acc[t >> 32 & 0xffff] = (uint16_t)(acc[t >> 32 & 0xffff] + (uint16_t)(w >> 32));
            acc[t >> 48] = (uint16_t)(acc[t >> 48] + (uint16_t)(w >> 48));
        }
#endif
        for (; k < to; k++) acc[targets[k]] = (uint16_t)(acc[targets[k]] + (uint16_t)weights[k]);
        visited += to - from;
    }
    return visited;
}

static uint64_t add_sparse3(uint16_t *acc, const lp_synapses *y, const uint16_t *list, size_t count)
{
    uint64_t visited = 0;
    for (size_t s = 0; s < count; s++) {
        const uint8_t *e;
        const uint32_t n = sparse3_row(y->data, list[s], &e);
        for (uint32_t k = 0; k < n; k++) {
            uint32_t i;
            int32_t code = sparse3_entry(e + 2 * k, &i);
            acc[i] = (uint16_t)(acc[i] + ((uint32_t)code << y->shift));
        }
        visited += n;
    }
    return visited;
}

uint64_t lp_deliver(group_state *t, const lp_synapses *y, const uint16_t *list, size_t count)
{
    const uint32_t n = t->spec->n;
    uint32_t slot = t->head + 1 + y->delay;
    /* head < slots and delay < slots: one subtraction is enough */
    if (slot >= t->slots) slot -= t->slots;
    if (t->wide) return lp_strict_add(t->wide + (size_t)slot * t->stride * 2, y, n, list, count);
    lanes *acc = t->acc + (size_t)slot * t->stride;
    switch (y->kind) {
    case LP_DENSE16: {
        size_t k = 0;
        if (VECTORS && n >= LONG_ROW)
            for (; count - k > STREAMS; k += STREAMS)
                add_dense16(acc->h, y->data, n, list + k, STREAMS);
        add_dense16(acc->h, y->data, n, list + k, count - k);
        break;
    }
    case LP_DENSE3:
        if (!t->packed) {
            add_dense3_each(acc->h, y->data, n, y->shift, list, count);
            break;
        }
        add_dense3(acc, y->data, DENSE3_WORDS(n), y->shift, list, count);
        t->offset[slot] = (uint16_t)(t->offset[slot] + (uint16_t)((4u * count) << y->shift));
        break;
    case LP_SPARSE16: return add_sparse16(acc->h, y, list, count);
    case LP_SPARSE3: return add_sparse3(acc->h, y, list, count);
    case LP_DIAGONAL:
        for (size_t s = 0; s < count; s++)
            acc[list[s] / 2].h[list[s] % 2] = (uint16_t)(acc[list[s] / 2].h[list[s] % 2] +
                                                         (uint32_t)y->weight);
        return count;
    }
    return (uint64_t)n * count;
}
