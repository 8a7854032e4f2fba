// What one decoder layer is, as data: what layer.h runs and what a family is made of.
#pragma once

#include <cstdint>

namespace ponder::model {

// Where a layer norms. Its branches are attention and MLP; x is the residual stream.
enum class BranchNorm {
  kInput,   // x + branch(norm(x))
  kOutput,  // x + norm(branch(x)), as OLMo 2 and 3
};

// Norms of queries and keys, before RoPE.
enum class QkNorm {
  kNone,
  kHead,   // each head by itself, with one weight (head_dim) for all of them
  kWhole,  // all heads of a token together, with weights (q_size) and (kv_size)
};

struct LayerSpec {
  BranchNorm branch_norm = BranchNorm::kInput;
  QkNorm qk_norm = QkNorm::kNone;
  bool qkv_bias = false;
  bool rotates = true;      // RoPE on queries and keys; else the layer knows no positions
  bool scales_rope = true;  // as rope_scaling says; else RoPE of theta alone
  int64_t window = 0;       // positions a query sees, its own included; 0: all up to its own

  bool operator==(const LayerSpec&) const = default;
};

}  // namespace ponder::model
