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
  add(purpose, rounded * static_cast<int64_t>(sizeof(float)));
  return counting_ || floats == 0 ? nullptr : memory_.data() + begin;
}

void Arena::add(const std::string& purpose, int64_t bytes) {
  if (!table_ || bytes == 0) return;
  const auto same =
      std::find_if(table_->begin(), table_->end(), [&](auto& e) { return e.first == purpose; });
  if (same == table_->end()) {
    table_->emplace_back(purpose, bytes);
  } else {
    same->second += bytes;
  }
}

}  // namespace ponder::tensor
