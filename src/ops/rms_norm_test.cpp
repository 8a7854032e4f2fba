#include "ops/rms_norm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ops/reference.h"
#include "ops/test_support.h"

namespace ponder::ops {
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
    SCOPED_TRACE(::testing::Message() << "C " << C);
    std::vector<float> y, inv_rms, y_sum, inv_rms_sum;
    p.forward(p.x, y, inv_rms);
    p.forward(p.sum, y_sum, inv_rms_sum);
    on_every_machine(C == 5 || C == 33 || C == 129, [&](ThreadPool& pool) {
      Output out(p.T * C), inv(p.T), x(p.x);
      rms_norm(out.data(), inv.data(), x.data(), p.weight.data(), {p.T, C}, kEps, pool);
      ASSERT_TRUE(same_bits(y, out));
      ASSERT_TRUE(same_bits(inv_rms, inv));
      ASSERT_TRUE(same_bits(p.x, x)) << "x is only read";
      Output out2(p.T * C), inv2(p.T);
      Output apart(p.T * C);
      add_rms_norm(out2.data(), inv2.data(), {apart.data(), x.data(), p.delta.data()},
                   p.weight.data(), {p.T, C}, kEps, pool);
      ASSERT_TRUE(same_bits(p.x, x)) << "x is only read";
      ASSERT_TRUE(same_bits(p.sum, apart)) << "the sum beside x";
      ASSERT_TRUE(same_bits(y_sum, out2));
      add_rms_norm(out2.data(), inv2.data(), {apart.data(), x.data(), nullptr}, p.weight.data(),
                   {p.T, C}, kEps, pool);
      ASSERT_TRUE(same_bits(p.x, apart)) << "no delta";
      ASSERT_TRUE(same_bits(inv_rms, inv2)) << "no delta";
      add_rms_norm(out2.data(), inv2.data(), {x.data(), x.data(), p.delta.data()}, p.weight.data(),
                   {p.T, C}, kEps, pool);
      ASSERT_TRUE(same_bits(y_sum, out2));
      ASSERT_TRUE(same_bits(inv_rms_sum, inv2));
      ASSERT_TRUE(same_bits(p.sum, x)) << "x becomes the sum";
      Output again(p.T * C);
      rms_norm_apply(again.data(), {p.sum.data(), inv2.data(), p.weight.data()}, {p.T, C}, pool);
      ASSERT_TRUE(same_bits(y_sum, again)) << "from the saved statistics";
    });
    if (HasFatalFailure()) return;
  }
}

TEST(RmsNorm, BackwardEqualsTheDefinitionOnEveryMachine) {
  for (const int64_t C : widths()) {
    const Problem p(9, C);
    SCOPED_TRACE(::testing::Message() << "C " << C);
    std::vector<float> y, inv_rms, dx = p.dx, dweight = p.dweight;
    p.forward(p.x, y, inv_rms);
    for (int64_t t = 0; t < p.T; ++t) {
      reference::rms_norm_backward(dx.data() + t * C, dweight.data(), p.dy.data() + t * C,
                                   p.x.data() + t * C, inv_rms[static_cast<size_t>(t)],
                                   p.weight.data(), C);
    }
    on_every_machine(C == 5 || C == 33 || C == 129, [&](ThreadPool& pool) {
      Output dx_found(p.dx), dweight_found(p.dweight);
      rms_norm_backward(dx_found.data(), dweight_found.data(), p.dy.data(),
                        {p.x.data(), inv_rms.data(), p.weight.data()}, {p.T, C}, pool);
      ASSERT_TRUE(same_bits(dx, dx_found));
      ASSERT_TRUE(same_bits(dweight, dweight_found));
    });
    if (HasFatalFailure()) return;
  }
}

TEST(RmsNorm, ImpossibleShapesAreRefused) {
  ThreadPool pool(1);
  std::vector<float> a(64, 1.0f), b(64), c(64), weight(64, 1.0f);
  float *x = a.data(), *y = b.data(), *inv_rms = c.data(), *w = weight.data();
  for (const RowShape shape : {RowShape{-1, 4}, {4, 0}}) {
    EXPECT_TRUE(refused([&] { rms_norm(y, inv_rms, x, w, shape, kEps, pool); }));
    EXPECT_TRUE(refused([&] { rms_norm_apply(y, {x, inv_rms, w}, shape, pool); }));
    EXPECT_TRUE(refused([&] { rms_norm_backward(y, w, x, {x, inv_rms, w}, shape, pool); }));
  }
  // Rows nearer to each other than they are wide.
  const HeadShape shape{4, 2, 4};
  EXPECT_TRUE(refused([&] { head_norm({x, 7}, {}, inv_rms, w, shape, kEps, pool); }));
  EXPECT_TRUE(refused([&] { head_norm({x, 8}, {y, 7}, inv_rms, w, shape, kEps, pool); }));
  EXPECT_TRUE(refused([&] { head_norm_backward({x, 7}, w, {y, 8}, inv_rms, w, shape, pool); }));
  EXPECT_TRUE(refused([&] { head_norm_backward({x, 8}, w, {y, 7}, inv_rms, w, shape, pool); }));
  // Every size of a row of heads.
  for (const HeadShape bad : {HeadShape{-1, 2, 4}, {4, 0, 4}, {4, 2, 0}}) {
    EXPECT_TRUE(refused([&] { head_norm({x, 8}, {}, inv_rms, w, bad, kEps, pool); }));
  }
  EXPECT_EQ(a, std::vector<float>(64, 1.0f));
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
    rms_norm_backward(dx_found.data(), dweight_found.data(), p.dy.data(),
                      {p.x.data(), inv_rms.data(), p.weight.data()}, {4, C}, pool);
    EXPECT_TRUE(all_near(dx, dx_found.values(), 2e-6)) << C;
    EXPECT_TRUE(all_near(dweight, dweight_found.values(), 2e-6)) << C;
  }
}

// Heads side by side in rows with a stride, of widths around every vector width.
struct HeadProblem {
  HeadProblem(int64_t rows, int64_t num_heads, int64_t width)
      : T(rows),
        heads(num_heads),
        D(width),
        ld(num_heads * width + 7),
        ld_kept(num_heads * width + 3) {
    const auto stream = static_cast<uint64_t>(1000 + D * 8);
    x = random_floats(T * ld, stream);
    dy = random_floats(T * ld, stream + 1);
    weight = random_floats(D, stream + 2);
    dweight = random_floats(D, stream + 3);
    // By the definition of a row of rms_norm.
    y = x;
    inv_rms.resize(static_cast<size_t>(T * heads));
    kept.assign(static_cast<size_t>(T * ld_kept), Output::kUntouched);
    for (int64_t t = 0; t < T; ++t) {
      std::copy_n(x.begin() + t * ld, heads * D, kept.begin() + t * ld_kept);
      for (int64_t h = 0; h < heads; ++h) {
        reference::rms_norm(y.data() + at(t, h), inv_rms[static_cast<size_t>(t * heads + h)],
                            x.data() + at(t, h), weight.data(), D, kEps);
      }
    }
  }
  int64_t at(int64_t t, int64_t h) const { return t * ld + h * D; }

  int64_t T, heads, D, ld, ld_kept;
  std::vector<float> x, dy, weight, dweight, y, inv_rms, kept;
};

TEST(HeadNorm, ForwardAndBackwardEqualTheDefinitionOnEveryMachine) {
  for (const int64_t D : {1, 2, 7, 8, 15, 16, 17, 32, 33, 48, 64, 66, 80, 96, 128, 130}) {
    const HeadProblem p(9, 3, D);
    SCOPED_TRACE(::testing::Message() << "D " << D);
    std::vector<float> dx = p.dy, dweight = p.dweight;
    for (int64_t t = 0; t < p.T; ++t) {
      for (int64_t h = 0; h < p.heads; ++h) {
        reference::head_norm_backward(
            dx.data() + p.at(t, h), dweight.data(), p.x.data() + p.at(t, h),
            p.inv_rms[static_cast<size_t>(t * p.heads + h)], p.weight.data(), D);
      }
    }
    on_every_machine(D == 17 || D == 128, [&](ThreadPool& pool) {
      Output y(p.x), inv_rms(p.T * p.heads), kept(p.T * p.ld_kept);
      head_norm({y.data(), p.ld}, {kept.data(), p.ld_kept}, inv_rms.data(), p.weight.data(),
                {p.T, p.heads, D}, kEps, pool);
      ASSERT_TRUE(same_bits(p.y, y));
      ASSERT_TRUE(same_bits(p.inv_rms, inv_rms));
      ASSERT_TRUE(same_bits(p.kept, kept));
      Output again(p.x);
      head_norm({again.data(), p.ld}, {}, inv_rms.data(), p.weight.data(), {p.T, p.heads, D}, kEps,
                pool);
      ASSERT_TRUE(same_bits(p.y, again)) << "without keeping";
      Output dx_found(p.dy), dweight_found(p.dweight);
      head_norm_backward({dx_found.data(), p.ld}, dweight_found.data(), {kept.data(), p.ld_kept},
                         inv_rms.data(), p.weight.data(), {p.T, p.heads, D}, pool);
      ASSERT_TRUE(same_bits(dx, dx_found));
      ASSERT_TRUE(same_bits(dweight, dweight_found));
    });
    if (HasFatalFailure()) return;
  }
}

TEST(HeadNorm, BackwardEqualsFiniteDifferences) {
  for (const int64_t D : {1, 7, 40}) {
    const HeadProblem p(3, 2, D);
    std::vector<double> x = doubles(p.x), weight = doubles(p.weight);
    const auto loss = [&] {
      double sum = 0;
      for (int64_t t = 0; t < p.T; ++t) {
        for (int64_t h = 0; h < p.heads; ++h) {
          const auto first = x.begin() + p.at(t, h);
          const auto y = norm({first, first + D}, weight, 1, static_cast<size_t>(D));
          for (int64_t d = 0; d < D; ++d) {
            sum += p.dy[static_cast<size_t>(p.at(t, h) + d)] * y[static_cast<size_t>(d)];
          }
        }
      }
      return sum;
    };
    auto dx = numeric_gradient(x, loss), dweight = numeric_gradient(weight, loss);
    for (size_t i = 0; i < dweight.size(); ++i) dweight[i] += p.dweight[i];  // accumulates
    ThreadPool pool(1);
    Output dx_found(p.dy), dweight_found(p.dweight);
    head_norm_backward({dx_found.data(), p.ld}, dweight_found.data(), {p.kept.data(), p.ld_kept},
                       p.inv_rms.data(), p.weight.data(), {p.T, p.heads, D}, pool);
    for (int64_t t = 0; t < p.T; ++t) {  // between the rows: left alone
      for (int64_t i = p.heads * D; i < p.ld; ++i) {
        const auto gap = static_cast<size_t>(t * p.ld + i);
        EXPECT_EQ(dx[gap], 0.0);
        dx[gap] = p.dy[gap];
      }
    }
    EXPECT_TRUE(all_near(dx, dx_found.values(), 2e-6)) << D;
    EXPECT_TRUE(all_near(dweight, dweight_found.values(), 2e-6)) << D;
  }
}

}  // namespace
}  // namespace ponder::ops
