/* SPDX-License-Identifier: Apache-2.0 */
/* What a detector's parameters must be (SPEC.md, "Detector"): said once, for the model file and for
 * lp_detector_configure. */
#ifndef LP_DETECT_H
#define LP_DETECT_H

#include "edge_lp.h"

int lp_detector_valid(const lp_detector_config *c, uint32_t n_keywords);

#endif
