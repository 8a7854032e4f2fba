#include "ops/rms_norm.h"

#include "ops/rms_norm_task.h"

namespace ponder::ops {
namespace {

constexpr int64_t kNormRows = 4, kNormColumns = 16;  // that a thread takes at least

}  // namespace

void rms_norm(float* y, float* inv_rms, const float* x, const float* weight, RowShape shape,
              float eps, ThreadPool& threads) {
  // Without a delta the rows of x are only read.
  add_rms_norm(y, inv_rms, {const_cast<float*>(x), x, nullptr}, weight, shape, eps, threads);
}

void add_rms_norm(float* y, float* inv_rms, const Residual& residual, const float* weight,
                  RowShape shape, float eps, ThreadPool& threads) {
  check_shape("rms_norm", shape);
  const NormTask task{y, inv_rms, residual, weight, shape.C, eps};
  threads.parallel_for(shape.T, kNormRows,
                       [&](int64_t begin, int64_t end) { norm_rows(task, begin, end); });
}

void rms_norm_apply(float* y, const Normed& normed, RowShape shape, ThreadPool& threads) {
  check_shape("rms_norm", shape);
  threads.parallel_for(shape.T, kNormRows, [&](int64_t begin, int64_t end) {
    apply_norm(y, normed, shape.C, begin, end);
  });
}

void rms_norm_backward(float* dx, float* dweight, const float* dy, const Normed& normed,
                       RowShape shape, ThreadPool& threads) {
  check_shape("rms_norm", shape);
  const NormBackwardTask rows{dx, dy, normed, shape.C};
  const NormWeightTask weight{
      dweight, {dy, shape.C}, {normed.x, shape.C}, normed.inv_rms, {shape.T, 1, shape.C}};
  threads.parallel_for(shape.T, kNormRows,
                       [&](int64_t begin, int64_t end) { norm_backward_rows(rows, begin, end); });
  threads.parallel_for(shape.C, kNormColumns, [&](int64_t begin, int64_t end) {
    norm_weight_gradient(weight, begin, end);
  });
}

void head_norm(Rows x, Rows kept, float* inv_rms, const float* weight, HeadShape shape, float eps,
               ThreadPool& threads) {
  check_shape("head_norm", shape, x.stride);
  if (kept.data) check_shape("head_norm", shape, kept.stride);
  const HeadNormTask task{x, kept, inv_rms, weight, shape, eps};
  threads.parallel_for(shape.T, kNormRows,
                       [&](int64_t begin, int64_t end) { norm_heads(task, begin, end); });
}

void head_norm_backward(Rows dx, float* dweight, ConstRows kept, const float* inv_rms,
                        const float* weight, HeadShape shape, ThreadPool& threads) {
  check_shape("head_norm", shape, dx.stride);
  check_shape("head_norm", shape, kept.stride);
  const NormWeightTask columns{dweight, dx, kept, inv_rms, shape};
  const HeadNormBackwardTask rows{dx, kept, inv_rms, weight, shape};
  // The weight's gradient first: the rows then write over what it reads.
  threads.parallel_for(shape.D, kNormColumns, [&](int64_t begin, int64_t end) {
    norm_weight_gradient(columns, begin, end);
  });
  threads.parallel_for(shape.T, kNormRows,
                       [&](int64_t begin, int64_t end) { norm_backward_heads(rows, begin, end); });
}

}  // namespace ponder::ops
