// SPDX-License-Identifier: Apache-2.0
// Keywords on an Arduino board with 24 KB of free RAM (a Cortex-M4 or better). model.h comes from:
//   edge-lp export commands12 --format c -o model.h
// microphone() is yours: it fills in n samples, 16 kHz, int16, and waits for them. As it stands it takes them from Serial.
#include <edge_lp.h>
#include "model.h"

static uint64_t memory[20480 / 8];  // lp_spotter_size says how much a model needs; setup checks it
static lp_model model;
static lp_spotter *spotter;

static void microphone(int16_t *pcm, size_t n) {
  Serial.readBytes(reinterpret_cast<char *>(pcm), 2 * n);
}

void setup() {
  Serial.begin(460800);
  int e = lp_model_open(&model, edge_lp_model, edge_lp_model_size);
  if (!e) e = lp_spotter_init(&spotter, &model, 0, memory, sizeof memory);
  while (e) {
    Serial.print("edge-lp: status of edge_lp.h ");
    Serial.println(e);
    delay(1000);
  }
}

void loop() {
  int16_t pcm[LP_HOP];
  microphone(pcm, LP_HOP);
  size_t used = 0;
  for (size_t at = 0; at < LP_HOP; at += used) {
    int frames;
    lp_event event;
    if (lp_spotter_push(spotter, pcm + at, LP_HOP - at, &used, &frames, &event) > 0) {
      size_t length;
      const char *label = lp_model_label(&model, event.label, &length);
      Serial.write(reinterpret_cast<const uint8_t *>(label), length);
      Serial.println();
    }
  }
}
