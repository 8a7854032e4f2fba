#include "train/trainable_set.h"

namespace ponder {

TrainableSet TrainableSet::all(const ModelConfig& config) {
  return TrainableSet(ParameterLayout(config));
}

TrainableSet::TrainableSet(ParameterLayout layout) : layout_(std::move(layout)) {
  for (const ParameterInfo& entry : layout_.entries()) {
    segments_.push_back({entry.offset, entry.offset + entry.size, entry.decays});
  }
}

}  // namespace ponder
