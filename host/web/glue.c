/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime for a web page: the spotter in static memory, behind functions of numbers only. Built
 * by `make web` with clang for wasm32; host/web/spotter.js is its other half. */
#include "edge_lp.h"

#define EXPORT(name) __attribute__((export_name(#name))) name
#define MODEL_ROOM (256u * 1024u)
#define ARENA_ROOM (512u * 1024u)
#define PCM_ROOM 4096u

static uint8_t model_bytes[MODEL_ROOM];
static uint64_t arena[ARENA_ROOM / 8];
static int16_t pcm[PCM_ROOM];
static int32_t voltage[LP_MAX_UNITS];
static uint8_t spikes[LP_MAX_UNITS];
static lp_model model;
static lp_spotter *spotter;
static lp_event event;
static size_t taken;

uint8_t *EXPORT(model_buffer)(void) { return model_bytes; }
uint32_t EXPORT(model_room)(void) { return MODEL_ROOM; }
int16_t *EXPORT(pcm_buffer)(void) { return pcm; }
uint32_t EXPORT(pcm_room)(void) { return PCM_ROOM; }

/* Opens the first `size` bytes of the model's buffer. LP_OK, or why not. */
int EXPORT(open)(uint32_t size)
{
    size_t need;
    spotter = NULL;
    int e = lp_model_open(&model, model_bytes, size);
    if (e || (e = lp_spotter_size(&model, 0, &need))) return e;
    if (need > sizeof arena) return LP_E_LIMIT;
    return lp_spotter_init(&spotter, &model, 0, arena, sizeof arena);
}

/* Takes samples from..to of the buffer, up to the next frame. -1: nothing is open; else 1 if a
 * frame was computed, plus 2 if it decided a word. */
int EXPORT(push)(uint32_t from, uint32_t to)
{
    int frames = 0;
    if (!spotter || from > to || to > PCM_ROOM) return -1;
    int found = lp_spotter_push(spotter, pcm + from, to - from, &taken, &frames, &event);
    return found < 0 ? found : frames + 2 * found;
}

void EXPORT(reset)(void)
{
    if (spotter) lp_spotter_reset(spotter);
}

uint32_t EXPORT(used)(void) { return (uint32_t)taken; }
uint32_t EXPORT(event_middle)(void) { return event.middle; }
uint32_t EXPORT(event_label)(void) { return event.label; }
uint32_t EXPORT(event_score)(void) { return event.score; }
const int16_t *EXPORT(features)(void) { return lp_spotter_features(spotter); }
const int32_t *EXPORT(logits)(void) { return lp_spotter_logits(spotter); }
const uint16_t *EXPORT(posteriors)(void)
{
    return lp_detector_posterior(lp_spotter_detector(spotter));
}

uint32_t EXPORT(n_labels)(void) { return model.n_labels; }
uint32_t EXPORT(n_keywords)(void) { return model.n_keywords; }
uint32_t EXPORT(hidden_layers)(void) { return model.n_layers - 1u; }
uint32_t EXPORT(units)(uint32_t layer) { return model.layers[layer].n; }
uint32_t EXPORT(ceiling)(void) { return (uint32_t)model.ceiling; }
const char *EXPORT(label)(uint32_t index)
{
    size_t length;
    return lp_model_label(&model, index, &length);
}
uint32_t EXPORT(label_length)(uint32_t index)
{
    size_t length = 0;
    lp_model_label(&model, index, &length);
    return (uint32_t)length;
}

/* The first keywords are wake words; frames for which the others count behind one, and how many of
 * them are left. */
uint32_t EXPORT(wake_words)(void) { return model.detector.wake_words; }
uint32_t EXPORT(wake)(void) { return model.detector.wake; }
uint32_t EXPORT(awake)(void) { return lp_detector_awake(lp_spotter_detector(spotter)); }

/* Thresholds, Q15, of each keyword. */
uint32_t EXPORT(threshold)(uint32_t keyword) { return model.detector.thresholds[keyword]; }
int EXPORT(set_threshold)(uint32_t keyword, uint32_t q15)
{
    if (!spotter || keyword >= model.n_keywords || q15 > 32767) return LP_E_ARG;
    model.detector.thresholds[keyword] = (uint16_t)q15;
    return lp_detector_configure(lp_spotter_detector(spotter), &model.detector);
}

/* A hidden layer after the last frame: the dendrites' voltages, then who spiked in its last step.
 */
const int32_t *EXPORT(activity)(uint32_t layer)
{
    lp_net_state(lp_spotter_net(spotter), 2 * layer, NULL, voltage, NULL);
    return voltage;
}
const uint8_t *EXPORT(spiking)(uint32_t layer)
{
    lp_net_state(lp_spotter_net(spotter), 2 * layer + 1, NULL, NULL, spikes);
    return spikes;
}
