#include "tensor/arena.h"

#include <gtest/gtest.h>

#include <cstdint>

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

}  // namespace
}  // namespace ponder::tensor
