#include "ops/swiglu.h"

#include "ops/swiglu_task.h"

namespace ponder::ops {
namespace {

constexpr int64_t kSwigluRows = 2;  // that a thread takes at least

void backward(float* dgate_up, float* act, const float* dact, StoredRows gate_up, RowShape shape,
              ThreadPool& threads) {
  check_shape("swiglu", shape);
  threads.parallel_for(shape.T, kSwigluRows, [&](int64_t begin, int64_t end) {
    swiglu_backward_rows(dgate_up, act, dact, gate_up, shape.C, begin, end);
  });
}

}  // namespace

void swiglu(float* act, const float* gate_up, RowShape shape, ThreadPool& threads) {
  check_shape("swiglu", shape);
  threads.parallel_for(shape.T, kSwigluRows, [&](int64_t begin, int64_t end) {
    swiglu_rows(act, gate_up, shape.C, begin, end);
  });
}

void bf16_swiglu(float* act, Bf16* rounded, const float* gate_up, RowShape shape,
                 ThreadPool& threads) {
  check_shape("swiglu", shape);
  threads.parallel_for(shape.T, kSwigluRows, [&](int64_t begin, int64_t end) {
    bf16_swiglu_rows(act, rounded, gate_up, shape.C, begin, end);
  });
}

void swiglu_backward(float* dgate_up, float* act, const float* dact, const float* gate_up,
                     RowShape shape, ThreadPool& threads) {
  backward(dgate_up, act, dact, {gate_up, 2 * shape.C}, shape, threads);
}

void swiglu_backward(float* dgate_up, float* act, const float* dact, const Bf16* gate_up,
                     RowShape shape, ThreadPool& threads) {
  backward(dgate_up, act, dact, {gate_up, 2 * shape.C}, shape, threads);
}

}  // namespace ponder::ops
