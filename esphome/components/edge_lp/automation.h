/* SPDX-License-Identifier: Apache-2.0 */
/* edge_lp.start, edge_lp.stop, edge_lp.is_running. */
#pragma once

#include "esphome/core/automation.h"
#include "spotter.h"

namespace esphome::edge_lp
{

template <typename... Ts> class StartAction : public Action<Ts...>, public Parented<Spotter>
{
  public:
    void play(const Ts &...) override { this->parent_->start(); }
};

template <typename... Ts> class StopAction : public Action<Ts...>, public Parented<Spotter>
{
  public:
    void play(const Ts &...) override { this->parent_->stop(); }
};

template <typename... Ts>
class IsRunningCondition : public Condition<Ts...>, public Parented<Spotter>
{
  public:
    bool check(const Ts &...) override { return this->parent_->is_running(); }
};

} // namespace esphome::edge_lp
