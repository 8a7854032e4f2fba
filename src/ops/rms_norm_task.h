// What one thread does of a norm: for rms_norm.cpp, which checks and shares out, and the kernels.
#pragma once

#include "ops/rms_norm.h"

namespace ponder::ops {

struct NormTask {
  float *y, *inv_rms;
  Residual residual;
  const float* weight;
  int64_t C;
  float eps;
};

struct HeadNormTask {
  Rows x, kept;
  float* inv_rms;
  const float* weight;
  HeadShape shape;
  float eps;
};

struct NormBackwardTask {
  float* dx;
  const float* dy;
  Normed normed;
  int64_t C;
};

struct HeadNormBackwardTask {
  Rows dx;
  ConstRows kept;
  const float *inv_rms, *weight;
  HeadShape shape;
};

struct NormWeightTask {
  float* dweight;
  ConstRows dy, x;
  const float* inv_rms;
  HeadShape shape;
};

// Rows [begin, end).
void norm_rows(const NormTask& task, int64_t begin, int64_t end);
void norm_heads(const HeadNormTask& task, int64_t begin, int64_t end);
void apply_norm(float* y, const Normed& normed, int64_t C, int64_t begin, int64_t end);
void norm_backward_rows(const NormBackwardTask& task, int64_t begin, int64_t end);
void norm_backward_heads(const HeadNormBackwardTask& task, int64_t begin, int64_t end);
// Elements [begin, end) of dweight, begin a multiple of 16, over all heads of all rows.
void norm_weight_gradient(const NormWeightTask& task, int64_t begin, int64_t end);

}  // namespace ponder::ops
