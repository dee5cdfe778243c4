/* SPDX-License-Identifier: Apache-2.0 */
#include "spot.h"
#include "hal.h"
#include "reply.h"

void spot_reset(spot *s)
{
    lp_frontend_reset(s->frontend);
    lp_net_reset(s->net);
    lp_detector_reset(s->detector);
    s->frames = 0;
}

int spot_samples(spot *s, const int16_t *pcm, size_t n)
{
    const uint32_t ticks = hal_ticks();
    int ready = 0;
    for (size_t from = 0, used = 0; from < n; from += used)
        ready |= lp_frontend_push(s->frontend, pcm + from, n - from, &used, s->features);
    s->ticks_frontend += hal_ticks() - ticks;
    return ready;
}

int spot_frame(spot *s)
{
    lp_counts before, after;
    lp_net_counts(s->net, &before);
    const uint32_t t0 = hal_ticks();
    const int e = lp_net_frame(s->net, s->features, s->logits);
    const uint32_t t1 = hal_ticks();
    if (e) return e;
    const int found = lp_detector_push(s->detector, s->logits, &s->event);
    s->ticks_net += t1 - t0;
    s->ticks_detector += hal_ticks() - t1;
    lp_net_counts(s->net, &after);
    s->frame_spikes = (uint32_t)(after.spikes - before.spikes);
    s->spikes += s->frame_spikes;
    s->synops += after.synops - before.synops;
    s->frames++;
    s->events += (uint32_t)found;
    return found;
}

static void *part(uint8_t **memory, size_t *left, size_t bytes)
{
    uint8_t *p = *memory;
    bytes = (bytes + 7u) & ~(size_t)7u;
    if (bytes > *left) return NULL;
    *memory += bytes;
    *left -= bytes;
    return p;
}

/* The net comes last and gets the rest: lp_net_init says itself whether that is enough, with less
 * stack than lp_net_size takes. */
static int lay_out(spot *s, const uint8_t *model, size_t model_bytes, uint8_t *memory, size_t left)
{
    size_t frontend = lp_frontend_size(), detector;
    void *p;
    int e = lp_model_open(&s->model, model, model_bytes);
    if (e || (e = lp_detector_size(s->model.n_labels, &s->model.detector, &detector))) return e;
    if (reply_body(&s->model) > REPLY_BODY) return LP_E_SPACE; /* built for another model */
    if (!(p = part(&memory, &left, frontend))) return LP_E_SPACE;
    if ((e = lp_frontend_init(&s->frontend, p, frontend))) return e;
    if (!(p = part(&memory, &left, detector))) return LP_E_SPACE;
    if ((e = lp_detector_init(&s->detector, s->model.n_labels, s->model.n_keywords,
                              &s->model.detector, p, detector)))
        return e;
    return lp_net_init(&s->net, &s->model, 0, memory, left);
}

void spot_init(spot *s, const uint8_t *model, size_t model_bytes, void *memory, size_t memory_bytes)
{
    s->status = lay_out(s, model, model_bytes, memory, memory_bytes);
}
