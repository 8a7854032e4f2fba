#include "rollout/repetition.h"

#include <algorithm>

namespace ponder::rollout {

bool is_repetition(std::span<const int32_t> completion, const RepetitionRule& rule) {
  const int64_t size = static_cast<int64_t>(completion.size());
  if (rule.min_repeats <= 0 || size % RepetitionRule::kCheckEvery != 0 || size < rule.min_tokens) {
    return false;
  }
  const int32_t* tokens = completion.data();
  for (int64_t period = 1; period <= rule.max_period; ++period) {
    const int64_t needed = std::max<int64_t>(rule.min_tokens, int64_t{rule.min_repeats} * period);
    if (needed > size) break;
    int64_t length = period;
    while (length < needed && tokens[size - 1 - (length - period)] == tokens[size - 1 - length]) {
      ++length;
    }
    if (length == needed) return true;
  }
  return false;
}

}  // namespace ponder::rollout
