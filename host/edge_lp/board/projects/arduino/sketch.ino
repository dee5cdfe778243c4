// SPDX-License-Identifier: Apache-2.0
// Keywords on an Arduino board with 24 KB of free RAM (a Cortex-M4 or better).
#include "src/edge-lp/edge_lp.h"
#include "src/edge-lp/lp_status.h"
#include "src/edge-lp/model.h"
#ifdef USE_TINYUSB  // cores of Adafruit: Serial is in this library
#include <Adafruit_TinyUSB.h>
#endif

static uint64_t memory[EDGE_LP_MODEL_ARENA / 8];
static lp_model model;
static lp_spotter *spotter;

#if defined(ARDUINO_ARDUINO_NANO33BLE) || defined(ARDUINO_NANO_RP2040_CONNECT)
// The board's own microphone. What came and was not yet taken waits in a ring, which the
// interrupt fills.
#include <PDM.h>

static const size_t ROOM = 2048;
static int16_t ring[ROOM];
static volatile size_t head, tail;

static void received() {
  int16_t block[256];
  const size_t n = PDM.read(block, sizeof block) / 2;
  for (size_t i = 0; i < n && (head + 1) % ROOM != tail; i++) {
    ring[head] = block[i];
    head = (head + 1) % ROOM;
  }
}

static bool microphone_begin() {
  PDM.onReceive(received);
  return PDM.begin(1, LP_SAMPLE_RATE);
}

// Waits for n samples.
static size_t microphone(int16_t *pcm, size_t n) {
  for (size_t i = 0; i < n; i++) {
    while (head == tail) yield();
    pcm[i] = ring[tail];
    tail = (tail + 1) % ROOM;
  }
  return n;
}
#else
// No microphone that is known here: 16 kHz, int16, from Serial. microphone() is yours.
static bool microphone_begin() { return true; }

// Waits for up to n samples -> how many came. Fewer: the line was silent for a second.
static size_t microphone(int16_t *pcm, size_t n) {
  return Serial.readBytes(reinterpret_cast<char *>(pcm), 2 * n) / 2;
}
#endif

static void fail(const char *what) {
  for (;; delay(1000)) {
    Serial.print("edge-lp: ");
    Serial.println(what);
  }
}

void setup() {
  Serial.begin(460800);
  int e = lp_model_open(&model, edge_lp_model, edge_lp_model_size);
  if (!e) e = lp_spotter_init(&spotter, &model, 0, memory, sizeof memory);
  if (e) fail(lp_status_text(e));
  if (!microphone_begin()) fail("the microphone does not start");
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
