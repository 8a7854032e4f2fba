#include "tensor/arena.h"

#include <algorithm>

namespace ponder::tensor {

int64_t total_bytes(const MemoryTable& table) {
  int64_t total = 0;
  for (const auto& [purpose, bytes] : table) total += bytes;
  return total;
}

float* Arena::take(const char* purpose, int64_t floats) {
  const int64_t rounded = (floats + 15) / 16 * 16, begin = used_;
  used_ += rounded;
  if (table_ && rounded > 0) {
    const int64_t bytes = rounded * static_cast<int64_t>(sizeof(float));
    const auto same =
        std::find_if(table_->begin(), table_->end(), [&](auto& e) { return e.first == purpose; });
    if (same == table_->end()) {
      table_->emplace_back(purpose, bytes);
    } else {
      same->second += bytes;
    }
  }
  return counting_ || floats == 0 ? nullptr : memory_.data() + begin;
}

}  // namespace ponder::tensor
