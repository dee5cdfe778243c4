/* SPDX-License-Identifier: Apache-2.0 */
/* Where an Arduino library has its sources; the runtime is in runtime/. */
#include "../runtime/lp_audio.h"
