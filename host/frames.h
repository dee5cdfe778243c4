/* SPDX-License-Identifier: Apache-2.0 */
/* Many frames or steps a call, for Python, where a call costs as much as a frame; and how the
 * runtime was built. No part of the runtime. */
#ifndef FRAMES_H
#define FRAMES_H

#include "edge_lp.h"

/* cdef: the Python binding is cut from here to the line "cdef end". */

/* n samples -> their frames, room for n / LP_HOP + 1. Returns how many. */
size_t frames_of(lp_frontend *f, const int16_t *pcm, size_t n, int16_t *features);
/* n frames -> logits[n][labels] Q8. LP_OK, or the status of the frame that failed, the last one to
 * be run. */
int logits_of(lp_net *net, const int16_t *features, size_t n, int32_t *logits, size_t labels);
/* logits[n][labels] -> posteriors[n][labels] Q15, and events, room for n. Returns how many. */
size_t events_of(lp_detector *d, const int32_t *logits, size_t n, size_t labels,
                 uint16_t *posteriors, lp_event *events);

/* lp_core_run that comes back in time for Ctrl-C: it ends behind the `at_once` steps in which *work
 * was used up: synaptic operations, compartment updates and words recorded. *work: what is left;
 * *done: how many steps that were. probes: moved on by sizes[] bytes a step. LP_OK, or
 * lp_core_run's error; a step that overflows (LP_E_OVERFLOW) has been done. */
int steps_of(lp_core *core, uint64_t *work, size_t at_once, size_t steps, const uint32_t *starts,
             const uint16_t *inputs, lp_probe *probes, const size_t *sizes, size_t n_probes,
             size_t *done);

/* flags[steps][n], not 0 where an axon spikes -> as lp_core_run takes them: starts[steps + 1] and
 * axons, room for one more than spike. */
void axons_of(const uint8_t *flags, size_t steps, size_t n, uint32_t *starts, uint16_t *axons);

/* Whether the runtime here was built for vectors: memory is then larger than a board's. */
int built_for_vectors(void);
/* lp_frontend_size of a board, which has no vectors. */
size_t board_frontend_size(void);

/* cdef end */

#endif
