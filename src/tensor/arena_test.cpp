#include "tensor/arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <tuple>

namespace ponder::tensor {
namespace {

struct Pieces {
  float *a, *b, *none, *c;
};

void lay_out(Arena& arena, Pieces& pieces, int64_t size) {
  pieces.a = arena.take("first", size);
  pieces.b = arena.take("second", 3);
  pieces.none = arena.take("nothing", 0);
  pieces.c = arena.take("first", 16);
}

TEST(Arena, ThePlanIsWhatTheLayoutTakes) {
  Pieces pieces{};
  const MemoryTable table = Arena::plan([&](Arena& a) { lay_out(a, pieces, 17); });
  EXPECT_EQ(pieces.a, nullptr);
  EXPECT_EQ(table, (MemoryTable{{"first", (32 + 16) * 4}, {"second", 16 * 4}}));
  Arena arena("test");
  arena.lay_out([&](Arena& a) { lay_out(a, pieces, 17); });
  EXPECT_EQ(arena.size_bytes(), total_bytes(table));
}

TEST(Arena, PiecesAreApartAlignedAndKeptWhileTheyFit) {
  Arena arena("test");
  Pieces pieces{};
  arena.lay_out([&](Arena& a) { lay_out(a, pieces, 17); });
  EXPECT_EQ(pieces.b, pieces.a + 32);
  EXPECT_EQ(pieces.c, pieces.b + 16);
  EXPECT_EQ(pieces.none, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(pieces.a) % 64, 0u);
  const float* before = pieces.a;
  const int64_t bytes = arena.size_bytes();
  arena.lay_out([&](Arena& a) { lay_out(a, pieces, 5); });
  EXPECT_EQ(pieces.a, before);
  EXPECT_EQ(arena.size_bytes(), bytes) << "a smaller layout needs no new memory";
  arena.lay_out([&](Arena& a) { lay_out(a, pieces, 1000); });
  EXPECT_EQ(arena.size_bytes(), (1008 + 16 + 16) * 4);
  pieces.c[15] = 1;
}

TEST(Arena, WhatIsNeverNeededTogetherLiesInOnePlace) {
  float *before = nullptr, *small = nullptr, *large = nullptr, *behind = nullptr;
  const auto layout = [&](int64_t one, int64_t other) {
    return [&, one, other](Arena& a) {
      before = a.take("before", 16);
      a.take_either([&](Arena& either) { small = either.take("one", one); },
                    [&](Arena& either) {
                      large = either.take("other", other);
                      either.take("before", 16);
                    });
      behind = a.take("behind", 16);
    };
  };
  EXPECT_EQ(Arena::plan(layout(16, 32)),
            (MemoryTable{{"before", 2 * 64}, {"other", 128}, {"behind", 64}}));
  EXPECT_EQ(Arena::plan(layout(64, 32)),
            (MemoryTable{{"before", 64}, {"one", 256}, {"behind", 64}}));
  Arena arena("test");
  for (const auto& [one, other, floats] : {std::tuple{16, 32, 48}, {64, 32, 64}}) {
    arena.lay_out(layout(one, other));
    EXPECT_EQ(small, before + 16);
    EXPECT_EQ(large, small);
    EXPECT_EQ(behind, small + floats);
    EXPECT_EQ(arena.size_bytes(), total_bytes(Arena::plan(layout(one, other))));
  }
}

}  // namespace
}  // namespace ponder::tensor
