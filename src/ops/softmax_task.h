// The kernels of log-softmax, one row each: for softmax.cpp, which checks.
#pragma once

#include <cstdint>

namespace ponder::ops {

float max_of_row(const float* logits, int64_t size);
// How many are NaN or +inf.
int64_t num_broken_of_row(const float* logits, int64_t size);
// Of exp(logits - max).
float sum_exp_of_row(const float* logits, int64_t size, float max);
void exp_shifted_row(float* out, const float* logits, int64_t size, float shift, float scale);
void log_softmax_backward_row(float* logits, int64_t size, int64_t target, float lse, float weight);

}  // namespace ponder::ops
