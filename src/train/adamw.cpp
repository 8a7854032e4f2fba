#include "train/adamw.h"

#include <algorithm>
#include <cmath>

#include "base/philox.h"
#include "base/portable_math.h"

namespace ponder::train {
namespace {

constexpr int64_t kBlock = 4096;
constexpr int kLanes = 8;

double block_sum_of_squares(const float* g, int64_t count) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const double x = g[i + lane];
      lanes[lane] += x * x;
    }
  }
  for (int lane = 0; i < count; ++i, ++lane) lanes[lane] += static_cast<double>(g[i]) * g[i];
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

}  // namespace

double gradient_norm(std::span<const float> gradients, ThreadPool& threads) {
  const int64_t size = static_cast<int64_t>(gradients.size());
  std::vector<double> sums(static_cast<size_t>((size + kBlock - 1) / kBlock));
  threads.parallel_for(size, kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; at += kBlock) {
      sums[static_cast<size_t>(at / kBlock)] =
          block_sum_of_squares(gradients.data() + at, std::min(kBlock, end - at));
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return std::sqrt(total);
}

double clip_scale(double norm, double max_norm) {
  return max_norm > 0 && norm > max_norm ? max_norm / norm : 1.0;
}

AdamW::AdamW(const TrainableSet& trainable, const AdamWOptions& options, ThreadPool& threads)
    : options_(options),
      threads_(threads),
      segments_(trainable.segments()),
      exp_avg_("AdamW exp_avg", trainable.total(), options.moments),
      exp_avg_sq_("AdamW exp_avg_sq", trainable.total(), options.moments) {}

void AdamW::update(std::span<float> weights, std::span<const float> gradients, double lr,
                   double scale) {
  ++num_updates_;
  AdamWConstants constants;
  constants.scale = static_cast<float>(scale);
  constants.one_minus_beta1 = static_cast<float>(1.0 - options_.beta1);
  constants.one_minus_beta2 = static_cast<float>(1.0 - options_.beta2);
  constants.rate = static_cast<float>(lr / (1.0 - portable_power(options_.beta1, num_updates_)));
  constants.correct =
      static_cast<float>(1.0 / std::sqrt(1.0 - portable_power(options_.beta2, num_updates_)));
  constants.epsilon = static_cast<float>(options_.epsilon);
  const float decay = static_cast<float>(lr * options_.weight_decay);

  float* const w = weights.data();
  const bool narrow = exp_avg_.storage() == tensor::DType::kBF16;
  const Random random(options_.seed, stable_hash64("AdamW moments"));
  const auto update = static_cast<uint64_t>(num_updates_);
  const uint64_t m_key = random.bits(2 * update), v_key = random.bits(2 * update + 1);
  const float* const g = gradients.data();
  threads_.parallel_for(exp_avg_.size(), kBlock, [&](int64_t begin, int64_t end) {
    auto segment =
        std::partition_point(segments_.begin(), segments_.end(),
                             [&](const TrainableSet::Segment& s) { return s.end <= begin; });
    for (; segment != segments_.end() && segment->begin < end; ++segment) {
      const int64_t from = std::max(begin, segment->begin);
      AdamWConstants own = constants;
      own.decay = segment->decays ? decay : 0.0f;
      const int64_t to = std::min(end, segment->end);
      if (!narrow) {
        adamw_elements(own, to - from, w + from, exp_avg_.f32(from), exp_avg_sq_.f32(from),
                       g + from);
        continue;
      }
      float m[kBlock], v[kBlock];
      for (int64_t at = from; at < to; at += kBlock) {
        const int64_t n = std::min(kBlock, to - at);
        const std::span<float> m_part(m, static_cast<size_t>(n)), v_part(v, m_part.size());
        exp_avg_.read(at, m_part);
        exp_avg_sq_.read(at, v_part);
        adamw_elements(own, n, w + at, m, v, g + at);
        exp_avg_.write(at, m_part, m_key);
        exp_avg_sq_.write(at, v_part, v_key);
      }
    }
  });
}

}  // namespace ponder::train
