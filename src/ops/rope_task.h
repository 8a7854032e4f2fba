// What one thread does of a rotation: for rope.cpp, which checks and shares out, and the kernel.
#pragma once

#include "ops/rope.h"

namespace ponder::ops {

struct RopeTask {
  Rows x;
  const int32_t* positions;
  const RopeTable* table;
  HeadShape shape;
  float sign;  // -1: the inverse rotation
};

// Rows [begin, end).
void rope_rows(const RopeTask& task, int64_t begin, int64_t end);

}  // namespace ponder::ops
