/* SPDX-License-Identifier: Apache-2.0 */
/* Front end, network and detector in a row: PCM in, events out. */
#include "edge_lp.h"
#include "lp_fix.h"

struct lp_spotter {
    uint32_t frontend, net, detector, logits; /* ways from here: as long on every machine */
    int16_t features[LP_FEATURES];
};

static lp_frontend *frontend_of(const lp_spotter *s) { return lp_beside(s, s->frontend); }
static lp_net *net_of(const lp_spotter *s) { return lp_beside(s, s->net); }
static lp_detector *detector_of(const lp_spotter *s) { return lp_beside(s, s->detector); }
static int32_t *logits_of(const lp_spotter *s) { return lp_beside(s, s->logits); }

int lp_spotter_size(const lp_model *m, uint32_t flags, size_t *bytes)
{
    size_t net, detector;
    lp_arena a = {0};
    int e;
    if (!m || !bytes) return LP_E_ARG;
    if ((e = lp_net_size(m, flags, &net)) ||
        (e = lp_detector_size(m->n_labels, &m->detector, &detector)))
        return e;
    lp_take(&a, sizeof(lp_spotter));
    lp_take(&a, m->n_labels * sizeof(int32_t));
    *bytes = a.used + net + detector +
             (LP_VECTORS && (flags & LP_BOARD) ? LP_BOARD_FRONTEND : lp_frontend_size());
    return LP_OK;
}

int lp_spotter_init(lp_spotter **out, const lp_model *m, uint32_t flags, void *memory, size_t bytes)
{
    size_t need, part;
    int e = lp_spotter_size(m, flags, &need);
    if (e) return e;
    if (!out || !memory || (LP_VECTORS && (flags & LP_BOARD))) return LP_E_ARG;
    if (bytes < need || (uintptr_t)memory % 8) return LP_E_SPACE;
    lp_arena a = {memory, 0};
    lp_spotter *s = lp_take(&a, sizeof(lp_spotter));
    lp_frontend *frontend;
    lp_net *net;
    lp_detector *detector;
    int32_t *logits = lp_take(&a, m->n_labels * sizeof(int32_t));
    part = lp_frontend_size();
    if ((e = lp_frontend_init(&frontend, lp_take(&a, part), part))) return e;
    if ((e = lp_net_size(m, flags, &part)) ||
        (e = lp_net_init(&net, m, flags, lp_take(&a, part), part)))
        return e;
    if ((e = lp_detector_size(m->n_labels, &m->detector, &part))) return e;
    if ((e = lp_detector_init(&detector, m->n_labels, m->n_keywords, &m->detector,
                              lp_take(&a, part), part)))
        return e;
    lp_zero(logits, m->n_labels * sizeof(int32_t));
    lp_zero(s->features, sizeof s->features);
    s->frontend = lp_way(s, frontend);
    s->net = lp_way(s, net);
    s->detector = lp_way(s, detector);
    s->logits = lp_way(s, logits);
    *out = s;
    return LP_OK;
}

void lp_spotter_reset(lp_spotter *s)
{
    if (!s) return;
    lp_frontend_reset(frontend_of(s));
    lp_net_reset(net_of(s));
    lp_detector_reset(detector_of(s));
}

int lp_spotter_push(lp_spotter *s, const int16_t *pcm, size_t n, size_t *used, int *frames,
                    lp_event *event)
{
    int e;
    if (!s || !used || !frames || !event || (!pcm && n)) return LP_E_ARG;
    *frames = lp_frontend_push(frontend_of(s), pcm, n, used, s->features);
    if (!*frames) return 0;
    if ((e = lp_net_frame(net_of(s), s->features, logits_of(s)))) return e;
    return lp_detector_push(detector_of(s), logits_of(s), event);
}

int lp_spotter_hear(lp_spotter *s, const int16_t *pcm, size_t n, lp_event *events, size_t room)
{
    int found = 0, frames, e;
    if (!s || !events || room <= n / LP_HOP || (!pcm && n)) return LP_E_ARG;
    for (size_t at = 0, used; at < n; at += used) { /* used > 0: samples up to the next frame */
        if ((e = lp_spotter_push(s, pcm + at, n - at, &used, &frames, &events[found])) < 0)
            return e;
        found += e;
    }
    return found;
}

lp_net *lp_spotter_net(lp_spotter *s) { return s ? net_of(s) : NULL; }
lp_detector *lp_spotter_detector(lp_spotter *s) { return s ? detector_of(s) : NULL; }
const int16_t *lp_spotter_features(const lp_spotter *s) { return s ? s->features : NULL; }
const int32_t *lp_spotter_logits(const lp_spotter *s) { return s ? logits_of(s) : NULL; }
