#include "ops/rms_norm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ops/reference.h"
#include "ops/test_support.h"

namespace ponder {
namespace {

constexpr float kEps = 1e-6f;

std::vector<int64_t> widths() {
  std::vector<int64_t> all;
  for (int64_t C = 1; C <= 70; ++C) all.push_back(C);
  for (const int64_t C : {127, 128, 129, 400}) all.push_back(C);
  return all;
}

struct Problem {
  Problem(int64_t rows, int64_t width) : T(rows), C(width) {
    const auto stream = static_cast<uint64_t>(C * 8);
    x = random_floats(T * C, stream);
    delta = random_floats(T * C, stream + 1);
    weight = random_floats(C, stream + 2);
    dy = random_floats(T * C, stream + 3);
    dx = random_floats(T * C, stream + 4);
    dweight = random_floats(C, stream + 5);
    sum = x;
    for (size_t i = 0; i < x.size(); ++i) sum[i] = x[i] + delta[i];
  }
  // Forward of `in`, by the definition.
  void forward(const std::vector<float>& in, std::vector<float>& y,
               std::vector<float>& inv_rms) const {
    y.resize(in.size());
    inv_rms.resize(static_cast<size_t>(T));
    for (int64_t t = 0; t < T; ++t) {
      reference::rms_norm(y.data() + t * C, inv_rms[static_cast<size_t>(t)], in.data() + t * C,
                          weight.data(), C, kEps);
    }
  }

  int64_t T, C;
  std::vector<float> x, delta, sum, weight, dy, dx, dweight;
};

TEST(RmsNorm, ForwardEqualsTheDefinitionOnEveryMachine) {
  for (const int64_t C : widths()) {
    const Problem p(9, C);
    SCOPED_TRACE(testing::Message() << "C " << C);
    std::vector<float> y, inv_rms, y_sum, inv_rms_sum;
    p.forward(p.x, y, inv_rms);
    p.forward(p.sum, y_sum, inv_rms_sum);
    on_every_machine(C == 5 || C == 33 || C == 129, [&](ThreadPool& pool) {
      Output out(p.T * C), inv(p.T), x(p.x);
      rms_norm(out.data(), inv.data(), x.data(), p.weight.data(), p.T, C, kEps, pool);
      ASSERT_TRUE(same_bits(y, out));
      ASSERT_TRUE(same_bits(inv_rms, inv));
      ASSERT_TRUE(same_bits(p.x, x)) << "x is only read";
      Output out2(p.T * C), inv2(p.T);
      add_rms_norm(out2.data(), inv2.data(), x.data(), p.delta.data(), p.weight.data(), p.T, C,
                   kEps, pool);
      ASSERT_TRUE(same_bits(y_sum, out2));
      ASSERT_TRUE(same_bits(inv_rms_sum, inv2));
      ASSERT_TRUE(same_bits(p.sum, x)) << "x becomes the sum";
      Output again(p.T * C);
      rms_norm_apply(again.data(), p.sum.data(), inv2.data(), p.weight.data(), p.T, C, pool);
      ASSERT_TRUE(same_bits(y_sum, again)) << "from the saved statistics";
    });
    if (HasFatalFailure()) return;
  }
}

TEST(RmsNorm, BackwardEqualsTheDefinitionOnEveryMachine) {
  for (const int64_t C : widths()) {
    const Problem p(9, C);
    SCOPED_TRACE(testing::Message() << "C " << C);
    std::vector<float> y, inv_rms, dx = p.dx, dweight = p.dweight;
    p.forward(p.x, y, inv_rms);
    for (int64_t t = 0; t < p.T; ++t) {
      reference::rms_norm_backward(dx.data() + t * C, dweight.data(), p.dy.data() + t * C,
                                   p.x.data() + t * C, inv_rms[static_cast<size_t>(t)],
                                   p.weight.data(), C);
    }
    on_every_machine(C == 5 || C == 33 || C == 129, [&](ThreadPool& pool) {
      Output dx_found(p.dx), dweight_found(p.dweight);
      rms_norm_backward(dx_found.data(), dweight_found.data(), p.dy.data(), p.x.data(),
                        inv_rms.data(), p.weight.data(), p.T, C, pool);
      ASSERT_TRUE(same_bits(dx, dx_found));
      ASSERT_TRUE(same_bits(dweight, dweight_found));
    });
    if (HasFatalFailure()) return;
  }
}

// RMSNorm in double precision: y of row t.
std::vector<double> norm(const std::vector<double>& x, const std::vector<double>& weight, size_t T,
                         size_t C) {
  std::vector<double> y;
  for (size_t t = 0; t < T; ++t) {
    double squares = 0;
    for (size_t c = 0; c < C; ++c) squares += x[t * C + c] * x[t * C + c];
    const double inv = 1 / std::sqrt(squares / static_cast<double>(C) + double{kEps});
    for (size_t c = 0; c < C; ++c) y.push_back(x[t * C + c] * inv * weight[c]);
  }
  return y;
}

TEST(RmsNorm, DefinitionIsCloseToDoublePrecision) {
  for (const int64_t C : {1, 5, 64, 1000}) {
    const Problem p(9, C);
    std::vector<float> y, inv_rms;
    p.forward(p.x, y, inv_rms);
    EXPECT_TRUE(all_near(norm(doubles(p.x), doubles(p.weight), 9, static_cast<size_t>(C)), y, 1e-6))
        << C;
  }
}

TEST(RmsNorm, BackwardEqualsFiniteDifferences) {
  for (const int64_t C : {1, 7, 40}) {
    const Problem p(4, C);
    std::vector<float> y, inv_rms;
    p.forward(p.x, y, inv_rms);
    std::vector<double> x = doubles(p.x), weight = doubles(p.weight);
    const auto loss = [&] {
      const auto out = norm(x, weight, 4, static_cast<size_t>(C));
      double sum = 0;
      for (size_t i = 0; i < out.size(); ++i) sum += p.dy[i] * out[i];
      return sum;
    };
    auto dx = numeric_gradient(x, loss), dweight = numeric_gradient(weight, loss);
    // Both accumulate.
    for (size_t i = 0; i < dx.size(); ++i) dx[i] += p.dx[i];
    for (size_t i = 0; i < dweight.size(); ++i) dweight[i] += p.dweight[i];
    ThreadPool pool(1);
    Output dx_found(p.dx), dweight_found(p.dweight);
    rms_norm_backward(dx_found.data(), dweight_found.data(), p.dy.data(), p.x.data(),
                      inv_rms.data(), p.weight.data(), 4, C, pool);
    EXPECT_TRUE(all_near(dx, dx_found.values(), 2e-6)) << C;
    EXPECT_TRUE(all_near(dweight, dweight_found.values(), 2e-6)) << C;
  }
}

}  // namespace
}  // namespace ponder
