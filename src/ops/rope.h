// Rotary position embedding (Su et al. 2021) in the half-split layout of transformers: dimension i
// pairs with i + D/2. Angles follow transformers' f32 steps (inv_freq, scaled if need be, rounded
// to f32; position * inv_freq in f32), sine and cosine of that angle are computed in double by our
// own series, times the attention factor there is, and rounded once, so the table is the same on
// every CPU.
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "ops/view.h"

namespace ponder::ops {

// How a model was stretched to longer contexts; names as in config.json's rope_scaling.
struct RopeScaling {
  enum class Type {
    kNone,
    kLinear,  // every frequency / factor
    // Llama 3.1 to 3.3: wavelengths above original / low_freq_factor as kLinear, below original /
    // high_freq_factor unchanged, between them a blend of the two, linear in the frequency.
    kLlama3,
    // YaRN (Peng et al. 2023): dimensions that turn more than beta_fast times within the original
    // context unchanged, fewer than beta_slow times as kLinear, between them a blend of the two,
    // linear in the dimension; cosine and sine are multiplied by attention_factor.
    kYarn,
  };
  Type type = Type::kNone;
  double factor = 1.0;  // at least 1
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;  // above low_freq_factor
  int64_t original_max_position_embeddings = 8192;
  double beta_fast = 32.0;
  double beta_slow = 1.0;         // at most beta_fast
  double attention_factor = 1.0;  // yarn_attention_factor, where config.json does not say
  bool truncate = true;           // the two limits are rounded to whole dimensions

  bool operator==(const RopeScaling&) const = default;
};

// 0.1 mscale ln(factor) + 1: what YaRN multiplies cosine and sine with.
double yarn_attention_factor(double factor, double mscale = 1.0);

class RopeTable {
 public:
  // theta above 1 with kYarn.
  RopeTable(int64_t head_dim, double theta, const RopeScaling& scaling = {});
  // Makes positions [0, num_positions) available.
  void extend(int64_t num_positions);
  int64_t num_positions() const { return static_cast<int64_t>(cos_.size()) / half_; }
  int64_t head_dim() const { return 2 * half_; }
  const float* cos(int64_t position) const { return cos_.data() + position * half_; }
  const float* sin(int64_t position) const { return sin_.data() + position * half_; }

 private:
  int64_t half_;
  double factor_;  // of cosine and sine
  std::vector<float> inv_freq_, cos_, sin_;
};

enum class RopeDirection { kForward, kBackward };

// Rotates the heads of every row of x, in place. positions (T), of the table; shape.D is its
// head_dim. Impossible shapes are an Error.
// Forward: (a, b) -> (a cos - b sin, b cos + a sin), the second product fused. Backward: the
// inverse rotation.
void rope(Rows x, const int32_t* positions, const RopeTable& table, HeadShape shape,
          RopeDirection direction, ThreadPool& threads);

}  // namespace ponder::ops
