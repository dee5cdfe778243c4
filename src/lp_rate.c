/* SPDX-License-Identifier: Apache-2.0 */
#include "edge_lp_fast.h"

#include "../runtime/audio/lp_rate.c"
