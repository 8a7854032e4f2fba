#include "ops/view.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ponder::ops {

void refuse_shape(const char* op, const std::string& problem) {
  throw Error(ErrorKind::kInternal, op, problem);
}

void check_shape(const char* op, const RowShape& shape) { check_shape(op, shape, shape.C); }

void check_shape(const char* op, const RowShape& shape, int64_t stride) {
  if (shape.T >= 0 && shape.C > 0 && stride >= shape.C) return;
  refuse_shape(op, fmt::format("{} rows of {} elements, {} apart, are impossible", shape.T, shape.C,
                               stride));
}

void check_shape(const char* op, const HeadShape& shape, int64_t stride) {
  if (shape.T >= 0 && shape.heads > 0 && shape.D > 0 && stride >= shape.heads * shape.D) return;
  refuse_shape(op, fmt::format("{} rows of {} heads of {} elements, {} apart, are impossible",
                               shape.T, shape.heads, shape.D, stride));
}

}  // namespace ponder::ops
