#include "ops/bf16_mlp.h"

#include <gtest/gtest.h>

#include "ops/swiglu.h"
#include "ops/test_support.h"

namespace ponder::ops {
namespace {

struct Problem {
  int64_t M, K, F, N;
  bool biased;

  Problem(int64_t rows, int64_t width, int64_t inner, int64_t out, bool biases)
      : M(rows), K(width), F(inner), N(out), biased(biases) {
    x = random_floats(M * ldx(), 1);
    gate_up_bias = random_floats(2 * F, 2);
    down_bias = random_floats(N, 3);
    ThreadPool pool(1);
    gate_up = Bf16Matrix("gate and up", K, 2 * F);
    gate_up.pack_weight(random_floats(2 * F * K, 4, 0.3).data(), tensor::DType::kF32, 2 * F, 0,
                        pool);
    down = Bf16Matrix("down", F, N);
    down.pack_weight(random_floats(N * F, 5, 0.3).data(), tensor::DType::kF32, N, 0, pool);
  }
  int64_t ldx() const { return K + 3; }
  int64_t ldy() const { return N + 5; }
  Bf16Mlp mlp() const {
    return {&gate_up, biased ? gate_up_bias.data() : nullptr, &down,
            biased ? down_bias.data() : nullptr};
  }

  std::vector<float> x, gate_up_bias, down_bias;
  Bf16Matrix gate_up, down;
};

// The three ops one after the other, which have their own tests.
TEST(Bf16Mlp, EqualsItsOpsOneAfterTheOther) {
  if (bf16_support().path != Bf16Path::kAmx) GTEST_SKIP() << "no AMX here";
  // The borders of groups (32 rows, sixteen together), panels (32 columns, 24 together of sixteen groups) and
  // parts of k.
  const Problem problems[] = {{32, 40, 32, 32, true},       {33, 64, 64, 96, false},
                              {63, 320, 288, 64, true},     {64, 330, 256, 32, false},
                              {513, 32, 800, 64, true},     {480, 32, 1632, 32, false},
                              {600, 1312, 1568, 160, false}};
  for (const Problem& p : problems) {
    SCOPED_TRACE(::testing::Message() << p.M << " rows, " << p.K << ", " << p.F << ", " << p.N);
    const Bf16Mlp mlp = p.mlp();
    ThreadPool one(1);
    std::vector<float> gates(static_cast<size_t>(p.M * 2 * p.F)),
        act(static_cast<size_t>(p.M * p.F)),
        y(static_cast<size_t>(p.M * p.ldy()), Output::kUntouched);
    std::vector<tensor::Bf16> kept(gates.size()), found(gates.size());
    bf16_matmul({gates.data(), 2 * p.F}, {p.x.data(), p.ldx(), 1}, p.gate_up, mlp.gate_up_bias, p.M,
                one);
    bf16_swiglu(act.data(), kept.data(), gates.data(), {p.M, p.F}, one);
    bf16_matmul({y.data(), p.ldy()}, {act.data(), p.F, 1}, p.down, mlp.down_bias, p.M, one);
    for (const int threads : {1, 2, 3}) {
      ThreadPool pool(threads);
      for (const bool keeps : {false, true}) {
        Output to(p.M * p.ldy());
        const auto compute = [&] {
          bf16_mlp({to.data(), p.ldy()}, keeps ? found.data() : nullptr, {p.x.data(), p.ldx()}, mlp,
                   p.M, pool);
        };
        if (!has_bf16_mlp(mlp, p.M, pool)) {
          EXPECT_LT(p.M, 32 * threads);
          EXPECT_TRUE(refused(compute));
          continue;
        }
        compute();
        ASSERT_TRUE(same_bits(y, to)) << threads << " threads";
        for (size_t i = 0; keeps && i < kept.size(); ++i) ASSERT_EQ(kept[i].bits, found[i].bits);
      }
    }
  }
}

TEST(Bf16Mlp, IsOfWholePanelsAndOfAmxAlone) {
  ThreadPool pool(1);
  const Problem whole(64, 32, 32, 32, false), narrow(64, 32, 48, 32, false),
      out(64, 32, 32, 40, false);
  EXPECT_EQ(has_bf16_mlp(whole.mlp(), 64, pool), bf16_support().path == Bf16Path::kAmx);
  EXPECT_FALSE(has_bf16_mlp(whole.mlp(), 31, pool));
  // Two threads would read weights that are larger than what stays in the caches.
  const Problem large(64, 1600, 32, 32, false);
  ThreadPool two(2);
  EXPECT_EQ(has_bf16_mlp(large.mlp(), 64, pool), bf16_support().path == Bf16Path::kAmx);
  EXPECT_FALSE(has_bf16_mlp(large.mlp(), 64, two));
  EXPECT_EQ(has_bf16_mlp(large.mlp(), 256, two), bf16_support().path == Bf16Path::kAmx);
  EXPECT_FALSE(has_bf16_mlp(narrow.mlp(), 64, pool));
  EXPECT_FALSE(has_bf16_mlp(out.mlp(), 64, pool));
  struct Restore {
    ~Restore() { force_bf16_path(std::nullopt); }
  } restore;
  force_bf16_path(Bf16Path::kFma);
  EXPECT_FALSE(has_bf16_mlp(whole.mlp(), 64, pool));
}

}  // namespace
}  // namespace ponder::ops
