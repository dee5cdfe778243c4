/* SPDX-License-Identifier: Apache-2.0 */
/* How long replies get depends on the model: the build sizes the kept ones by it, the session
 * checks that it did. */
#ifndef REPLY_H
#define REPLY_H

#include "edge_lp.h"

/* Bytes of the longest body: LISTEN's with everything in it (samples lost, peak, and a result:
 * flags, frame, event, posteriors and logits of n labels, spikes, features: 107 + 6 n), or a label.
 * HELLO, 51 + 2 keywords, and STATISTICS, 92, are shorter. */
static inline size_t reply_body(const lp_model *m)
{
    size_t most = 4 + 2 + 1 + 4 + 12 + 6u * m->n_labels + 4 + 2 * LP_FEATURES, length = 0;
    for (uint32_t i = 0; lp_model_label(m, i, &length); i++)
        if (length > most) most = length;
    return most;
}

#endif
