/* SPDX-License-Identifier: Apache-2.0 */
/* A model of edge-lp on a microphone of ESPHome. The microphone's task puts samples into a ring, the
 * main loop takes them out, runs the model and triggers the automation: all but the ring belongs to
 * the main loop. */
#pragma once

#include "esphome/components/microphone/microphone_source.h"
#include "esphome/core/automation.h"
#include "esphome/core/component.h"
#include "ring.h"

#include <edge_lp.h>
#include <string>

namespace esphome::edge_lp
{

class Spotter : public Component
{
  public:
    void setup() override;
    void loop() override;
    void dump_config() override;
    float get_setup_priority() const override { return setup_priority::AFTER_CONNECTION; }

    void start();
    void stop();
    bool is_running() const { return this->running_; }

    void set_microphone_source(microphone::MicrophoneSource *source) { this->source_ = source; }
    /* bytes stay where they are, in flash */
    void set_model(const uint8_t *bytes, size_t size)
    {
        this->bytes_ = bytes;
        this->size_ = size;
    }
    /* 0..1, of every keyword; without it the model's own thresholds count */
    void set_probability_cutoff(float cutoff) { this->cutoff_ = cutoff; }
    void set_stop_after_detection(bool stop) { this->stop_after_detection_ = stop; }
    Trigger<std::string> *get_wake_word_detected_trigger() { return &this->detected_; }

  protected:
    /* -> a status of edge_lp.h */
    int open_model_();
    void hear_(const int16_t *pcm, size_t n);
    void told_(const lp_event &event);

    microphone::MicrophoneSource *source_{nullptr};
    const uint8_t *bytes_{nullptr};
    size_t size_{0};
    float cutoff_{-1.0f};
    bool stop_after_detection_{true};
    Trigger<std::string> detected_;
    lp_model model_{};
    lp_spotter *spotter_{nullptr};
    SampleRing *ring_{nullptr};
    std::atomic<bool> running_{false};
    std::atomic<uint32_t> lost_{0}; /* samples since the last warning */
};

} // namespace esphome::edge_lp
