// Asking for memory before it is read, at the pace of the work in between.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ponder::ops {

// What will be read after a tile, asked for at an even pace while it is computed: all at once it
// would be waited for.
struct Fetch {
  const char *next = nullptr, *end = nullptr;
  int lines = 0;  // a block of a strip

  void step() {
    for (int i = 0; i < lines && next < end; ++i, next += kLineBytes) __builtin_prefetch(next);
  }
  // The same into the second cache alone: where the nearest is full of what is at work.
  void step_far() {
    for (int i = 0; i < lines && next < end; ++i, next += kLineBytes)
      __builtin_prefetch(next, 0, 2);
  }
  // Part i of n of it.
  Fetch share(int64_t i, int64_t n) const {
    const int64_t all = (end - next + kLineBytes - 1) / kLineBytes;
    return {next + all * i / n * kLineBytes, std::min(next + all * (i + 1) / n * kLineBytes, end)};
  }
  // Spread over so many steps.
  void spread(int64_t steps) {
    constexpr auto kLines = [](int64_t bytes) { return (bytes + kLineBytes - 1) / kLineBytes; };
    lines = static_cast<int>((kLines(end - next) + steps - 1) / std::max<int64_t>(steps, 1));
  }
  static constexpr int64_t kLineBytes = 64;
};

}  // namespace ponder::ops
