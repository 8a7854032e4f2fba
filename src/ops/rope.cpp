#include "ops/rope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/portable_math.h"
#include "ops/rope_task.h"

namespace ponder::ops {
namespace {

// Sine and cosine of x >= 0, |error| < 1e-12 for x < 1e6: reduction by pi/2 in three parts, then
// Taylor series.
void stable_sin_cos(double x, double& s, double& c) {
  const double n = std::floor(x * 0.63661977236758134308 + 0.5);
  const double r = ((x - n * 1.57079632673412561417) - n * 6.07710050630396597660e-11) -
                   n * 2.02226624879595063154e-21;
  const double z = r * r;
  double sr = 0.0, cr = 0.0;
  for (int k = 21; k >= 3; k -= 2) sr = (sr * z + 1.0) * (-1.0 / (k * (k - 1)));
  sr = r * (1.0 + sr * z);
  for (int k = 22; k >= 2; k -= 2) cr = (cr * z + 1.0) * (-1.0 / (k * (k - 1)));
  cr = 1.0 + cr * z;
  switch (static_cast<int64_t>(n) & 3) {
    case 0:
      s = sr;
      c = cr;
      break;
    case 1:
      s = cr;
      c = -sr;
      break;
    case 2:
      s = -sr;
      c = -cr;
      break;
    default:
      s = -cr;
      c = sr;
      break;
  }
}

constexpr double kTwoPi = 6.28318530717958647693;

double llama3_scaled(double inv_freq, const RopeScaling& scaling) {
  // Turns within the original context, and where they lie between the two limits.
  const double turns =
      static_cast<double>(scaling.original_max_position_embeddings) * inv_freq / kTwoPi;
  if (turns > scaling.high_freq_factor) return inv_freq;
  if (turns < scaling.low_freq_factor) return inv_freq / scaling.factor;
  const double share =
      (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
  return (1.0 - share) * (inv_freq / scaling.factor) + share * inv_freq;
}

// Between which dimensions YaRN's blend lies.
struct YarnRange {
  YarnRange(int64_t head_dim, double theta, const RopeScaling& scaling) {
    const auto context = static_cast<double>(scaling.original_max_position_embeddings);
    const auto D = static_cast<double>(head_dim);
    // The dimension that turns so many times within the original context.
    const auto dimension = [&](double turns) {
      return D * portable_log(context / (turns * kTwoPi)) / (2.0 * portable_log(theta));
    };
    low = dimension(scaling.beta_fast);
    high = dimension(scaling.beta_slow);
    if (scaling.truncate) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, D - 1.0);
    if (low == high) high += 0.001;
  }
  double scaled(double inv_freq, int64_t i, double factor) const {
    const double slowed = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    return slowed * (inv_freq / factor) + (1.0 - slowed) * inv_freq;
  }
  double low, high;
};

}  // namespace

double yarn_attention_factor(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * portable_log(factor) + 1.0;
}

RopeTable::RopeTable(int64_t head_dim, double theta, const RopeScaling& scaling)
    : half_(head_dim / 2),
      factor_(scaling.type == RopeScaling::Type::kYarn ? scaling.attention_factor : 1.0) {
  const auto scaled = [&](double inv_freq, int64_t i) {
    switch (scaling.type) {
      case RopeScaling::Type::kNone:
        return inv_freq;
      case RopeScaling::Type::kLinear:
        return inv_freq / scaling.factor;
      case RopeScaling::Type::kLlama3:
        return llama3_scaled(inv_freq, scaling);
      case RopeScaling::Type::kYarn:
        return YarnRange(head_dim, theta, scaling).scaled(inv_freq, i, scaling.factor);
    }
    return inv_freq;
  };
  for (int64_t i = 0; i < half_; ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(head_dim);
    inv_freq_.push_back(
        static_cast<float>(scaled(portable_exp(-exponent * portable_log(theta)), i)));
  }
}

void RopeTable::extend(int64_t num_positions) {
  for (int64_t position = this->num_positions(); position < num_positions; ++position) {
    for (const float inv_freq : inv_freq_) {
      double s, c;
      stable_sin_cos(static_cast<double>(static_cast<float>(position) * inv_freq), s, c);
      cos_.push_back(static_cast<float>(c * factor_));
      sin_.push_back(static_cast<float>(s * factor_));
    }
  }
}

void rope(Rows x, const int32_t* positions, const RopeTable& table, HeadShape shape,
          RopeDirection direction, ThreadPool& threads) {
  check_shape("rope", shape, x.stride);
  if (shape.D != table.head_dim()) {
    refuse_shape("rope", fmt::format("heads of {} elements, and a table for heads of {}", shape.D,
                                     table.head_dim()));
  }
  const float sign = direction == RopeDirection::kForward ? 1.0f : -1.0f;
  const RopeTask task{x, positions, &table, shape, sign};
  threads.parallel_for(shape.T, 4,
                       [&](int64_t begin, int64_t end) { rope_rows(task, begin, end); });
}

}  // namespace ponder::ops
