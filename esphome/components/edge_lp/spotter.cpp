/* SPDX-License-Identifier: Apache-2.0 */
#include "spotter.h"

#include "esphome/core/helpers.h"
#include "esphome/core/log.h"

#include <cmath>
#include <lp_status.h>
#include <memory>
#include <new>

namespace esphome::edge_lp
{

static const char *const TAG = "edge_lp";

/* A loop takes at most so much, so that others have their turn; at 16 ms a loop it still catches up
 * five times as fast as sound comes. */
static constexpr int FRAMES_A_LOOP = 8;

/* Internal memory: it is read and written in every frame. Never given back. */
static void *allocate(size_t bytes)
{
    return RAMAllocator<uint8_t>(RAMAllocator<uint8_t>::ALLOC_INTERNAL).allocate(bytes);
}

int Spotter::open_model_()
{
    int e = lp_model_open(&this->model_, this->bytes_, this->size_);
    if (e != LP_OK) return e;
    if (this->cutoff_ >= 0.0f) {
        const long q15 = std::lround(this->cutoff_ * 32768.0f);
        for (unsigned i = 0; i < this->model_.n_keywords; i++)
            this->model_.detector.thresholds[i] = static_cast<uint16_t>(std::min(q15, 32767L));
    }
    size_t bytes;
    e = lp_spotter_size(&this->model_, 0, &bytes);
    if (e != LP_OK) return e;
    size_t room = bytes + 7; /* the chip's heap aligns to 4, the runtime wants 8 */
    void *memory = allocate(room);
    void *ring = allocate(sizeof(SampleRing));
    if (memory == nullptr || ring == nullptr) return LP_E_SPACE;
    this->ring_ = new (ring) SampleRing;
    return lp_spotter_init(&this->spotter_, &this->model_, 0, std::align(8, bytes, memory, room),
                           bytes);
}

void Spotter::setup()
{
    const int e = this->open_model_();
    if (e != LP_OK) {
        ESP_LOGE(TAG, "The model cannot run: %s", lp_status_text(e));
        this->mark_failed();
        return;
    }
    this->source_->add_data_callback([this](const std::vector<uint8_t> &data) {
        if (!this->running_) return;
        const size_t n = data.size() / sizeof(int16_t);
        const auto *pcm = reinterpret_cast<const int16_t *>(data.data());
        const size_t put = this->ring_->put(pcm, n);
        if (put < n) this->lost_ += static_cast<uint32_t>(n - put);
    });
}

void Spotter::dump_config()
{
    ESP_LOGCONFIG(TAG, "edge-lp: a model of %u bytes, CRC-32 %08x, stops after a detection: %s",
                  static_cast<unsigned>(this->size_), static_cast<unsigned>(this->model_.crc),
                  YESNO(this->stop_after_detection_));
    for (unsigned i = 0; i < this->model_.n_keywords; i++) {
        size_t n;
        const char *label = lp_model_label(&this->model_, i, &n);
        ESP_LOGCONFIG(TAG, "  %.*s from probability %.2f on", static_cast<int>(n), label,
                      this->model_.detector.thresholds[i] / 32768.0f);
    }
}

void Spotter::start()
{
    if (!this->is_ready() || this->is_failed()) {
        ESP_LOGW(TAG, "Cannot start: not set up yet, or failed");
        return;
    }
    if (this->running_) {
        ESP_LOGW(TAG, "Runs already");
        return;
    }
    ESP_LOGD(TAG, "Starting");
    this->ring_->drop();
    this->lost_ = 0;
    lp_spotter_reset(this->spotter_);
    this->running_ = true;
    this->source_->start();
}

void Spotter::stop()
{
    if (!this->running_) return;
    ESP_LOGD(TAG, "Stopping");
    this->running_ = false;
    this->source_->stop();
}

void Spotter::loop()
{
    int16_t pcm[LP_HOP];
    for (int i = 0; i < FRAMES_A_LOOP && this->running_; i++) {
        const size_t n = this->ring_->take(pcm, LP_HOP);
        if (n == 0) break;
        this->hear_(pcm, n);
    }
    if (const uint32_t lost = this->lost_.exchange(0))
        ESP_LOGW(TAG, "%u ms of sound lost: the main loop was busy for too long",
                 static_cast<unsigned>(lost / (LP_SAMPLE_RATE / 1000)));
}

void Spotter::hear_(const int16_t *pcm, size_t n)
{
    lp_event events[2]; /* as many as LP_HOP samples can bring, and one */
    const int found = lp_spotter_hear(this->spotter_, pcm, n, events, 2);
    for (int i = 0; i < found && this->running_; i++) this->told_(events[i]);
}

void Spotter::told_(const lp_event &event)
{
    size_t n;
    const char *label = lp_model_label(&this->model_, event.label, &n);
    const std::string word(label, n);
    ESP_LOGD(TAG, "Detected '%s' with probability %.2f, %u ms from the start", word.c_str(),
             event.score / 32768.0f, 10 * static_cast<unsigned>(event.middle));
    this->detected_.trigger(word);
    if (this->stop_after_detection_) this->stop();
}

} // namespace esphome::edge_lp
