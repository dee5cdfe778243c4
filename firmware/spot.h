/* SPDX-License-Identifier: Apache-2.0 */
/* The spotter as the firmware runs it, part by part: what each part took is counted, and what lies
 * between them may be sent. */
#ifndef SPOT_H
#define SPOT_H

#include "edge_lp.h"

typedef struct {
    lp_model model;
    int status; /* of opening the model and laying it out */
    lp_frontend *frontend;
    lp_net *net;
    lp_detector *detector;
    /* of the last frame: Q10, Q8, and the spikes of all somas in it */
    int16_t features[LP_FEATURES];
    int32_t logits[LP_MAX_LABELS];
    uint32_t frame_spikes;
    lp_event event; /* the last one */

    uint32_t frames, events; /* frames: since the reset */
    uint64_t spikes, synops, ticks_frontend, ticks_net, ticks_detector;
} spot;

/* All of s->status, too. The model is read in place; memory is aligned to 8. */
void spot_init(spot *s, const uint8_t *model, size_t model_bytes, void *memory,
               size_t memory_bytes);
void spot_reset(spot *s);
/* n <= LP_HOP samples, which complete at most one frame. Returns 1 when s->features are one. */
int spot_samples(spot *s, const int16_t *pcm, size_t n);
/* Network and detector on s->features. Returns 1 with s->event, 0, or an error. */
int spot_frame(spot *s);

#endif
