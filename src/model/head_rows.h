// How many targets' logits are computed at a time. V vocab_size.
#pragma once

#include <algorithm>
#include <cstdint>

#include "model/pass_memory.h"

namespace ponder::model {

// Rows of V logits in one chunk, at most `targets`; chunks are of nearly equal size. In f32 logits_rows. In bf16 products make logits faster than memory takes them: 32 MiB of them at a
// time where they are only read again, and 64 MiB to train, as each chunk goes on with all of the
// head's gradient.
inline int64_t head_rows(int64_t vocab_size, int64_t targets, Keep keep,
                         tensor::Precision precision) {
  const int64_t rows = logits_rows(vocab_size, targets);
  if (precision == tensor::Precision::kF32) return rows;
  const int64_t floats = (keep == Keep::kNothing ? int64_t{8} : int64_t{16}) << 20;
  const int64_t most = std::max<int64_t>(64, floats / vocab_size);
  if (rows <= most) return rows;
  const int64_t chunks = (targets + most - 1) / most;
  return (targets + chunks - 1) / chunks;
}

}  // namespace ponder::model
