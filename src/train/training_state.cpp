#include "train/training_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "comm/ordered_sum.h"

namespace ponder::train {

TrainingState::TrainingState(const model::ModelConfig& config, TrainableSet trainable,
                             model::Parameters start, const AdamWOptions& options,
                             GradientKind kind, ThreadPool& threads, comm::Communicator& members)
    : threads_(threads),
      members_(members),
      trainable_(std::move(trainable)),
      weights_(std::move(start)),
      gradients_(config),
      kind_(kind),
      sum_("sum of groups' gradients", kind == GradientKind::kOneChain ? 0 : trainable_.total()),
      optimizer_(trainable_, options, threads) {}

void TrainingState::zero() {
  gradients_.zero();
  sum_.zero();
}

void TrainingState::end_groups(int64_t count) {
  gradients_.finish();
  comm::add_by_rank(members_, sum_.span(), gradients_.parameters().flat(), count, threads_);
  gradients_.zero();
}

double TrainingState::end_gradient() {
  if (kind_ == GradientKind::kOneChain) {
    gradients_.finish();
  } else {
    comm::share_segments(members_, sum_.span());
  }
  return gradient_norm(gradient(), threads_);
}

void TrainingState::broadcast(int root) {
  members_.broadcast(std::as_writable_bytes(weights_.flat()), root);
  members_.broadcast(optimizer_.exp_avg().bytes(), root);
  members_.broadcast(optimizer_.exp_avg_sq().bytes(), root);
}

void TrainingState::update(double lr, double scale) {
  optimizer_.update(weights_.flat(), gradient(), lr, scale);
}

std::span<const float> TrainingState::gradient() const {
  return kind_ == GradientKind::kOneChain ? gradients_.parameters().flat() : sum_.span();
}

std::vector<TrainingState::Tensor> TrainingState::tensors() const {
  constexpr std::pair<Part, const char*> kParts[] = {
      {Part::kWeights, "weights"}, {Part::kExpAvg, "exp_avg"}, {Part::kExpAvgSq, "exp_avg_sq"}};
  std::vector<Tensor> tensors;
  for (const auto& [part, prefix] : kParts) {
    for (const model::ParameterInfo& parameter : trainable_.layout().entries()) {
      tensors.push_back({fmt::format("{}/{}", prefix, parameter.name), part, parameter});
    }
  }
  return tensors;
}

void TrainingState::read(const Tensor& tensor, int64_t begin, std::span<float> to) const {
  const int64_t at = tensor.parameter.offset + begin;
  switch (tensor.part) {
    case Part::kWeights:
      return read_weights(tensor.parameter, begin, to);
    case Part::kExpAvg:
      return optimizer_.exp_avg().read(at, to);
    case Part::kExpAvgSq:
      return optimizer_.exp_avg_sq().read(at, to);
  }
}

void TrainingState::write(const Tensor& tensor, int64_t begin, std::span<const float> from) {
  const int64_t at = tensor.parameter.offset + begin;
  switch (tensor.part) {
    case Part::kWeights:
      std::copy(from.begin(), from.end(), weights_.flat().begin() + at);
      return;
    case Part::kExpAvg:
      return optimizer_.exp_avg().write(at, from, 0);
    case Part::kExpAvgSq:
      return optimizer_.exp_avg_sq().write(at, from, 0);
  }
}

void TrainingState::read_weights(const model::ParameterInfo& parameter, int64_t begin,
                                 std::span<float> to) const {
  const auto from = weights_.flat().begin() + parameter.offset + begin;
  std::copy(from, from + static_cast<int64_t>(to.size()), to.begin());
}

}  // namespace ponder::train
