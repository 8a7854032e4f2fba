#include "train/trainable_set.h"

namespace ponder::train {

TrainableSet TrainableSet::all(const model::ModelConfig& config) {
  return TrainableSet(model::ParameterLayout(config));
}

TrainableSet::TrainableSet(model::ParameterLayout layout) : layout_(std::move(layout)) {
  for (const model::ParameterInfo& entry : layout_.entries()) {
    segments_.push_back({entry.offset, entry.offset + entry.size, entry.decays});
  }
}

}  // namespace ponder::train
