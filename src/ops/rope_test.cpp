#include "ops/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ops/reference.h"
#include "ops/test_support.h"

namespace ponder {
namespace {

TEST(Rope, RotatesByTheDefinitionOnEveryMachine) {
  constexpr int64_t kRows = 9, kHeads = 3;
  const std::vector<int32_t> positions = {0, 1, 2, 0, 100, 7, 99, 3, 3};
  for (const int64_t D : {2, 4, 8, 16, 24, 30, 32, 34, 48, 62, 64, 66, 80, 96, 128, 130}) {
    RopeTable table(D, 10000.0);
    table.extend(101);
    const int64_t ld = kHeads * D + 5;
    const std::vector<float> x = random_floats(kRows * ld, static_cast<uint64_t>(D));
    std::vector<float> forward = x, backward = x;
    for (int64_t t = 0; t < kRows; ++t) {
      const int32_t position = positions[static_cast<size_t>(t)];
      for (int64_t h = 0; h < kHeads; ++h) {
        for (int64_t i = 0; i < D / 2; ++i) {
          const auto a = static_cast<size_t>(t * ld + h * D + i),
                     b = a + static_cast<size_t>(D / 2);
          const float c = table.cos(position)[i], s = table.sin(position)[i];
          reference::rope(forward[a], forward[b], c, s, 1.0f);
          reference::rope(backward[a], backward[b], c, s, -1.0f);
        }
      }
    }
    SCOPED_TRACE(testing::Message() << "D " << D);
    on_every_machine(D == 34 || D == 64, [&](ThreadPool& pool) {
      Output y(x), z(x);
      rope(y.data(), ld, positions.data(), table, kRows, kHeads, D, RopeDirection::kForward, pool);
      ASSERT_TRUE(same_bits(forward, y));
      rope(z.data(), ld, positions.data(), table, kRows, kHeads, D, RopeDirection::kBackward, pool);
      ASSERT_TRUE(same_bits(backward, z));
    });
    if (HasFatalFailure()) return;
  }
}

// The rotation in double precision of one head of D by the angles at `position`.
void rotate(double* x, int64_t D, int32_t position, double theta) {
  for (int64_t i = 0; i < D / 2; ++i) {
    const auto inv_freq =
        static_cast<float>(std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(D)));
    const double angle = static_cast<float>(position) * inv_freq;
    const double a = x[i], b = x[i + D / 2];
    x[i] = a * std::cos(angle) - b * std::sin(angle);
    x[i + D / 2] = b * std::cos(angle) + a * std::sin(angle);
  }
}

TEST(Rope, TableIsTheDoubleValueRoundedOnce) {
  // Positions up to Qwen2.5's 131072; theta of Qwen2 and of the oldest models. Dimension 0 has the
  // largest angles.
  for (const double theta : {1e4, 1e6}) {
    for (const int64_t D : {2, 8, 64, 128}) {
      const int64_t positions = D <= 8 ? 131072 : 2000;
      RopeTable table(D, theta);
      table.extend(positions);
      int64_t off = 0, count = 0;
      for (int64_t position = 0; position < positions; position += position < 100 ? 1 : 97) {
        for (int64_t i = 0; i < D / 2; ++i, count += 2) {
          const auto inv_freq = static_cast<float>(
              std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(D)));
          const double angle = static_cast<float>(position) * inv_freq;
          const float c = table.cos(position)[i], s = table.sin(position)[i];
          ASSERT_NEAR(c, std::cos(angle), 3.1e-8) << position << " " << i;
          ASSERT_NEAR(s, std::sin(angle), 3.1e-8) << position << " " << i;
          off += (c != static_cast<float>(std::cos(angle))) +
                 (s != static_cast<float>(std::sin(angle)));
        }
      }
      // Two values that agree to 1e-12 still round to different floats once in a while.
      EXPECT_LE(off, 1 + count / 10000) << "theta " << theta << ", D " << D;
    }
  }
}

TEST(Rope, TableGrowsWithoutChange) {
  RopeTable grown(32, 1e6), whole(32, 1e6);
  for (const int64_t n : {1, 2, 50, 50, 20, 300}) grown.extend(n);
  whole.extend(300);
  ASSERT_EQ(grown.num_positions(), 300);
  for (int64_t position = 0; position < 300; ++position) {
    for (int64_t i = 0; i < 16; ++i) {
      ASSERT_EQ(grown.cos(position)[i], whole.cos(position)[i]);
      ASSERT_EQ(grown.sin(position)[i], whole.sin(position)[i]);
    }
  }
}

TEST(Rope, ForwardIsCloseToDoubleAndBackwardEqualsFiniteDifferences) {
  const int64_t D = 48;
  const std::vector<int32_t> positions = {5, 80, 0};
  RopeTable table(D, 10000.0);
  table.extend(81);
  const auto x = random_floats(3 * D, 1), dy = random_floats(3 * D, 2);
  std::vector<double> in = doubles(x);
  const auto rotated = [&] {
    std::vector<double> y = in;
    for (size_t t = 0; t < 3; ++t) rotate(y.data() + t * D, D, positions[t], 10000.0);
    return y;
  };
  const auto loss = [&] {
    const auto y = rotated();
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += dy[i] * y[i];
    return sum;
  };
  ThreadPool pool(1);
  Output y(x), dx(dy);
  rope(y.data(), D, positions.data(), table, 3, 1, D, RopeDirection::kForward, pool);
  rope(dx.data(), D, positions.data(), table, 3, 1, D, RopeDirection::kBackward, pool);
  EXPECT_TRUE(all_near(rotated(), y.values(), 2e-7));
  EXPECT_TRUE(all_near(numeric_gradient(in, loss), dx.values(), 5e-7));
}

}  // namespace
}  // namespace ponder
