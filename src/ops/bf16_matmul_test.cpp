#include "ops/bf16_matmul.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "ops/product_problem.h"
#include "ops/reference.h"
#include "ops/test_support.h"

namespace ponder::ops {
namespace {

// The borders of blocks of k (32, up to 1,024 at a time), register tiles (11, 6 or 16 rows), groups
// (32) and the rows packed together (512, 256 with many blocks), halves (16) and panels (32), and the
// grids of threads.
std::vector<ProductSize> bf16_sizes() {
  std::vector<ProductSize> all;
  for (int64_t M = 1; M <= 36; ++M) all.push_back({M, 45, 5});
  for (int64_t N = 1; N <= 66; ++N) all.push_back({3, N, 4});
  for (int64_t K = 0; K <= 66; ++K) all.push_back({2, 33, K});
  for (const int64_t K : {511, 512, 513, 1024, 1025, 1030}) {
    all.push_back({33, 17, K});
    all.push_back({2, 33, K});
    all.push_back({64, 33, K});
  }
  for (const int64_t M : {63, 64, 65, 255, 256, 257, 288, 300})
    all.push_back({M, 20, 33, M >= 256});
  for (const int64_t M : {1, 2, 31, 96, 130}) {
    for (const int64_t N : {31, 70, 200}) all.push_back({M, N, 40, true});
  }
  all.push_back({130, 1070, 33, true});  // so wide that threads share out its columns
  return all;
}

ProductProblem bf16_problem(ProductSize size) {
  return ProductProblem(size, tensor::Precision::kBf16);
}

// Every way to give the operands: A by rows, by columns and with gaps; B from a weight of each
// type, in parts of which none fills a panel, from rows.
void expect_equal_to_the_reference(const ProductProblem& p) {
  const auto [M, N, K, threads] = p.size;
  const auto plain = p.expected_plain(), biased = p.expected_biased(),
             continued = p.expected_continued();
  const auto A_transposed = p.A_transposed(), W_transposed = p.W_transposed();
  std::vector<float> sparse(ProductProblem::index(2 * M * K));
  for (size_t i = 0; i < p.A.size(); ++i) sparse[2 * i] = p.A[i];
  std::vector<char> file(2 * p.W.size() + 1);  // at an odd address
  tensor::from_f32(file.data() + 1, p.W, tensor::DType::kBF16);
  SCOPED_TRACE(::testing::Message() << "M " << M << ", N " << N << ", K " << K);
  on_every_bf16_path(threads, [&, M = M, N = N, K = K](ThreadPool& pool) {
    const auto product = [&](const char* what, const std::vector<float>& expected,
                             const auto& compute) {
      Output C(p.before);
      compute(Rows{C.data(), p.ldc()});
      ASSERT_TRUE(same_values(expected, C)) << what;
    };
    Bf16Matrix weight("B", K, N), parts("B", K, N), rows("B", K, N), narrow("B", K, N);
    weight.pack(p.weights(), pool);
    const int64_t first = N / 3;
    parts.pack_weight(p.W.data() + first * K, tensor::DType::kF32, N - first, first, pool);
    parts.pack_weight(p.W.data(), tensor::DType::kF32, first, 0, pool);
    narrow.pack_weight(file.data() + 1, tensor::DType::kBF16, N, 0, pool);
    const int64_t cut = K / 2;
    rows.pack(
        MatrixView::rows(std::vector<MatrixView::Part>{{W_transposed.data(), cut},
                                                       {W_transposed.data() + cut * N, K - cut}},
                         N),
        pool);
    product("weights", plain, [&](Rows C) { bf16_matmul(C, p.rows(), weight, nullptr, M, pool); });
    product("A by columns, weights in parts, bias", biased, [&](Rows C) {
      bf16_matmul(C, {A_transposed.data(), 1, M}, parts, p.bias.data(), M, pool);
    });
    product("A with gaps, bf16 weights, bias", biased, [&](Rows C) {
      bf16_matmul(C, {sparse.data(), 2 * K, 2}, narrow, p.bias.data(), M, pool);
    });
    product("rows, continued", continued,
            [&](Rows C) { bf16_matmul_continue(C, p.rows(), rows, M, pool); });
  });
}

TEST(Bf16Matmul, EqualsTheReferenceOnEveryPath) {
  for (const ProductSize size : bf16_sizes()) {
    expect_equal_to_the_reference(bf16_problem(size));
    if (HasFatalFailure()) return;
  }
}

// Operands of every magnitude: sums that are denormal, that cancel, that overflow on the way.
TEST(Bf16Matmul, FlushesAndOverflowsAsTheReferenceOnEveryPath) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  RandomSequence random(5, 1);
  for (int round = 0; round < 24; ++round) {
    ProductProblem p = bf16_problem({round % 3 == 0 ? 40 : 7, 37, round % 2 == 0 ? 64 : 75});
    // Exponents about the middle of the products' range, which lies at the least normal number, at
    // one, or at the greatest.
    const int middle = round % 3 == 0 ? -63 : round % 3 == 1 ? 0 : 63, spread = 1 + round * 2;
    for (auto* values : {&p.A, &p.W, &p.bias, &p.before}) {
      const bool operand = values == &p.A || values == &p.W;
      for (float& x : *values) {
        const double exponent = (operand ? middle : 2 * middle) + spread * random.normal();
        x = std::ldexp(x, static_cast<int>(std::clamp(exponent, -160.0, 140.0)));
        const double u = random.uniform();
        if (round < 12) continue;
        if (u < 0.002) x = kInf;
        if (u > 0.999) x = kNan;
        if (u > 0.9 && u < 0.92) x = std::copysign(0.0f, x);
      }
    }
    expect_equal_to_the_reference(p);
    if (HasFatalFailure()) return;
  }
}

// The results next to the least normal number: what is flushed is decided by the rounding to 24 bits
// without a bound to the exponent, not by the denormal that it would become.
TEST(Bf16Matmul, ResultsBelowTheLeastNormalAreFlushedAfterRounding) {
  // The even chain: the least normal number, less from 2^-20 to 2^-29 of it, times 1 to 1.75.
  ProductProblem p = bf16_problem({1, 40, 3});
  p.A = {0x1p-63f, 0.0f, -0x1p-75f};
  for (int n = 0; n < 40; ++n) {
    float* w = p.W.data() + 3 * n;
    w[0] = 0x1p-63f, w[1] = 0.0f;
    w[2] = std::ldexp(1.0f + 0.25f * static_cast<float>(n % 4), 75 - 126 - 20 - n / 4);
  }
  const auto plain = p.expected_plain();
  const auto flushed = std::count(plain.begin(), plain.begin() + 40, 0.0f);
  EXPECT_GT(flushed, 10);
  EXPECT_LT(flushed, 40);
  expect_equal_to_the_reference(p);
}

TEST(Bf16Matmul, RoundsAsConversionDoes) {
  // Upper halves with lower halves around the tie, as operand of a product with one.
  std::vector<float> values;
  std::vector<uint32_t> highs = {0x7F80, 0x7FFF, 0xFF80, 0xFFFF};  // NaNs that a carry would change
  for (uint32_t high = 0; high < 0x10000; high += 37) highs.push_back(high);
  for (const uint32_t high : highs) {
    for (const uint32_t low : {0u, 1u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu})
      values.push_back(std::bit_cast<float>(high << 16 | low));
  }
  const auto count = static_cast<int64_t>(values.size());
  ProductProblem p = bf16_problem({count, 1, 1});
  p.W = {1.0f};
  p.A = values;
  expect_equal_to_the_reference(p);
  ProductProblem q = bf16_problem({1, count, 1});
  q.A = {1.0f};
  q.W = values;
  expect_equal_to_the_reference(q);
}

// A gradient goes on over the rows of a batch, each a product of its own.
TEST(Bf16Matmul, ContinuesBlockByBlock) {
  const ProductProblem p = bf16_problem({31, 50, 96});
  const auto expected = p.expected_plain();
  const auto W = p.W_transposed();
  on_every_bf16_path(true, [&](ThreadPool& pool) {
    Output C(p.before);
    const Rows to{C.data(), p.ldc()};
    Bf16Matrix first("B", 64, 50), second("B", 32, 50);
    first.pack(MatrixView::rows(W.data(), 64, 50), pool);
    second.pack(MatrixView::rows(W.data() + 64 * 50, 32, 50), pool);
    bf16_matmul(to, {p.A.data(), 96, 1}, first, nullptr, 31, pool);
    bf16_matmul_continue(to, {p.A.data() + 64, 96, 1}, second, 31, pool);
    ASSERT_TRUE(same_values(expected, C));
  });
}

// The gradient of a weight over rows of 1 to 70 tokens, and of an input through the same copy of the
// weight: sums that go on over short blocks, and blocks of what were columns.
TEST(Bf16Matmul, RunsAndTheTransposedEqualTheReferenceOnEveryPath) {
  const std::vector<Bf16Run> runs = {{0, 1},   {1, 32},  {33, 32},  {65, 6},
                                     {71, 31}, {102, 2}, {104, 32}, {136, 9}};
  constexpr int64_t kT = 145;
  for (const auto& [M, N] :
       {std::pair<int64_t, int64_t>{1, 1}, {5, 17}, {40, 32}, {65, 100}, {300, 33}}) {
    SCOPED_TRACE(::testing::Message() << "M " << M << ", N " << N);
    const auto dy = random_floats(kT * M, 1), x = random_floats(kT * N, 2),
               before = random_floats(M * N, 3);
    std::vector<float> expected = before, expected_input;
    for (int64_t m = 0; m < M; ++m) {
      for (int64_t n = 0; n < N; ++n) {
        float& sum = expected[ProductProblem::index(m * N + n)];
        for (const Bf16Run& run : runs) {
          sum = reference::bf16_chain(
              sum, run.count,
              [&, M = M](int64_t k) { return dy[ProductProblem::index((run.begin + k) * M + m)]; },
              [&, N = N](int64_t k) { return x[ProductProblem::index((run.begin + k) * N + n)]; });
        }
      }
    }
    // dx (T, N) = dy (T, M) w (M, N); `before` is the weight.
    for (int64_t t = 0; t < kT; ++t) {
      for (int64_t n = 0; n < N; ++n) {
        expected_input.push_back(reference::bf16_chain(
            0.0f, M, [&, M = M](int64_t k) { return dy[ProductProblem::index(t * M + k)]; },
            [&, N = N](int64_t k) { return before[ProductProblem::index(k * N + n)]; }));
      }
    }
    on_every_bf16_path(M == 300 || M == 5, [&, M = M, N = N](ThreadPool& pool) {
      const auto blocks = static_cast<int64_t>(runs.size());
      tensor::Buffer room("room", Bf16Matrix::storage_floats(blocks * 32, N));
      for (float& value : room.span()) value = std::numeric_limits<float>::quiet_NaN();
      Bf16Matrix inputs(room.data(), blocks * 32, N);
      inputs.pack_runs(x.data(), runs, pool);
      Output dw(before), dx(kT * N);
      bf16_matmul_continue({dw.data(), N}, {dy.data(), 1, M}, runs, inputs, M, pool);
      ASSERT_TRUE(same_bits(expected, dw));
      Bf16Matrix weight("weight", N, M);
      weight.pack_weight(before.data(), tensor::DType::kF32, M, 0, pool);
      bf16_matmul_transposed({dx.data(), N}, {dy.data(), M, 1}, weight, kT, pool);
      ASSERT_TRUE(same_bits(expected_input, dx));
    });
    if (HasFatalFailure()) return;
  }
}

// A long reduction over what were columns, cut into several pieces, for few rows and for many.
TEST(Bf16Matmul, LongTransposedEqualTheReferenceOnEveryPath) {
  constexpr int64_t kK = 33, kN = 1100;
  for (const int64_t M : {2, 70}) {
    const auto dy = random_floats(M * kN, 1), w = random_floats(kN * kK, 2);
    std::vector<float> expected;
    for (int64_t m = 0; m < M; ++m) {
      for (int64_t k = 0; k < kK; ++k) {
        expected.push_back(reference::bf16_chain(
            0.0f, kN, [&](int64_t n) { return dy[ProductProblem::index(m * kN + n)]; },
            [&](int64_t n) { return w[ProductProblem::index(n * kK + k)]; }));
      }
    }
    on_every_bf16_path(true, [&](ThreadPool& pool) {
      Bf16Matrix weight("weight", kK, kN);
      weight.pack_weight(w.data(), tensor::DType::kF32, kN, 0, pool);
      Output dx(M * kK);
      bf16_matmul_transposed({dx.data(), kK}, {dy.data(), kN, 1}, weight, M, pool);
      ASSERT_TRUE(same_bits(expected, dx));
    });
    if (HasFatalFailure()) return;
  }
}

// What the caller does with denormals stays his.
TEST(Bf16Matmul, DenormalsAreFlushedInTheProductOnly) {
  const ProductProblem p = bf16_problem({3, 5, 40});
  on_every_bf16_path(true, [&](ThreadPool& pool) {
    Output C(p.before);
    Bf16Matrix B("B", 40, 5);
    B.pack(p.weights(), pool);
    bf16_matmul({C.data(), p.ldc()}, p.rows(), B, nullptr, 3, pool);
    pool.run([&](int) {
      volatile float small = 0x1p-126f;
      const float half = small * 0.5f;
      EXPECT_EQ(std::bit_cast<uint32_t>(half), uint32_t{1} << 22);
    });
  });
}

TEST(Bf16Matmul, IsCloseToDoublePrecision) {
  const ProductProblem p = bf16_problem({4, 7, 1000});
  const auto C = p.expected_plain();
  for (int64_t m = 0; m < 4; ++m) {
    for (int64_t n = 0; n < 7; ++n) {
      double sum = 0, magnitude = 0;
      for (int64_t k = 0; k < 1000; ++k) {
        const double product = double{p.A[ProductProblem::index(m * 1000 + k)]} *
                               p.W[ProductProblem::index(n * 1000 + k)];
        sum += product;
        magnitude += std::abs(product);
      }
      // Two operands, each off by 2^-9 of itself at most; f32's sums are below that.
      EXPECT_LE(std::abs(C[ProductProblem::index(m * p.ldc() + n)] - sum), magnitude * 0x1.01p-8);
    }
  }
}

TEST(Bf16Matmul, ProductsOfBackwardEqualFiniteDifferences) {
  const ProductGradients g;
  ThreadPool pool(1);
  Output dX(g.T * g.K), dW(std::vector<float>(static_cast<size_t>(g.N * g.K), 0.0f));
  Bf16Matrix weights("W", g.N, g.K), inputs("X", g.T, g.K);
  weights.pack(MatrixView::rows(g.W.data(), g.N, g.K), pool);
  inputs.pack(MatrixView::rows(g.X.data(), g.T, g.K), pool);
  bf16_matmul({dX.data(), g.K}, {g.dY.data(), g.N, 1}, weights, nullptr, g.T, pool);
  bf16_matmul_continue({dW.data(), g.K}, {g.dY.data(), 1, g.N}, inputs, g.N, pool);
  EXPECT_TRUE(g.are(dX.values(), dW.values()));
}

// Every bf16 there is comes back from its place.
TEST(Bf16Matmul, EveryBf16ComesBackFromItsPanel) {
  constexpr int64_t kN = 72, kK = 911;  // 65,592 places for 65,536 values
  std::vector<uint16_t> bits(static_cast<size_t>(kN * kK));
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(i);
  std::vector<float> expected(bits.size()), found(bits.size());
  tensor::to_f32(expected, bits.data(), tensor::DType::kBF16);
  ThreadPool pool(2);
  Bf16Matrix B("B", kK, kN);
  // A tensor stacked below another, their border inside of a half.
  B.pack_weight(bits.data() + 41 * kK, tensor::DType::kBF16, kN - 41, 41);
  B.pack_weight(bits.data(), tensor::DType::kBF16, 41, 0, pool);
  for (int64_t n = 0; n < kN; ++n) B.read_column(n, found.data() + n * kK);
  EXPECT_TRUE(testing::same_bits(expected, found));
  EXPECT_TRUE(refused([&] { B.read_column(kN, found.data()); }));
  EXPECT_TRUE(refused([&] { B.read_column(-1, found.data()); }));
}

TEST(Bf16Matmul, ImpossibleShapesAreRefused) {
  const ProductProblem p = bf16_problem({4, 6, 5});
  ThreadPool pool(1);
  Bf16Matrix B("B", 5, 6);
  const MatrixView view = p.weights();
  B.pack(view, pool);
  std::vector<float> C(4 * 6, 1.0f);
  EXPECT_TRUE(refused([&] { bf16_matmul({C.data(), 5}, p.rows(), B, nullptr, 4, pool); }));
  EXPECT_TRUE(refused([&] { bf16_matmul_continue({C.data(), 6}, p.rows(), B, -1, pool); }));
  EXPECT_EQ(C, std::vector<float>(4 * 6, 1.0f));
  EXPECT_TRUE(refused([&] { B.pack_weight(p.W.data(), tensor::DType::kF32, 6, 1, pool); }));
  EXPECT_TRUE(refused([&] { B.pack_weight(p.W.data(), tensor::DType::kF32, 1, -1, pool); }));
  EXPECT_TRUE(refused([&] { B.pack_weight(p.W.data(), tensor::DType::kF32, 6, 1); }));
  const std::vector<Bf16Run> runs = {{0, 5}}, beyond = {{0, 33}}, none = {{0, 0}},
                             two = {{0, 2}, {2, 3}};
  Bf16Matrix rows("B", 32, 6);
  EXPECT_TRUE(refused([&] { rows.pack_runs(p.W.data(), beyond, pool); }));
  EXPECT_TRUE(refused([&] { rows.pack_runs(p.W.data(), none, pool); }));
  EXPECT_TRUE(refused([&] { rows.pack_runs(p.W.data(), two, pool); }));
  rows.pack_runs(p.W.data(), runs, pool);
  EXPECT_TRUE(refused([&] { bf16_matmul_continue({C.data(), 6}, p.rows(), two, rows, 4, pool); }));
  Bf16Matrix other("B", 5, 7);
  EXPECT_TRUE(refused([&] { other.pack(view, pool); }));
}

// The path that is asked for runs where there is one.
TEST(Bf16Matmul, PathsCanBeForced) {
  const Bf16Support own = bf16_support();
  EXPECT_EQ(own.path == Bf16Path::kAmx, own.amx_permitted);
  force_bf16_path(Bf16Path::kFma);
  EXPECT_EQ(bf16_support().path, Bf16Path::kFma);
  force_bf16_path(Bf16Path::kAmx);
  EXPECT_EQ(bf16_support().path, own.path);
  force_bf16_path(std::nullopt);
  EXPECT_EQ(bf16_support().path, own.path);
}

}  // namespace
}  // namespace ponder::ops
