// Log-softmax over one row of logits, by a definition that fixes every bit: the maximum; then
// sixteen interleaved sums of exp(logit - max) over ascending index, folded by the fixed tree; then
// the natural logarithm of that sum, computed in double precision and rounded once. A size below 1
// and a target outside of the row are an Error.
#pragma once

#include <cstdint>

namespace ponder::ops {

// log(sum(exp(logits))). -inf entries count as zero. A NaN if the row has a NaN, +inf or nothing
// finite.
float log_sum_exp(const float* logits, int64_t size);
float max_value(const float* logits, int64_t size);

// out[i] = exp((logits[i] - shift) * scale). May alias.
void exp_shifted(float* out, const float* logits, int64_t size, float shift, float scale);

// The gradient of a weighted log-probability with respect to the logits, in place: logits become
// weight * ((i == target) - exp(logits[i] - lse)).
void log_softmax_backward(float* logits, int64_t size, int64_t target, float lse, float weight);

}  // namespace ponder::ops
