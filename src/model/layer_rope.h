// The tables of RoPE that a model's layers read: that of its rope_scaling, and that of theta alone
// for layers that are not stretched.
#pragma once

#include "model/config.h"
#include "ops/rope.h"

namespace ponder::model {

class LayerRope {
 public:
  explicit LayerRope(const ModelConfig& config)
      : scaled_(config.head_dim, config.rope_theta, config.rope_scaling),
        plain_(config.head_dim, config.rope_theta) {
    for (const LayerSpec& layer : config.layers) has_plain_ = has_plain_ || !layer.scales_rope;
  }
  // Makes positions [0, num_positions) available.
  void extend(int64_t num_positions) {
    scaled_.extend(num_positions);
    if (has_plain_) plain_.extend(num_positions);
  }
  const ops::RopeTable& of(const LayerSpec& spec) const {
    return spec.scales_rope ? scaled_ : plain_;
  }

 private:
  ops::RopeTable scaled_, plain_;
  bool has_plain_ = false;
};

}  // namespace ponder::model
