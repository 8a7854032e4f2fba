#include "ops/softmax.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/portable_math.h"
#include "ops/softmax_task.h"
#include "ops/view.h"

namespace ponder::ops {

float max_value(const float* logits, int64_t size) {
  check_shape("softmax", {1, size});
  return max_of_row(logits, size);
}

float log_sum_exp(const float* logits, int64_t size) {
  const float max = max_value(logits, size);
  if (!std::isfinite(max) || num_broken_of_row(logits, size) > 0)
    return std::numeric_limits<float>::quiet_NaN();
  const float sum = sum_exp_of_row(logits, size, max);
  return static_cast<float>(static_cast<double>(max) + portable_log(static_cast<double>(sum)));
}

void exp_shifted(float* out, const float* logits, int64_t size, float shift, float scale) {
  check_shape("softmax", {1, size});
  exp_shifted_row(out, logits, size, shift, scale);
}

void log_softmax_backward(float* logits, int64_t size, int64_t target, float lse, float weight) {
  if (target < 0 || target >= size) {
    refuse_shape("softmax", fmt::format("target {} of {} logits", target, size));
  }
  log_softmax_backward_row(logits, size, target, lse, weight);
}

}  // namespace ponder::ops
