/* SPDX-License-Identifier: Apache-2.0 */
/* edge-lp: keyword spotting with sigma-delta low-pass recurrent networks, in integers, on Loihi-1
 * core semantics.
 *
 *   PCM int16 -> front end -> log-mel frame -> network: drive
 *             -> core: K steps of compartments and spikes -> logits -> detector -> event
 *
 * Each part can be used alone; lp_spotter strings them together. SPEC.md is the normative
 * description.
 *
 * Basic use (examples/c/spot.c is this, complete)
 *   1. Open a model:    lp_model model;  lp_model_open(&model, bytes, size)
 *   2. Bring memory:    lp_spotter_size(&model, 0, &n), then n bytes aligned to 8
 *   3. Lay it out:      lp_spotter *s;  lp_spotter_init(&s, &model, 0, memory, n)
 *   4. For each block:  found = lp_spotter_hear(s, pcm, 512, events, 4); of each event,
 *                       lp_model_label(&model, event.label, &length) is the word, and its middle
 *                       was event.middle * 10 ms behind the start of the stream
 *
 * Conventions
 *   - No allocation: lp_X_size says how many bytes, the caller brings them (aligned to 8),
 *     lp_X_init lays X out in them. The memory, the model's bytes and every array of a core
 *     description must outlive X and are never copied.
 *   - No globals, no floating point, no I/O. Different objects may be used from different threads.
 *   - Functions that can fail return LP_OK (0) or a negative lp_status; what a function cannot fail
 *     at, it does not report. A NULL pointer where it does not say that one may be: LP_E_ARG; NULL
 *     or 0 of those that return a pointer or a number; nothing is done by those that return none.
 *   - Stack on a 32-bit machine, whatever the model: at most 2,560 bytes in lp_net_size,
 *     lp_net_init, lp_spotter_size and lp_spotter_init, 1,024 in lp_net_frame, lp_spotter_push and
 *     lp_spotter_hear, 512 in any other call.
 *   - Qn means an integer that stands for value * 2^n. */
#ifndef EDGE_LP_H
#define EDGE_LP_H

#include <stddef.h>
#include <stdint.h>

#include "lp_machine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cdef: the Python binding is cut from here to the line "cdef end". */

#define LP_VERSION_MAJOR 0
#define LP_VERSION_MINOR 1
#define LP_VERSION_PATCH 0

typedef enum {
    LP_OK = 0,
    LP_E_ARG = -1,       /* the caller's mistake: an index, a size or a pointer that cannot be */
    LP_E_SPACE = -2,     /* the memory given is smaller than lp_X_size, or not aligned to 8 */
    LP_E_MAGIC = -3,     /* not an .lpb file */
    LP_E_MAJOR = -4,     /* written for another major version of the format */
    LP_E_MINOR = -5,     /* written for a newer minor version of the format */
    LP_E_TRUNCATED = -6, /* shorter than its header says */
    LP_E_TRAILING = -7,  /* longer than its header says */
    LP_E_CHECKSUM = -8,  /* the CRC-32 does not match */
    LP_E_FORMAT = -9,    /* a field contradicts another field or its range */
    LP_E_LIMIT = -10,    /* well-formed, but more than this runtime (or the chip) can do */
    LP_E_FRONTEND = -11, /* trained with another front end than this runtime has */
    LP_E_OVERFLOW = -12  /* strict mode: an accumulator or a state left its range */
} lp_status;

/* --------------------------------------------------------------------------------- Loihi-1 core --
 * Groups of compartments, synapses between them, input axons. One step, SPEC.md "Core":
 *   u <- wrap24(decay(u, du) + 64 q)
 *   v <- clip(decay(v, dv) + wrap24(u + bias + joined v), vmin, vmax)
 *   refractory: v <- 0
 *   spike if v > vth, then v <- 0; it reaches its targets at t + 1 + delay */

#define LP_INPUT (-1)   /* lp_synapses.src: the input axons */
#define LP_NO_JOIN (-1) /* lp_group.join */
#define LP_MAX_DELAY 62

typedef struct {
    uint32_t n; /* compartments, >= 1 */
    /* an earlier group of n compartments whose new v is added to this one's input, or LP_NO_JOIN */
    int32_t join;
    int32_t silent;     /* not 0: never spikes (dendrites, outputs) */
    int32_t vmin, vmax; /* -(2^23-1) <= vmin <= 0 <= vmax <= 2^23-1 */
    int32_t vth;        /* threshold in units of v (on the chip mantissa << 6), 0..2^23-1 */
    int32_t bias;       /* added to u's way into v, |bias| < 2^23 */
    uint16_t du, dv;    /* effective decays 0..4096: x <- x (4096 - d) / 4096, toward zero */
    uint16_t refract;   /* 1..64; 1 = none */
    /* One value a compartment in place of the shared one, or NULL. bias and bias_each, the pointer
     * and what it points at, may be rewritten between steps, within their range. */
    const uint16_t *du_each, *dv_each, *refract_each;
    const int32_t *vth_each, *bias_each;
} lp_group;

typedef enum {
    LP_DENSE16, /* int16 weights[n_src][n_dst], in accumulator units */
    /* 3-bit codes, rows of 4 ceil(n_dst / 10) bytes, SPEC.md "Dense coding"; weight = code <<
     * shift */
    LP_DENSE3,
    LP_SPARSE16, /* rows[n_src + 1] offsets into int16 weights[] and uint16 targets[] */
    LP_SPARSE3,  /* rows and entries in bytes, SPEC.md "Sparse coding"; weight = code << shift */
    /* compartment i to compartment i, one weight: the autapse of the sigma-delta soma */
    LP_DIAGONAL
} lp_synapse_kind;

typedef struct {
    int32_t src, dst; /* group, or LP_INPUT; group */
    lp_synapse_kind kind;
    uint32_t delay; /* 0..LP_MAX_DELAY */
    uint32_t shift; /* 0..12, LP_DENSE3 and LP_SPARSE3 */
    int32_t weight; /* -32768..32767, LP_DIAGONAL */
    /* weights (LP_DENSE16, LP_SPARSE16), which may be rewritten between steps, or coded bytes
     * (LP_DENSE3, LP_SPARSE3) */
    const void *data;
    size_t bytes;            /* length of the coded bytes; ignored for the others */
    const uint32_t *rows;    /* LP_SPARSE16 */
    const uint16_t *targets; /* LP_SPARSE16 */
} lp_synapses;

#define LP_STRICT 1 /* flags: check every range, stop with LP_E_OVERFLOW; several times slower */
#define LP_COUNT 2  /* flags: count active compartment updates too; one more pass over the states */
#define LP_CORE 4   /* flags of a network: on the core, even where the faster kernel would do */
#define LP_BOARD 8  /* flags of lp_net_size, lp_spotter_size: for a machine without vectors */

typedef struct {
    const lp_group *groups;
    const lp_synapses *synapses;
    uint32_t n_groups, n_synapses, n_inputs;
    uint32_t flags;
} lp_core_spec;

typedef struct {
    uint64_t steps;
    uint64_t updates; /* compartment updates */
    uint64_t active;  /* of these, with u or v not 0 afterwards, or a spike (needs LP_COUNT) */
    uint64_t spikes;  /* of compartments; input spikes are not in it */
    /* synaptic operations: stored synapses visited, zero codes of dense rows included */
    uint64_t synops;
} lp_counts;

typedef enum { LP_WHAT_U, LP_WHAT_V, LP_WHAT_SPIKES, LP_WHAT_Q } lp_what;

typedef struct { /* where strict mode stopped */
    uint64_t step;
    uint32_t group, index;
    /* Q: accumulator; U: current; V: u + bias + join, or v at the 24-bit limit */
    lp_what what;
    int64_t value; /* the value that did not fit */
} lp_overflow;

typedef struct { /* rows[step][n of the group] */
    uint32_t group;
    lp_what what; /* U, V -> int32_t rows; SPIKES -> uint8_t rows (0 or 1) */
    void *rows;
} lp_probe;

typedef struct lp_core lp_core;

/* LP_E_ARG: a description that contradicts itself. */
int lp_core_size(const lp_core_spec *spec, size_t *bytes);
int lp_core_init(lp_core **core, const lp_core_spec *spec, void *memory, size_t bytes);
void lp_core_reset(lp_core *core); /* all states, counters and the clock to 0 */
/* `steps` steps. inputs[starts[k]] .. inputs[starts[k + 1] - 1] are the axons that spike in step k,
 * each < spec.n_inputs, and no more than that many (else LP_E_ARG and nothing is done); they act
 * like spikes of that step. One that is named twice counts twice. starts may be NULL: no input. */
int lp_core_run(lp_core *core, size_t steps, const uint32_t *starts, const uint16_t *inputs,
                const lp_probe *probes, size_t n_probes);
const int32_t *lp_core_u(const lp_core *core, uint32_t group);
const int32_t *lp_core_v(const lp_core *core, uint32_t group);
/* of the last step; NULL for a silent group */
const uint8_t *lp_core_spikes(const lp_core *core, uint32_t group);
void lp_core_counts(const lp_core *core, lp_counts *counts);
void lp_core_overflow(const lp_core *core, lp_overflow *where);
/* The dynamic state is one block, sealed with a fingerprint of the network: copy it to stop here.
 * lp_core_restore goes on from a copy, on a core of the same build whose description differs in
 * nothing but weights and biases; else, or where the copy is damaged, LP_E_ARG and nothing is done.
 */
const void *lp_core_state(lp_core *core, size_t *bytes);
int lp_core_restore(lp_core *core, const void *state, size_t bytes);

typedef enum { LP_SIGN_MIXED = 1, LP_SIGN_EXCITATORY = 2, LP_SIGN_INHIBITORY = 3 } lp_sign_mode;
/* Weight in accumulator units (SPEC.md, "Weights"): mantissa truncated to the grid of its bits and
 * sign mode, times 2^exponent floored, clipped to +-32767. LP_E_ARG: bits not 1..8, exponent not
 * -8..7, mantissa out of the sign mode's range. */
int lp_weight(int32_t mantissa, uint32_t bits, lp_sign_mode mode, int32_t exponent,
              int32_t *weight);

/* ------------------------------------------------------------------------------ model (.lpb) -- */

#define LP_FORMAT_MAJOR 1
#define LP_FORMAT_MINOR 2
#define LP_MAX_LAYERS 8
#define LP_MAX_UNITS 1024
#define LP_MAX_LABELS 64
#define LP_MAX_WINDOWS 4
#define LP_MAX_WINDOW 200

typedef struct {
    const uint8_t *codes; /* in the model's bytes */
    uint32_t bytes;
    uint32_t n_in, n_out;
    uint8_t kind, scale; /* LP_DENSE3 or LP_SPARSE3; weight = code * 2^-scale in the float net */
} lp_matrix;

typedef struct {
    uint32_t n;
    uint8_t recurrent;
    lp_matrix w, u; /* from below; from the layer itself (only if recurrent) */
    /* int16 mantissas, little-endian; bias = mantissa << bias_shift, core units added to v
     * (output: Q8 logits) */
    const uint8_t *bias;
    uint8_t bias_shift;
} lp_layer;

typedef struct { /* detector parameters; frames are 10 ms */
    /* windows: frames over which logits are averaged: one to LP_MAX_WINDOWS windows that rise
     * within 1..LP_MAX_WINDOW, then zeros. The posteriors of several are combined by their
     * geometric mean. stride: of so many frames the last one's logits are taken and decide, those
     * of the others are not looked at; 1: of every frame. It divides every window. */
    uint16_t windows[LP_MAX_WINDOWS], stride;
    /* refractory: frames after an event in which none follows but, behind a wake word, a command;
     * latency: typical frames from a word's middle to its best posterior, subtracted from event
     * times; hold: frames for which a candidate must stay unbeaten before it is an event, 0: at
     * once */
    uint16_t refractory, latency, hold;
    /* The first wake_words keywords are wake words, 0..n_keywords. If there are any, the other
     * keywords count only in the `wake` frames behind the last event of a wake word. */
    uint16_t wake_words, wake;
    uint16_t thresholds[LP_MAX_LABELS]; /* of each keyword: posterior, Q15, 0..32767 */
} lp_detector_config;

typedef struct {
    const uint8_t *bytes;
    uint32_t size, crc;
    uint8_t major, minor;
    /* labels: the keywords first, then unknown and silence; layers: the output one included */
    uint16_t n_labels, n_keywords, n_layers;
    uint16_t delta;      /* decay of every compartment; tau = 4096 / delta steps */
    uint16_t steps;      /* K, steps per frame */
    uint16_t feedback;   /* w_fb: soma autapse is -w_fb accumulator units */
    int32_t ceiling;     /* vmax of dendrites and somas */
    int16_t drive_shift; /* first layer: drive = (sum code * feature) * 2^drive_shift */
    /* hidden synapses: code << (synapse_shift - scale); output: code << (output_shift - scale) */
    uint16_t synapse_shift, output_shift;
    uint16_t logit_mul, logit_shift; /* logit Q8 = (u * logit_mul) >> logit_shift, + bias */
    lp_detector_config detector;
    lp_layer layers[LP_MAX_LAYERS];
    const uint8_t *labels;     /* n_labels times: length byte, UTF-8 */
    const uint8_t *provenance; /* UTF-8 text, "key: value" lines */
    uint32_t provenance_bytes;
} lp_model;

/* Checks everything (each index, size and range, and the checksum) before anything is used. Any
 * bytes, any alignment. */
int lp_model_open(lp_model *model, const uint8_t *bytes, size_t size);
/* NULL if index >= n_labels. Not terminated. */
const char *lp_model_label(const lp_model *model, uint32_t index, size_t *length);
/* CRC-32 (IEEE, reflected 0xEDB88320, zlib's) of bytes, going on from crc; start with 0. */
uint32_t lp_crc32(uint32_t crc, const uint8_t *bytes, size_t size);

/* --------------------------------------------------------------------------------- front end -- */

#define LP_SAMPLE_RATE 16000
#define LP_WINDOW 512 /* samples: 32 ms, Hann */
#define LP_HOP 160    /* samples: 10 ms */
#define LP_FEATURES 40
#define LP_FRONTEND_VERSION 1

typedef struct lp_frontend lp_frontend;

size_t lp_frontend_size(void);
int lp_frontend_init(lp_frontend **frontend, void *memory, size_t bytes);
void lp_frontend_reset(lp_frontend *frontend);
/* Takes samples (16 kHz, int16) up to the next frame. Returns 1 and fills features (Q10, log2 of
 * power, level removed) when one is complete, else 0; *used says how many samples were taken. The
 * same bits for any cut of the stream into pieces. pcm may be NULL with n = 0. */
int lp_frontend_push(lp_frontend *frontend, const int16_t *pcm, size_t n, size_t *used,
                     int16_t features[LP_FEATURES]);

/* ----------------------------------------------------------------------------------- network -- */

typedef struct lp_net lp_net;

int lp_net_size(const lp_model *model, uint32_t flags, size_t *bytes);
int lp_net_init(lp_net **net, const lp_model *model, uint32_t flags, void *memory, size_t bytes);
void lp_net_reset(lp_net *net);
/* One frame: features[LP_FEATURES] Q10 held over K steps; logits[n_labels] Q8, from the output's u
 * at the last step. */
int lp_net_frame(lp_net *net, const int16_t *features, int32_t *logits);
/* NULL: it runs on the sigma-delta kernel. Else the core, on which a model must run that could
 * leave a range of the kernel (DESIGN.md), and any with LP_STRICT or LP_CORE. Both compute the
 * same. */
lp_core *lp_net_core(lp_net *net);
/* Copies a group's state after the last frame, [n of its layer] each; NULL: not wanted. spikes: 1
 * where a soma spiked in the last step, else 0. Groups, as on the core: hidden layer l has
 * dendrites 2 l and somas 2 l + 1, the output is the last, 2 n_layers - 2. LP_E_ARG: no such group.
 */
int lp_net_state(const lp_net *net, uint32_t group, int32_t *u, int32_t *v, uint8_t *spikes);
void lp_net_counts(const lp_net *net, lp_counts *counts);

/* ---------------------------------------------------------------------------------- detector -- */

typedef struct {
    /* frame: index of the one with the best posterior, from the last reset, known `hold` frames
     * later; middle: frame - latency, not below 0: an estimate of the word's middle */
    uint32_t frame, middle;
    /* label: 0..n_keywords-1; score: posterior, Q15; wake: 1 if it is a wake word, behind which
     * commands count for the config's `wake` frames */
    uint16_t label, score, wake;
} lp_event;

typedef struct lp_detector lp_detector;

/* Bytes for config: 2 n_labels times (longest window / stride + 2 windows), and some. More memory
 * makes room for longer or more windows later. LP_E_ARG: n_labels not 1..LP_MAX_LABELS, or windows
 * or a stride that cannot be. */
int lp_detector_size(uint32_t n_labels, const lp_detector_config *config, size_t *bytes);
/* LP_E_ARG: n_keywords > n_labels, or as lp_detector_configure */
int lp_detector_init(lp_detector **detector, uint32_t n_labels, uint32_t n_keywords,
                     const lp_detector_config *config, void *memory, size_t bytes);
/* Any time; counts from the next frame on. Where windows, stride or the number of wake words
 * change, what was heard is forgotten: windows, candidate, refractory period, open frames.
 * LP_E_ARG: a field out of its range; LP_E_SPACE: longer or more windows than the memory has room
 * for: then nothing changes. */
int lp_detector_configure(lp_detector *detector, const lp_detector_config *config);
void lp_detector_reset(lp_detector *detector);
/* logits[n_labels] Q8. Returns 1 and fills event, or 0, as always where the stride passes over. */
int lp_detector_push(lp_detector *detector, const int32_t *logits, lp_event *event);
/* frames left in which commands count behind a wake word */
uint32_t lp_detector_awake(const lp_detector *detector);
/* [n_labels] Q15, of the last decision; 0 before the first */
const uint16_t *lp_detector_posterior(const lp_detector *detector);

/* ----------------------------------------------------------------------------------- spotter -- */

typedef struct lp_spotter lp_spotter;

/* model->detector may be changed between lp_model_open and these two: the spotter runs with it. */
int lp_spotter_size(const lp_model *model, uint32_t flags, size_t *bytes);
int lp_spotter_init(lp_spotter **spotter, const lp_model *model, uint32_t flags, void *memory,
                    size_t bytes);
void lp_spotter_reset(lp_spotter *spotter);
/* Takes any number of samples (16 kHz, int16) and fills events[]. Returns their number, or an
 * error: LP_E_ARG, and nothing is taken, if room is not more than n / LP_HOP, the most events there
 * can be; LP_E_OVERFLOW in strict mode. */
int lp_spotter_hear(lp_spotter *spotter, const int16_t *pcm, size_t n, lp_event *events,
                    size_t room);
/* The same in steps of a frame, to look between them: takes samples up to the next frame only, so
 * call it again with what is left. *used: samples taken. *frames: 1 if a frame was computed.
 * Returns 1 and fills event, 0, or an error. */
int lp_spotter_push(lp_spotter *spotter, const int16_t *pcm, size_t n, size_t *used, int *frames,
                    lp_event *event);
lp_net *lp_spotter_net(lp_spotter *spotter);
lp_detector *lp_spotter_detector(lp_spotter *spotter);
const int16_t *lp_spotter_features(const lp_spotter *spotter); /* of the last frame */
const int32_t *lp_spotter_logits(const lp_spotter *spotter);   /* of the last frame */

/* cdef end */

#ifdef __cplusplus
}
#endif
#endif
