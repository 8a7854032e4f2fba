// Small views that ops take in place of loose pointers, strides and sizes. They borrow. A shape that
// cannot be is a mistake of ponder's own: an Error of kind kInternal that names the op.
#pragma once

#include <cstdint>
#include <string>

namespace ponder::ops {

// Row t begins at data + t * stride.
struct Rows {
  float* data = nullptr;
  int64_t stride = 0;
};
struct ConstRows {
  ConstRows() = default;
  ConstRows(const float* rows, int64_t row_stride) : data(rows), stride(row_stride) {}
  ConstRows(Rows rows) : data(rows.data), stride(rows.stride) {}

  const float* data = nullptr;
  int64_t stride = 0;
};

struct RowShape {
  int64_t T, C;  // T rows of C elements
};
struct HeadShape {
  int64_t T, heads, D;  // T rows of heads of D elements, side by side
};

[[noreturn]] void refuse_shape(const char* op, const std::string& problem);

// A size below 1 (of T: below 0), or rows that overlap, are refused.
void check_shape(const char* op, const RowShape& shape);
void check_shape(const char* op, const RowShape& shape, int64_t stride);
void check_shape(const char* op, const HeadShape& shape, int64_t stride);

}  // namespace ponder::ops
