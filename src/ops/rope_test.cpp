#include "ops/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ops/reference.h"
#include "ops/test_support.h"

namespace ponder::ops {
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
    SCOPED_TRACE(::testing::Message() << "D " << D);
    on_every_machine(D == 34 || D == 64, [&](ThreadPool& pool) {
      Output y(x), z(x);
      rope({y.data(), ld}, positions.data(), table, {kRows, kHeads, D}, RopeDirection::kForward,
           pool);
      ASSERT_TRUE(same_bits(forward, y));
      rope({z.data(), ld}, positions.data(), table, {kRows, kHeads, D}, RopeDirection::kBackward,
           pool);
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

// Frequencies of Llama 3.1 (factor 8) and 3.2 (factor 32), computed with PyTorch by transformers'
// formula in double precision (its own float32 steps are up to 4e-7 away).
TEST(Rope, Llama3ScalingIsThePublishedFormula) {
  struct Known {
    int64_t D;
    double factor;
    int64_t dimension;
    double inv_freq;
  };
  const Known known[] = {{128, 8.0, 0, 1},
                         {128, 8.0, 3, 0.540581004636},
                         {128, 8.0, 28, 0.00321144599475},
                         {128, 8.0, 29, 0.0021665707635},
                         {128, 8.0, 30, 0.00137189356776},
                         {128, 8.0, 31, 0.00085675141292},
                         {128, 8.0, 32, 0.000524846160993},
                         {128, 8.0, 33, 0.000312693750384},
                         {128, 8.0, 34, 0.000178507812768},
                         {128, 8.0, 35, 9.55621235396e-05},
                         {128, 8.0, 49, 5.4154693655e-06},
                         {128, 8.0, 63, 3.06892598891e-07},
                         {64, 32.0, 0, 1},
                         {64, 32.0, 3, 0.292227822573},
                         {64, 32.0, 14, 0.00321144599475},
                         {64, 32.0, 15, 0.00129054792821},
                         {64, 32.0, 16, 0.000429556796559},
                         {64, 32.0, 17, 9.70828780263e-05},
                         {64, 32.0, 18, 1.94616381848e-05},
                         {64, 32.0, 25, 1.10288366864e-06},
                         {64, 32.0, 31, 9.41830672543e-08}};
  for (const Known& k : known) {
    RopeTable table(k.D, 500000.0, {RopeScaling::Type::kLlama3, k.factor, 1.0, 4.0, 8192});
    table.extend(2);
    // At position 1 the angle is the frequency itself, below 1.
    const double angle = std::atan2(table.sin(1)[k.dimension], table.cos(1)[k.dimension]);
    EXPECT_NEAR(angle / k.inv_freq, 1.0, 1.3e-7) << "D " << k.D << ", dimension " << k.dimension;
  }
}

// Frequencies of Qwen2.5 and OLMo 3 stretched by YaRN, and of a small head with limits between
// dimensions, by transformers' formula in double precision (its own float32 steps are up to 1.6e-7
// away).
TEST(Rope, YarnIsThePublishedFormula) {
  const auto yarn = [](double factor, int64_t original, double fast, bool truncate) {
    RopeScaling scaling;
    scaling.type = RopeScaling::Type::kYarn;
    scaling.factor = factor;
    scaling.original_max_position_embeddings = original;
    scaling.beta_fast = fast;
    scaling.attention_factor = yarn_attention_factor(factor);
    scaling.truncate = truncate;
    return scaling;
  };
  struct Known {
    int64_t D;
    double theta;
    RopeScaling scaling;
    double attention_factor;
    std::vector<std::pair<int64_t, double>> inv_freq;
  };
  const Known known[] = {
      {128,
       1e6,
       yarn(4.0, 32768, 32, true),
       1.138629436111989,
       {{0, 1},
        {23, 0.0069783058486},
        {24, 0.00537532149079},
        {31, 0.000802959727545},
        {39, 6.49039432084e-05},
        {40, 4.4456985251e-05},
        {63, 3.10234440188e-07}}},
      {128,
       5e5,
       yarn(8.0, 8192, 32, true),
       1.2079441541679836,
       {{0, 1},
        {18, 0.0249554086706},
        {19, 0.0192827549378},
        {26, 0.00284671843866},
        {34, 0.000165613035945},
        {35, 9.55621235396e-05},
        {63, 3.06892598891e-07}}},
      {16,
       1e4,
       yarn(4.0, 64, 8, false),
       1.138629436111989,
       {{0, 1}, {1, 0.212468678584}, {2, 0.025664394391}, {7, 7.90569415042e-05}}}};
  for (const Known& k : known) {
    RopeTable table(k.D, k.theta, k.scaling);
    table.extend(2);
    for (const auto& [dimension, inv_freq] : k.inv_freq) {
      // At position 1 the angle is the frequency itself.
      const double c = table.cos(1)[dimension], s = table.sin(1)[dimension];
      EXPECT_NEAR(std::atan2(s, c) / inv_freq, 1.0, 1.3e-7) << k.D << ", dimension " << dimension;
      EXPECT_NEAR(std::hypot(s, c) / k.attention_factor, 1.0, 1e-7);
    }
  }
}

TEST(Rope, LinearScalingIsThatOfPositions) {
  RopeTable stretched(32, 1e4, {RopeScaling::Type::kLinear, 4.0}), plain(32, 1e4);
  stretched.extend(400);
  plain.extend(100);
  for (int64_t position = 0; position < 100; ++position) {
    for (int64_t i = 0; i < 16; ++i) {
      ASSERT_EQ(stretched.cos(4 * position)[i], plain.cos(position)[i]);
      ASSERT_EQ(stretched.sin(4 * position)[i], plain.sin(position)[i]);
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

TEST(Rope, ImpossibleShapesAreRefused) {
  ThreadPool pool(1);
  RopeTable table(16, 1e4);
  table.extend(4);
  std::vector<float> x(4 * 32, 1.0f);
  const std::vector<int32_t> positions(4);
  const auto rotate = [&](int64_t stride, HeadShape shape) {
    rope({x.data(), stride}, positions.data(), table, shape, RopeDirection::kForward, pool);
  };
  EXPECT_TRUE(refused([&] { rotate(31, {4, 2, 16}); }));
  EXPECT_TRUE(refused([&] { rotate(32, {4, 1, 32}); })) << "heads that the table is not of";
  rotate(32, {4, 2, 16});
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
  rope({y.data(), D}, positions.data(), table, {3, 1, D}, RopeDirection::kForward, pool);
  rope({dx.data(), D}, positions.data(), table, {3, 1, D}, RopeDirection::kBackward, pool);
  EXPECT_TRUE(all_near(rotated(), y.values(), 2e-7));
  EXPECT_TRUE(all_near(numeric_gradient(in, loss), dx.values(), 5e-7));
}

}  // namespace
}  // namespace ponder::ops
