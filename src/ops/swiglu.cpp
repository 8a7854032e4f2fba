#include "ops/swiglu.h"

#include "ops/swiglu_task.h"

namespace ponder::ops {
namespace {

constexpr int64_t kSwigluRows = 2;  // that a thread takes at least

}  // namespace

void swiglu(float* act, const float* gate_up, RowShape shape, ThreadPool& threads) {
  check_shape("swiglu", shape);
  threads.parallel_for(shape.T, kSwigluRows, [&](int64_t begin, int64_t end) {
    swiglu_rows(act, gate_up, shape.C, begin, end);
  });
}

void swiglu_backward(float* dgate_up, float* act, const float* dact, const float* gate_up,
                     RowShape shape, ThreadPool& threads) {
  check_shape("swiglu", shape);
  threads.parallel_for(shape.T, kSwigluRows, [&](int64_t begin, int64_t end) {
    swiglu_backward_rows(dgate_up, act, dact, gate_up, shape.C, begin, end);
  });
}

}  // namespace ponder::ops
