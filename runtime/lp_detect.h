/* SPDX-License-Identifier: Apache-2.0 */
/* What a detector's parameters must be (SPEC.md, "Detector"): said once, for the model file and for
 * lp_detector_configure. */
#ifndef LP_DETECT_H
#define LP_DETECT_H

#include "edge_lp.h"

/* Frames of the longest window, the last one; 0 where the windows do not rise within
 * 1..LP_MAX_WINDOW or something follows the last one. */
static inline uint32_t detector_longest(const lp_detector_config *c)
{
    uint32_t longest = 0, i = 0;
    for (; i < LP_MAX_WINDOWS && c->windows[i]; i++) {
        if (c->windows[i] <= longest || c->windows[i] > LP_MAX_WINDOW) return 0;
        longest = c->windows[i];
    }
    for (; i < LP_MAX_WINDOWS; i++)
        if (c->windows[i]) return 0;
    return longest;
}

static inline int detector_valid(const lp_detector_config *c, uint32_t n_keywords)
{
    for (uint32_t i = 0; i < n_keywords; i++)
        if (c->thresholds[i] > 32767) return 0;
    return detector_longest(c) && c->wake_words <= n_keywords && (c->wake_words || !c->wake);
}

#endif
