#include "ops/bf16_rounding.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "ops/reference.h"
#include "ops/test_support.h"

namespace ponder::ops {
namespace {

using tensor::Bf16;

TEST(Bf16Rounding, IsThatOfTheProductsOperands) {
  std::vector<float> values = random_floats(5 * 40, 1);
  values[3] = std::numeric_limits<float>::quiet_NaN();
  values[4] = std::bit_cast<float>(0x7F80FFFFu);  // a NaN that a carry would change
  values[5] = -std::numeric_limits<float>::infinity();
  values[6] = std::numeric_limits<float>::max();
  values[7] = std::bit_cast<float>(0x00008000u);  // a tie among denormals
  values[8] = std::bit_cast<float>(0x00018000u);
  for (int64_t C = 1; C <= 40; ++C) {
    std::vector<float> expected = values;
    for (int64_t t = 0; t < 5; ++t) {
      for (int64_t c = 0; c < C; ++c) {
        float& x = expected[static_cast<size_t>(t * 40 + c)];
        x = reference::to_bf16(x);
      }
    }
    on_every_machine(C == 33, [&](ThreadPool& pool) {
      Output x(values), alone(values);
      std::vector<Bf16> kept(static_cast<size_t>(5 * C + 1), Bf16{0x1234});
      round_to_bf16({x.data(), 40}, kept.data(), {5, C}, pool);
      round_to_bf16({alone.data(), 40}, nullptr, {5, C}, pool);
      ASSERT_TRUE(same_bits(expected, x)) << C;
      ASSERT_TRUE(same_bits(expected, alone)) << C;
      ASSERT_EQ(kept.back().bits, 0x1234) << "written behind what is kept";
      std::vector<float> dense;
      for (int64_t t = 0; t < 5; ++t) {
        const auto row = expected.begin() + t * 40;
        dense.insert(dense.end(), row, row + C);
      }
      Output wide(5 * C);
      widen_bf16(wide.data(), kept.data(), {5, C}, pool);
      ASSERT_TRUE(same_bits(dense, wide)) << C;
    });
  }
  ThreadPool pool(1);
  EXPECT_TRUE(refused([&] { round_to_bf16({values.data(), 3}, nullptr, {5, 4}, pool); }));
}

}  // namespace
}  // namespace ponder::ops
