/* SPDX-License-Identifier: Apache-2.0 */
/* The only reader of untrusted bytes: an .lpb model, in place (SPEC.md, "Model file").
 * Everything is checked here, once; behind lp_model_open nothing is checked again. */
#include "lp_codes.h"
#include "lp_detect.h"
#include "lp_fix.h"

#define HEADER_BYTES 12u /* magic, major, minor, 2 reserved, size */
#define CRC_BYTES 4u

uint32_t lp_crc32(uint32_t crc, const uint8_t *bytes, size_t size)
{
    static const uint32_t nibble[16] = {/* 64 bytes of flash instead of 1 KB */
                                        0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu,
                                        0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
                                        0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
                                        0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
    if (!bytes) size = 0;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return ~crc;
}

/* A cursor that never passes the end: after the first bad read everything reads as 0 and `bad`
 * stays set. */
typedef struct {
    const uint8_t *at, *end;
    int bad;
} cursor;

static const uint8_t *take(cursor *c, size_t n)
{
    static const uint8_t zeros[4] = {0};
    if (c->bad || (size_t)(c->end - c->at) < n) {
        c->bad = 1;
        return zeros; /* only fixed-size reads of up to 4 bytes use the result of a bad take */
    }
    const uint8_t *p = c->at;
    c->at += n;
    return p;
}

static uint32_t take8(cursor *c) { return *take(c, 1); }
static uint32_t take16(cursor *c) { return lp_le16(take(c, 2)); }
static uint32_t take32(cursor *c) { return lp_le32(take(c, 4)); }

static int matrix(cursor *c, lp_matrix *m, uint32_t n_in, uint32_t n_out)
{
    uint32_t coding = take8(c);
    m->scale = (uint8_t)take8(c);
    m->bytes = take32(c);
    m->n_in = n_in;
    m->n_out = n_out;
    m->codes = take(c, m->bytes);
    if (c->bad || coding > 1) return LP_E_FORMAT;
    m->kind = coding ? LP_SPARSE3 : LP_DENSE3;
    if (m->kind == LP_DENSE3) return m->bytes == n_in * dense3_row(n_out) ? LP_OK : LP_E_FORMAT;
    return sparse3_valid(m->codes, m->bytes, n_in, n_out) ? LP_OK : LP_E_FORMAT;
}

static int layer(cursor *c, lp_layer *l, uint32_t n_in)
{
    uint32_t flags;
    int e;
    l->n = take16(c);
    flags = take8(c);
    l->bias_shift = (uint8_t)take8(c);
    if (c->bad || flags > 1 || l->n < 1 || l->bias_shift > 7) return LP_E_FORMAT;
    if (l->n > LP_MAX_UNITS) return LP_E_LIMIT;
    l->recurrent = (uint8_t)flags;
    l->bias = take(c, 2 * (size_t)l->n);
    if (c->bad) return LP_E_FORMAT;
    if ((e = matrix(c, &l->w, n_in, l->n))) return e;
    return l->recurrent ? matrix(c, &l->u, l->n, l->n) : LP_OK;
}

static int front_end(cursor *c)
{
    static const uint16_t expected[] = {LP_SAMPLE_RATE & 0xffff,
                                        LP_SAMPLE_RATE >> 16, /* 32 bits */
                                        LP_WINDOW,
                                        LP_HOP,
                                        LP_FEATURES,
                                        LP_FRONTEND_VERSION};
    int same = 1;
    for (uint32_t i = 0; i < sizeof expected / sizeof *expected; i++)
        same &= take16(c) == expected[i];
    return c->bad ? LP_E_FORMAT : same ? LP_OK : LP_E_FRONTEND;
}

static int operating_point(cursor *c, lp_model *m)
{
    /* from, and how far: delta, steps, feedback, three shifts, logit_mul, logit_shift */
    static const uint16_t ranges[][2] = {{1, 4095}, {1, 255}, {1, 32766}, {(uint16_t)-16, 22},
                                         {0, 15},   {0, 15},  {1, 254},   {0, 24}};
    uint16_t x[sizeof ranges / sizeof *ranges];
    int good = 1;
    for (uint32_t i = 0; i < sizeof x / sizeof *x; i++) {
        x[i] = (uint16_t)take16(c);
        good &= (uint16_t)(x[i] - ranges[i][0]) <= ranges[i][1];
    }
    m->delta = x[0], m->steps = x[1], m->feedback = x[2];
    m->drive_shift = (int16_t)x[3], m->synapse_shift = x[4], m->output_shift = x[5];
    m->logit_mul = x[6], m->logit_shift = x[7];
    m->ceiling = (int32_t)take32(c);
    good &= m->ceiling >= 1 && m->ceiling <= LP_V_LIMIT;
    return good && !c->bad ? LP_OK : LP_E_FORMAT;
}

/* The first window and the first keyword's threshold, which in a 1.0 file is that of all. */
static int detector(cursor *c, lp_model *m)
{
    lp_detector_config *d = &m->detector;
    d->windows[0] = (uint16_t)take16(c);
    d->thresholds[0] = (uint16_t)take16(c);
    d->refractory = (uint16_t)take16(c);
    d->latency = (uint16_t)take16(c);
    d->hold = (uint16_t)take16(c);
    d->stride = 1;
    for (uint32_t i = 1; i < LP_MAX_LABELS; i++) d->thresholds[i] = d->thresholds[0];
    return !c->bad && lp_detector_valid(d, 1) ? LP_OK : LP_E_FORMAT;
}

/* Format 1.1: further windows, wake words, further thresholds. 1.2: the stride. */
static int detector_more(cursor *c, lp_model *m)
{
    lp_detector_config *d = &m->detector;
    for (uint32_t i = 1; i < LP_MAX_WINDOWS; i++) d->windows[i] = (uint16_t)take16(c);
    d->wake_words = (uint16_t)take16(c);
    d->wake = (uint16_t)take16(c);
    for (uint32_t i = 1; i < m->n_keywords; i++) d->thresholds[i] = (uint16_t)take16(c);
    if (m->minor >= 2) d->stride = (uint16_t)take16(c);
    return !c->bad && lp_detector_valid(d, m->n_keywords) ? LP_OK : LP_E_FORMAT;
}

static int label_list(cursor *c, lp_model *m)
{
    m->n_labels = (uint16_t)take16(c);
    m->n_keywords = (uint16_t)take16(c);
    if (c->bad || m->n_labels < 1 || m->n_keywords > m->n_labels) return LP_E_FORMAT;
    if (m->n_labels > LP_MAX_LABELS) return LP_E_LIMIT;
    m->labels = c->at;
    for (uint32_t i = 0; i < m->n_labels; i++) {
        uint32_t length = take8(c);
        const uint8_t *text = take(c, length);
        if (c->bad || length == 0) return LP_E_FORMAT;
        while (length--) /* it will be shown on terminals */
            if (text[length] < 0x20 || text[length] == 0x7f) return LP_E_FORMAT;
    }
    return LP_OK;
}

/* A matrix's shift on the core must be one the core can do. */
static int shift_fits(const lp_matrix *m, uint32_t shift)
{
    return m->scale <= shift && shift - m->scale <= 12;
}

static int layers(cursor *c, lp_model *m)
{
    uint32_t n_in = LP_FEATURES;
    m->n_layers = (uint16_t)take16(c);
    if (c->bad || m->n_layers < 2) return LP_E_FORMAT;
    if (m->n_layers > LP_MAX_LAYERS) return LP_E_LIMIT;
    for (uint32_t i = 0; i < m->n_layers; i++) {
        lp_layer *l = &m->layers[i];
        int e = layer(c, l, n_in), last = i + 1u == m->n_layers;
        if (e) return e;
        if (last ? l->recurrent || l->n != m->n_labels : 0) return LP_E_FORMAT;
        if (i && !shift_fits(&l->w, last ? m->output_shift : m->synapse_shift)) return LP_E_FORMAT;
        if (l->recurrent && !shift_fits(&l->u, m->synapse_shift)) return LP_E_FORMAT;
        n_in = l->n;
    }
    return LP_OK;
}

int lp_model_open(lp_model *m, const uint8_t *bytes, size_t size)
{
    int e;
    if (!m || (!bytes && size)) return LP_E_ARG;
    lp_zero(m, sizeof *m);
    for (size_t i = 0; i < 4; i++)
        if (i < size && bytes[i] != (uint8_t)"\211LPB"[i]) return LP_E_MAGIC;
    if (size < HEADER_BYTES + CRC_BYTES) return LP_E_TRUNCATED;
    m->major = bytes[4];
    m->minor = bytes[5];
    m->size = lp_le32(bytes + 8);
    if (m->major != LP_FORMAT_MAJOR) return LP_E_MAJOR;
    if (size < m->size || m->size < HEADER_BYTES + CRC_BYTES) return LP_E_TRUNCATED;
    if (size > m->size) return LP_E_TRAILING;
    m->crc = lp_le32(bytes + size - CRC_BYTES);
    if (lp_crc32(0, bytes, size - CRC_BYTES) != m->crc) return LP_E_CHECKSUM;
    if (m->minor > LP_FORMAT_MINOR) return LP_E_MINOR;
    if (lp_le16(bytes + 6) != 0) return LP_E_FORMAT;

    m->bytes = bytes;
    cursor c = {bytes + HEADER_BYTES, bytes + size - CRC_BYTES, 0};
    if ((e = front_end(&c))) return e;
    if ((e = operating_point(&c, m))) return e;
    if ((e = detector(&c, m))) return e;
    if ((e = label_list(&c, m))) return e;
    if ((e = layers(&c, m))) return e;
    m->provenance_bytes = take32(&c);
    m->provenance = take(&c, m->provenance_bytes);
    if (m->minor >= 1 && (e = detector_more(&c, m))) return e;
    return c.bad || c.at != c.end ? LP_E_FORMAT : LP_OK;
}

const char *lp_model_label(const lp_model *m, uint32_t index, size_t *length)
{
    if (!m || !length || index >= m->n_labels) return NULL;
    const uint8_t *p = m->labels;
    while (index--) p += 1 + *p;
    *length = *p;
    return (const char *)p + 1;
}
