// Which tensors training changes, and how they lie one after another in a flat buffer. Weights,
// gradients, AdamW's moments and a job's saved state all follow this one list, so what is not in it
// is neither trained nor saved. Today it is every tensor of a model.
#pragma once

#include <cstdint>
#include <vector>

#include "model/parameters.h"

namespace ponder::train {

class TrainableSet {
 public:
  // A run of elements of the flat buffer, all of one tensor. Padding belongs to none.
  struct Segment {
    int64_t begin, end;
    bool decays;  // as the table of tensors says
  };

  static TrainableSet all(const model::ModelConfig& config);

  const model::ParameterLayout& layout() const { return layout_; }
  int64_t total() const { return layout_.total(); }                   // elements of a flat buffer
  const std::vector<Segment>& segments() const { return segments_; }  // ascending

 private:
  explicit TrainableSet(model::ParameterLayout layout);

  model::ParameterLayout layout_;
  std::vector<Segment> segments_;
};

}  // namespace ponder::train
