#include "model/parameters.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/philox.h"

namespace ponder::model {
namespace {

constexpr int64_t kAlignment = 16;  // elements: one cache line

}  // namespace

ParameterLayout::ParameterLayout(const ModelConfig& config)
    : of_layer_(static_cast<size_t>(config.num_hidden_layers) + 1) {
  for (TensorSpec& spec : tensor_table(config)) {
    ParameterInfo info{std::move(spec), total_, 0};
    info.size = info.num_elements();
    total_ += (info.size + kAlignment - 1) / kAlignment * kAlignment;
    index_.emplace(info.name, entries_.size());
    of_layer_[static_cast<size_t>(info.layer + 1)].push_back(entries_.size());
    entries_.push_back(std::move(info));
  }
}

const ParameterInfo& ParameterLayout::at(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) throw Error(name, "the model has no parameter of this name");
  return entries_[found->second];
}

const ParameterInfo* ParameterLayout::find(TensorRole role, int64_t layer) const {
  for (const size_t place : of_layer_.at(static_cast<size_t>(layer + 1))) {
    if (entries_[place].role == role) return &entries_[place];
  }
  return nullptr;
}

std::vector<const ParameterInfo*> ParameterLayout::parts_of(FusedMatrix matrix, int64_t layer,
                                                            bool matrices) const {
  std::vector<const ParameterInfo*> parts;
  for (const size_t place : of_layer_.at(static_cast<size_t>(layer + 1))) {
    const ParameterInfo& info = entries_[place];
    if (info.fused == matrix && info.is_matrix() == matrices) parts.push_back(&info);
  }
  return parts;
}

Parameters::Parameters(const ModelConfig& config, std::string buffer_name)
    : layout_(config), buffer_(std::move(buffer_name), layout_.total()) {}

std::span<float> Parameters::at(const std::string& name) { return at(layout_.at(name)); }

std::span<const float> Parameters::at(const std::string& name) const {
  return at(layout_.at(name));
}

float* Parameters::find(TensorRole role, int64_t layer) {
  const ParameterInfo* info = layout_.find(role, layer);
  return info ? buffer_.data() + info->offset : nullptr;
}

const float* Parameters::find(TensorRole role, int64_t layer) const {
  const ParameterInfo* info = layout_.find(role, layer);
  return info ? buffer_.data() + info->offset : nullptr;
}

void initialise(Parameters& parameters, const ModelConfig& config, uint64_t seed,
                ThreadPool* threads) {
  for (const ParameterInfo& info : parameters.layout().entries()) {
    const std::span<float> values = parameters.at(info);
    if (info.init != TensorInit::kNormal) {
      std::fill(values.begin(), values.end(), info.init == TensorInit::kOnes ? 1.0f : 0.0f);
      continue;
    }
    const Random random(seed, stable_hash64(info.name));
    const auto fill = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const double normal = random.normal(static_cast<uint64_t>(i));
        values[static_cast<size_t>(i)] = static_cast<float>(config.initializer_range * normal);
      }
    };
    if (threads) {
      threads->parallel_for(info.size, 4096, fill);
    } else {
      fill(0, info.size);
    }
  }
}

}  // namespace ponder::model
