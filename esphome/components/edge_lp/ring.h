/* SPDX-License-Identifier: Apache-2.0 */
/* Samples from the microphone's task to the main loop: one writer, one reader, no lock. */
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace esphome::edge_lp
{

class SampleRing
{
  public:
    static constexpr uint32_t ROOM = 8192; /* samples, 0.512 s; a power of two */

    /* The writer's: n samples -> how many there was room for. */
    size_t put(const int16_t *pcm, size_t n)
    {
        const uint32_t head = this->head_.load(std::memory_order_relaxed);
        const uint32_t full = head - this->tail_.load(std::memory_order_acquire);
        n = std::min<size_t>(n, ROOM - full);
        for (size_t i = 0; i < n; i++) this->samples_[(head + i) % ROOM] = pcm[i];
        this->head_.store(head + n, std::memory_order_release);
        return n;
    }

    /* The reader's: up to n samples -> how many there were. */
    size_t take(int16_t *pcm, size_t n)
    {
        const uint32_t tail = this->tail_.load(std::memory_order_relaxed);
        n = std::min<size_t>(n, this->head_.load(std::memory_order_acquire) - tail);
        for (size_t i = 0; i < n; i++) pcm[i] = this->samples_[(tail + i) % ROOM];
        this->tail_.store(tail + n, std::memory_order_release);
        return n;
    }

    /* The reader's: forgets what is there. */
    void drop() { this->tail_.store(this->head_.load(std::memory_order_acquire)); }

  private:
    int16_t samples_[ROOM];
    std::atomic<uint32_t> head_{0}, tail_{0}; /* count samples, modulo 2^32 */
};

} // namespace esphome::edge_lp
