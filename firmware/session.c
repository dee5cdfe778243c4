/* SPDX-License-Identifier: Apache-2.0 */
/* Why it survives a bad line: a frame is taken only if its checksum holds and its number is the
 * next one, so each request runs exactly once and in order; replies are kept until they can no
 * longer be asked for, so a repeated request is answered again but not run again. */
#include "session.h"
#include "hal.h"
#include "microphone.h"

/* ----------------------------------------------------------------------------------- replies -- */

static kept_reply *begin(session *s, uint8_t type, uint16_t number)
{
    kept_reply *r = &s->replies[number % WINDOW];
    r->bytes[0] = type;
    r->bytes[1] = (uint8_t)number;
    r->bytes[2] = (uint8_t)(number >> 8);
    r->n = 3;
    return r;
}

/* spot_init() has shown that every reply fits into REPLY_BODY. */
static void put8(kept_reply *r, uint32_t x) { r->bytes[r->n++] = (uint8_t)x; }
static void put16(kept_reply *r, uint32_t x) { put8(r, x), put8(r, x >> 8); }
static void put32(kept_reply *r, uint32_t x) { put16(r, x), put16(r, x >> 16); }
static void put64(kept_reply *r, uint64_t x)
{
    put32(r, (uint32_t)x), put32(r, (uint32_t)(x >> 32));
}

static void error(kept_reply *r, error_cause cause, int detail)
{
    r->bytes[0] = T_ERROR;
    r->n = 3;
    put8(r, cause);
    put16(r, (uint16_t)detail);
}

static void refuse(session *s, refusal why)
{
    uint8_t payload[] = {T_REFUSED, (uint8_t)s->next, (uint8_t)(s->next >> 8), (uint8_t)why};
    s->refused[why]++;
    frame_send(payload, sizeof payload);
}

/* ---------------------------------------------------------------------------------- requests -- */

/* The detector's parameters as HELLO says and CONFIGURE takes them: the fields of
 * lp_detector_config in their order, a threshold for each keyword. */
#define DETECTOR_BYTES(n_keywords) (2 * (LP_MAX_WINDOWS + 6 + (n_keywords)))

static void put_detector(kept_reply *r, const lp_detector_config *c, uint32_t n_keywords)
{
    for (uint32_t i = 0; i < LP_MAX_WINDOWS; i++) put16(r, c->windows[i]);
    put16(r, c->stride), put16(r, c->refractory), put16(r, c->latency), put16(r, c->hold);
    put16(r, c->wake_words), put16(r, c->wake);
    for (uint32_t i = 0; i < n_keywords; i++) put16(r, c->thresholds[i]);
}

static uint16_t le16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint32_t le32(const uint8_t *p) { return le16(p) | (uint32_t)le16(p + 2) << 16; }

static lp_detector_config get_detector(const uint8_t *p, uint32_t n_keywords)
{
    lp_detector_config c = {0};
    for (uint32_t i = 0; i < LP_MAX_WINDOWS; i++, p += 2) c.windows[i] = le16(p);
    c.stride = le16(p), c.refractory = le16(p + 2), c.latency = le16(p + 4);
    c.hold = le16(p + 6), c.wake_words = le16(p + 8), c.wake = le16(p + 10);
    for (uint32_t i = 0; i < n_keywords; i++) c.thresholds[i] = le16(p + 12 + 2 * i);
    return c;
}

/* Whose samples from now on: the microphone's, which start a stream of their own, or the host's. */
static void microphone(session *s, int on)
{
    listener *l = &s->listener;
    if (on == l->on) return;
    l->on = (uint8_t)on;
    l->first = l->next = l->told = 0;
    l->peak = l->top = l->taken = 0;
    l->lost = mic_lost();
    spot_reset(&s->spot);
    mic_switch(on);
}

static void hello(session *s, kept_reply *r)
{
    size_t name = 0;
    s->outputs = 0;
    const lp_model *model = &s->spot.model;
    lp_detector_configure(s->spot.detector, &model->detector);
    microphone(s, 0);
    spot_reset(&s->spot);
    put8(r, PROTOCOL_VERSION);
    put8(r, LP_VERSION_MAJOR), put8(r, LP_VERSION_MINOR), put8(r, LP_VERSION_PATCH);
    put32(r, model->crc);
    put16(r, model->n_labels), put16(r, model->n_keywords);
    put8(r, WINDOW);
    put16(r, hal_receive_bytes);
    put8(r, 0x0f); /* outputs it can send */
    /* inputs it takes: audio 16, audio 8, features, a microphone of its own */
    put8(r, mic_room ? 0x0f : 0x07);
    put_detector(r, &model->detector, model->n_keywords);
    while (name < 15 && hal_name[name]) name++;
    put8(r, (uint32_t)name);
    for (size_t i = 0; i < name; i++) put8(r, (uint8_t)hal_name[i]);
}

static void label(const session *s, const uint8_t *body, kept_reply *r)
{
    size_t length = 0;
    const char *text = lp_model_label(&s->spot.model, body[0], &length);
    if (!text) {
        error(r, E_VALUE, body[0]);
        return;
    }
    for (size_t i = 0; i < length; i++) put8(r, (uint8_t)text[i]);
}

static void configure(session *s, const uint8_t *body, kept_reply *r)
{
    lp_detector_config c = get_detector(body + 1, s->spot.model.n_keywords);
    uint32_t o = body[0];
    if (o > 15) error(r, E_VALUE, (int)o);
    else if (lp_detector_configure(s->spot.detector, &c)) error(r, E_VALUE, 0);
    else s->outputs = (uint8_t)o;
}

static void statistics(session *s, kept_reply *r)
{
    const spot *x = &s->spot;
    put32(r, x->frames), put32(r, x->events), put32(r, s->requests), put32(r, s->repeats);
    for (uint32_t i = R_LONG; i <= R_NO_SESSION; i++) put32(r, s->refused[i]);
    put32(r, hal_lost());
    put32(r, (uint32_t)hal_stack_used());
    put64(r, x->spikes), put64(r, x->synops);
    put64(r, x->ticks_frontend), put64(r, x->ticks_net), put64(r, x->ticks_detector);
    put32(r, hal_tick_hz);
}

/* The last frame: flags, an event, and what CONFIGURE asked for. */
static void put_result(const session *s, const lp_event *event, kept_reply *r)
{
    const spot *x = &s->spot;
    const uint16_t *posterior = lp_detector_posterior(x->detector);
    put8(r, 1u | (event ? 2u : 0u) | (lp_detector_awake(x->detector) ? 4u : 0u));
    put32(r, x->frames - 1);
    if (event)
        put32(r, event->frame), put32(r, event->middle), put16(r, event->label),
            put16(r, event->score);
    if (s->outputs & OUT_POSTERIORS)
        for (uint32_t i = 0; i < x->model.n_labels; i++) put16(r, posterior[i]);
    if (s->outputs & OUT_LOGITS)
        for (uint32_t i = 0; i < x->model.n_labels; i++) put32(r, (uint32_t)x->logits[i]);
    if (s->outputs & OUT_SPIKES) put32(r, x->frame_spikes);
    if (s->outputs & OUT_FEATURES)
        for (uint32_t i = 0; i < LP_FEATURES; i++) put16(r, (uint16_t)x->features[i]);
}

static void run_frame(session *s, kept_reply *r)
{
    const int found = spot_frame(&s->spot);
    if (found < 0) error(r, E_RUNTIME, found);
    else put_result(s, found ? &s->spot.event : NULL, r);
}

/* G.711 mu-law, 8 bits to 16: sign, 3-bit exponent, 4-bit mantissa, all inverted; -32124..32124. */
static int16_t expand(uint8_t code)
{
    uint32_t c = (uint8_t)~code;
    int32_t x = (int32_t)(((c & 15) * 8 + 132) << (c >> 4 & 7)) - 132;
    return (int16_t)(c & 128 ? -x : x);
}

static void audio(session *s, const uint8_t *body, uint32_t n, int wide, kept_reply *r)
{
    int ready = 0;
    /* in small pieces: no second copy of the block. n <= LP_HOP: at most one frame is completed */
    for (uint32_t i = 0; i < n;) {
        int16_t pcm[16];
        size_t k = 0;
        for (; k < 16 && i + k < n; k++)
            pcm[k] = wide ? (int16_t)le16(body + 2 * (i + k)) : expand(body[i + k]);
        ready |= spot_samples(&s->spot, pcm, k);
        i += (uint32_t)k;
    }
    if (ready) run_frame(s, r);
    else put8(r, 0);
}

/* What is new since the last time: the oldest event that was not told, the last frame. */
static void listen(session *s, kept_reply *r)
{
    listener *l = &s->listener;
    if (!mic_room) {
        error(r, E_TYPE, T_LISTEN);
        return;
    }
    microphone(s, 1);
    put32(r, mic_lost() - l->lost);
    put16(r, l->peak);
    if (l->told == s->spot.frames && l->first == l->next) {
        put8(r, 0);
        return;
    }
    const lp_event *event = l->first == l->next ? NULL : &l->events[l->first++ % HEARD];
    l->told = s->spot.frames;
    put_result(s, event, r);
}

static void request(session *s, uint8_t type, const uint8_t *body, uint32_t n, kept_reply *r)
{
    const uint32_t sample = type == T_AUDIO16 ? 2 : 1, samples = n / sample;
    uint32_t length = 0;
    switch (type) {
    case T_RESET:
    case T_STATISTICS:
    case T_LISTEN: break;
    case T_LABEL: length = 1; break;
    case T_CONFIGURE: length = 1 + DETECTOR_BYTES(s->spot.model.n_keywords); break;
    case T_FEATURES: length = 2 * LP_FEATURES; break;
    case T_AUDIO16: /* 1..LP_HOP whole ones */
    case T_AUDIO8: length = sample * (samples - 1 < LP_HOP ? samples : 1); break;
    default: error(r, E_TYPE, type); return;
    }
    if (n != length) {
        error(r, E_LENGTH, (int)n);
        return;
    }
    switch (type) {
    case T_LABEL: label(s, body, r); break;
    case T_RESET:
        microphone(s, 0);
        spot_reset(&s->spot);
        break;
    case T_CONFIGURE: configure(s, body, r); break;
    case T_STATISTICS: statistics(s, r); break;
    case T_LISTEN: listen(s, r); break;
    case T_FEATURES:
        microphone(s, 0);
        for (uint32_t i = 0; i < LP_FEATURES; i++)
            s->spot.features[i] = (int16_t)le16(body + 2 * i);
        run_frame(s, r);
        break;
    default: microphone(s, 0); audio(s, body, samples, type == T_AUDIO16, r);
    }
}

/* ---------------------------------------------------------------------------------- sequence -- */

static void open(session *s, uint16_t number, const uint8_t *body, uint32_t n)
{
    for (uint32_t i = 0; i < WINDOW; i++) s->replies[i].n = 0;
    s->open = 0;
    s->next = (uint16_t)(number + 1);
    kept_reply *r = begin(s, T_HELLO | T_REPLY, number);
    if (n != 5) error(r, E_LENGTH, (int)n);
    else if (body[0] != PROTOCOL_VERSION) error(r, E_VERSION, PROTOCOL_VERSION);
    else if (s->spot.status) error(r, E_MODEL, s->spot.status);
    else {
        s->nonce = le32(body + 1);
        s->open = 1;
        hello(s, r);
    }
    frame_send(r->bytes, r->n);
}

static void frame(session *s, const uint8_t *p, uint32_t n)
{
    const uint8_t type = p[0], *body = p + 3;
    const uint16_t number = le16(p + 1), age = (uint16_t)(s->next - number);
    n -= 3;
    if (type == T_HELLO && !(s->open && n == 5 && le32(body + 1) == s->nonce)) {
        open(s, number, body, n);
    } else if (!s->open) {
        refuse(s, R_NO_SESSION);
    } else if (age == 0 && type != T_HELLO) {
        kept_reply *r = begin(s, type | T_REPLY, number);
        s->next++;
        s->requests++;
        request(s, type, body, n, r);
        frame_send(r->bytes, r->n);
    } else if (age - 1u < WINDOW && s->replies[number % WINDOW].n) {
        s->repeats++; /* run before; its reply may have been lost */
        frame_send(s->replies[number % WINDOW].bytes, s->replies[number % WINDOW].n);
    } else if (age < 0x8000) {
        s->repeats++; /* older still: the host has its reply, or it could not have gone on */
    } else {
        refuse(s, R_ORDER);
    }
}

void session_byte(session *s, uint8_t byte)
{
    switch (frame_byte(&s->reader, byte)) {
    case FRAME_NONE: break;
    case FRAME_OK: frame(s, s->reader.bytes, s->reader.n); break;
    case FRAME_LONG: refuse(s, R_LONG); break;
    case FRAME_SHORT: refuse(s, R_SHORT); break;
    case FRAME_CODING: refuse(s, R_CODING); break;
    case FRAME_CHECKSUM: refuse(s, R_CHECKSUM); break;
    }
}

/* -------------------------------------------------------------------------------- microphone -- */

int session_hear(session *s)
{
    listener *l = &s->listener;
    int16_t pcm[16];
    const size_t room = LP_HOP - l->taken, n = l->on ? mic_take(pcm, room < 16 ? room : 16) : 0;
    for (size_t i = 0; i < n; i++) {
        const int32_t size = pcm[i] < 0 ? -(int32_t)pcm[i] : pcm[i];
        if (size > l->top) l->top = (uint16_t)size;
    }
    l->taken = (uint16_t)(l->taken + n);
    if (n && spot_samples(&s->spot, pcm, n)) {
        l->peak = l->top;
        l->top = l->taken = 0;
        if (spot_frame(&s->spot) > 0) {
            if (l->next - l->first == HEARD) l->first++; /* nobody asked for it */
            l->events[l->next++ % HEARD] = s->spot.event;
            mic_heard(s->spot.event.label);
        }
    }
    return n != 0;
}

/* ------------------------------------------------------------------------------------- start -- */

void session_init(session *s, const uint8_t *model, size_t model_bytes, void *memory,
                  size_t memory_bytes)
{
    uint8_t *p = (uint8_t *)s;
    for (size_t i = 0; i < sizeof *s; i++) p[i] = 0;
    spot_init(&s->spot, model, model_bytes, memory, memory_bytes);
    if (mic_room && !s->spot.status) microphone(s, 1);
}
