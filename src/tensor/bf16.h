// A bf16 number as it lies in memory: the upper half of a float.
#pragma once

#include <cstdint>

namespace ponder::tensor {

struct Bf16 {
  uint16_t bits;
};

}  // namespace ponder::tensor
