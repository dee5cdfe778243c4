// SPDX-License-Identifier: Apache-2.0
// Keywords on an Arduino board with 24 KB of free RAM (a Cortex-M4 or better). model.h comes from:
//   edge-lp export commands12 --format c -o model.h
// microphone() is yours: 16 kHz, int16. As it stands it takes the samples from Serial.
#include <edge_lp.h>
#include <lp_status.h>
#ifdef USE_TINYUSB  // cores of Adafruit: Serial is in this library
#include <Adafruit_TinyUSB.h>
#endif
#include "model.h"

static uint64_t memory[EDGE_LP_MODEL_ARENA / 8];
static lp_model model;
static lp_spotter *spotter;

// Waits for up to n samples -> how many came. Fewer: the line was silent for a second.
static size_t microphone(int16_t *pcm, size_t n) {
  return Serial.readBytes(reinterpret_cast<char *>(pcm), 2 * n) / 2;
}

void setup() {
  Serial.begin(460800);
  int e = lp_model_open(&model, edge_lp_model, edge_lp_model_size);
  if (!e) e = lp_spotter_init(&spotter, &model, 0, memory, sizeof memory);
  while (e) {
    Serial.print("edge-lp: ");
    Serial.println(lp_status_text(e));
    delay(1000);
  }
}

void loop() {
  int16_t pcm[LP_HOP];
  const size_t n = microphone(pcm, LP_HOP);
  if (n < LP_HOP) Serial.println("edge-lp: no samples for a second");
  lp_event events[2];  // as many as LP_HOP samples can bring, and one
  const int found = lp_spotter_hear(spotter, pcm, n, events, 2);
  for (int i = 0; i < found; i++) {
    size_t length;
    const char *label = lp_model_label(&model, events[i].label, &length);
    Serial.write(reinterpret_cast<const uint8_t *>(label), length);
    Serial.println();
  }
}
