#include "ops/swiglu.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ops/reference.h"
#include "ops/test_support.h"

namespace ponder::ops {
namespace {

// Gates of every size: most near 1, some where the sigmoid is 0 or 1 and where its exponential is
// cut off.
struct Problem {
  Problem(int64_t rows, int64_t width) : T(rows), F(width) {
    const auto stream = static_cast<uint64_t>(F * 4);
    gate_up = random_floats(T * 2 * F, stream, 2.0);
    dact = random_floats(T * F, stream + 1);
    const float extreme[] = {0.0f,   -0.0f, 20.0f,  -20.0f, 87.5f,
                             -87.5f, 88.5f, -88.5f, 300.0f, -300.0f};
    for (size_t i = 0; i < std::size(extreme) && static_cast<int64_t>(i) < T * F; ++i) {
      gate_up[at(static_cast<int64_t>(i) / F, static_cast<int64_t>(i) % F)] = extreme[i];
    }
  }
  size_t at(int64_t t, int64_t column) const { return static_cast<size_t>(t * 2 * F + column); }

  int64_t T, F;
  std::vector<float> gate_up, dact;
};

TEST(Swiglu, EqualsTheDefinitionOnEveryMachine) {
  for (int64_t F = 1; F <= 70; ++F) {
    const Problem p(7, F);
    SCOPED_TRACE(::testing::Message() << "F " << F);
    std::vector<float> act(p.dact.size()), dgate_up(p.gate_up.size());
    for (int64_t t = 0; t < p.T; ++t) {
      for (int64_t f = 0; f < F; ++f) {
        const float gate = p.gate_up[p.at(t, f)], up = p.gate_up[p.at(t, F + f)];
        const auto i = static_cast<size_t>(t * F + f);
        act[i] = reference::swiglu(gate, up);
        reference::swiglu_backward(dgate_up[p.at(t, f)], dgate_up[p.at(t, F + f)], p.dact[i], gate,
                                   up);
      }
    }
    on_every_machine(F % 23 == 10, [&](ThreadPool& pool) {
      Output out(p.T * F);
      swiglu(out.data(), p.gate_up.data(), {p.T, F}, pool);
      ASSERT_TRUE(same_bits(act, out));
      Output gradient(p.T * 2 * F), again(p.T * F);
      swiglu_backward(gradient.data(), again.data(), p.dact.data(), p.gate_up.data(), {p.T, F},
                      pool);
      ASSERT_TRUE(same_bits(dgate_up, gradient));
      ASSERT_TRUE(same_bits(act, again));
      Output aliased(p.gate_up), aliased_act(p.dact);
      swiglu_backward(aliased.data(), aliased_act.data(), aliased_act.data(), aliased.data(),
                      {p.T, F}, pool);
      ASSERT_TRUE(same_bits(dgate_up, aliased)) << "in place";
      ASSERT_TRUE(same_bits(act, aliased_act)) << "in place";
    });
    if (HasFatalFailure()) return;
  }
}

// In bf16 gate and up are rounded first, and backward is that of what was kept of them.
TEST(Swiglu, OfBf16IsThatOfRoundedGatesOnEveryMachine) {
  for (const int64_t F : {1, 15, 16, 17, 70}) {
    const Problem p(7, F);
    SCOPED_TRACE(::testing::Message() << "F " << F);
    std::vector<float> rounded = p.gate_up;
    for (float& x : rounded) x = reference::to_bf16(x);
    on_every_machine(F == 70, [&](ThreadPool& pool) {
      Output expected(p.T * F), act(p.T * F), alone(p.T * F);
      swiglu(expected.data(), rounded.data(), {p.T, F}, pool);
      std::vector<tensor::Bf16> kept(rounded.size() + 1, tensor::Bf16{0x1234});
      bf16_swiglu(act.data(), kept.data(), p.gate_up.data(), {p.T, F}, pool);
      bf16_swiglu(alone.data(), nullptr, p.gate_up.data(), {p.T, F}, pool);
      ASSERT_TRUE(same_bits(expected.values(), act));
      ASSERT_TRUE(same_bits(expected.values(), alone));
      ASSERT_EQ(kept.back().bits, 0x1234) << "written behind what is kept";
      for (size_t i = 0; i < rounded.size(); ++i)
        ASSERT_EQ(kept[i].bits, std::bit_cast<uint32_t>(rounded[i]) >> 16) << i;

      Output gradients[2] = {Output(p.T * 2 * F), Output(p.T * 2 * F)};
      swiglu_backward(gradients[0].data(), expected.data(), p.dact.data(), rounded.data(), {p.T, F},
                      pool);
      swiglu_backward(gradients[1].data(), act.data(), p.dact.data(), kept.data(), {p.T, F}, pool);
      ASSERT_TRUE(same_bits(gradients[0].values(), gradients[1]));
      ASSERT_TRUE(same_bits(expected.values(), act));
    });
    if (HasFatalFailure()) return;
  }
}

TEST(Swiglu, ImpossibleShapesAreRefused) {
  ThreadPool pool(1);
  const Problem p(2, 4);
  Output act(p.dact), gate_up(p.gate_up);
  for (const RowShape shape : {RowShape{-1, 4}, {2, 0}}) {
    EXPECT_TRUE(refused([&] { swiglu(act.data(), p.gate_up.data(), shape, pool); }));
    EXPECT_TRUE(refused([&] {
      swiglu_backward(gate_up.data(), act.data(), p.dact.data(), p.gate_up.data(), shape, pool);
    }));
  }
}

double silu(double x) { return x / (1 + std::exp(-x)); }

TEST(Swiglu, DefinitionIsCloseToDoublePrecision) {
  // Silu is below 1e-36 where the exponential is cut off; elsewhere the error is relative.
  for (double x = -100; x <= 100; x += 0.0371) {
    const auto gate = static_cast<float>(x);
    EXPECT_NEAR(reference::swiglu(gate, 3.0f), 3 * silu(gate),
                6e-7 * std::abs(3 * silu(gate)) + 1e-35)
        << gate;
  }
}

TEST(Swiglu, BackwardEqualsFiniteDifferences) {
  Problem p(6, 9);
  std::vector<double> x = doubles(p.gate_up);
  const auto loss = [&] {
    double sum = 0;
    for (int64_t t = 0; t < p.T; ++t) {
      for (int64_t f = 0; f < p.F; ++f) {
        sum += p.dact[static_cast<size_t>(t * p.F + f)] * silu(x[p.at(t, f)]) * x[p.at(t, p.F + f)];
      }
    }
    return sum;
  };
  ThreadPool pool(1);
  Output gradient(p.T * 2 * p.F), act(p.T * p.F);
  swiglu_backward(gradient.data(), act.data(), p.dact.data(), p.gate_up.data(), {p.T, p.F}, pool);
  EXPECT_TRUE(all_near(numeric_gradient(x, loss), gradient.values(), 2e-6));
}

}  // namespace
}  // namespace ponder::ops
