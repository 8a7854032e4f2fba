// Rows of f32, or of bf16, which are widened (exactly) when they are read. They borrow.
#pragma once

#include <cstdint>

#include "ops/view.h"
#include "tensor/bf16.h"

namespace ponder::ops {

using tensor::Bf16;

struct StoredRows {
  StoredRows(ConstRows rows) : f32(rows.data), stride(rows.stride) {}
  StoredRows(const float* rows, int64_t row_stride) : f32(rows), stride(row_stride) {}
  StoredRows(const Bf16* rows, int64_t row_stride) : bf16(rows), stride(row_stride) {}

  // f of a pointer to element i of row t, whatever it is of.
  template <class F>
  void at(int64_t t, int64_t i, const F& f) const {
    f32 ? f(f32 + t * stride + i) : f(bf16 + t * stride + i);
  }

  const float* f32 = nullptr;  // one of the two
  const Bf16* bf16 = nullptr;
  int64_t stride = 0;
};

}  // namespace ponder::ops
