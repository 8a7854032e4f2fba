// When a completion runs in a circle. A rule on the sequence's own tokens and nothing else, so that
// it stops at the same token in any batch.
#pragma once

#include <cstdint>
#include <span>

namespace ponder::rollout {

// The last L tokens are a loop of period p if each of them but the first p equals the one p before
// it. A completion is stopped once, for some p <= max_period, L >= min_tokens and L >= min_repeats
// * p. Looked at after every kCheckEvery tokens only, which makes it free.
struct RepetitionRule {
  int max_period = 256;  // tokens
  int min_tokens = 128;
  int min_repeats = 4;  // 0 turns the rule off

  static constexpr int64_t kCheckEvery = 16;  // tokens
};

// Whether the completion stops here.
bool is_repetition(std::span<const int32_t> completion, const RepetitionRule& rule);

}  // namespace ponder::rollout
