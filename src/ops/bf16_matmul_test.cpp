#include "ops/bf16_matmul.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "ops/reference.h"
#include "ops/test_support.h"

namespace ponder::ops {
namespace {

// As on_every_machine, and there with each way to multiply bf16.
template <class Body>
void on_every_bf16_path(bool threads, const Body& body) {
  struct Restore {
    ~Restore() { force_bf16_path(std::nullopt); }
  } restore;
  on_every_machine(threads, [&](ThreadPool& pool) {
    for (const Bf16Path path : {Bf16Path::kFma, Bf16Path::kAvx512Bf16, Bf16Path::kAmx}) {
      force_bf16_path(path);
      if (bf16_support().path != path) continue;
      const ::testing::ScopedTrace trace(__FILE__, __LINE__, std::string(bf16_path_name(path)));
      body(pool);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

// Bits, but any NaN for a NaN.
::testing::AssertionResult same_values(const std::vector<float>& expected, const Output& found) {
  if (!found.intact()) return ::testing::AssertionFailure() << "written outside of the result";
  for (size_t i = 0; i < expected.size(); ++i) {
    const float e = expected[i], f = found.values()[i];
    if (std::isnan(e) && std::isnan(f)) continue;
    if (std::bit_cast<uint32_t>(e) == std::bit_cast<uint32_t>(f)) continue;
    return ::testing::AssertionFailure()
           << "element " << i << ": expected " << e << ", found " << f;
  }
  return ::testing::AssertionSuccess();
}

struct Bf16Size {
  int64_t M, N, K;
  bool threads = false;
};

// The borders of blocks of k (32, up to 1,024 at a time), register tiles (11, 6 or 16 rows), groups
// (32) and the rows packed together (512, 256 with many blocks), halves (16) and panels (32), and the
// grids of threads.
std::vector<Bf16Size> bf16_sizes() {
  std::vector<Bf16Size> all;
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
  return all;
}

// A (M, K), weights W (N, K): C = A W^T.
struct Bf16Problem {
  explicit Bf16Problem(Bf16Size s) : size(s) {
    const auto stream = static_cast<uint64_t>(s.M * 1000003 + s.N * 1009 + s.K);
    A = random_floats(s.M * s.K, stream);
    W = random_floats(s.N * s.K, stream + 1);
    bias = random_floats(s.N, stream + 2);
    before = random_floats(s.M * ldc(), stream + 3);
  }
  static size_t index(int64_t i) { return static_cast<size_t>(i); }
  int64_t ldc() const { return size.N + 3; }
  MatrixA rows() const { return {A.data(), size.K, 1}; }
  std::vector<float> transposed(const std::vector<float>& X, int64_t rows, int64_t columns) const {
    std::vector<float> result(X.size());
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) result[index(c * rows + r)] = X[index(r * columns + c)];
    }
    return result;
  }
  template <class Begin>
  std::vector<float> expected(const Begin& begin) const {
    std::vector<float> C = before;
    for (int64_t m = 0; m < size.M; ++m) {
      for (int64_t n = 0; n < size.N; ++n) {
        C[index(m * ldc() + n)] = reference::bf16_chain(
            begin(m, n), size.K, [&](int64_t k) { return A[index(m * size.K + k)]; },
            [&](int64_t k) { return W[index(n * size.K + k)]; });
      }
    }
    return C;
  }
  auto expected_plain() const {
    return expected([](int64_t, int64_t) { return 0.0f; });
  }
  auto expected_biased() const {
    return expected([&](int64_t, int64_t n) { return bias[index(n)]; });
  }
  auto expected_continued() const {
    return expected([&](int64_t m, int64_t n) { return before[index(m * ldc() + n)]; });
  }

  Bf16Size size;
  std::vector<float> A, W, bias, before;
};

// Every way to give the operands: A by rows, by columns and with gaps; B from a weight of each
// type, in parts of which none fills a panel, from rows.
void expect_equal_to_the_reference(const Bf16Problem& p) {
  const auto [M, N, K, threads] = p.size;
  const auto plain = p.expected_plain(), biased = p.expected_biased(),
             continued = p.expected_continued();
  const auto A_transposed = p.transposed(p.A, M, K), W_transposed = p.transposed(p.W, N, K);
  std::vector<float> sparse(Bf16Problem::index(2 * M * K));
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
    weight.pack(MatrixView::weights(std::vector<MatrixView::Part>{{p.W.data(), N}}, K), pool);
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
  for (const Bf16Size size : bf16_sizes()) {
    expect_equal_to_the_reference(Bf16Problem(size));
    if (HasFatalFailure()) return;
  }
}

// Operands of every magnitude: sums that are denormal, that cancel, that overflow on the way.
TEST(Bf16Matmul, FlushesAndOverflowsAsTheReferenceOnEveryPath) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  RandomSequence random(5, 1);
  for (int round = 0; round < 24; ++round) {
    Bf16Problem p({round % 3 == 0 ? 40 : 7, 37, round % 2 == 0 ? 64 : 75});
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
  Bf16Problem p({1, 40, 3});
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
  Bf16Problem p({count, 1, 1});
  p.W = {1.0f};
  p.A = values;
  expect_equal_to_the_reference(p);
  Bf16Problem q({1, count, 1});
  q.A = {1.0f};
  q.W = values;
  expect_equal_to_the_reference(q);
}

// A gradient goes on over the rows of a batch, each a product of its own.
TEST(Bf16Matmul, ContinuesBlockByBlock) {
  const Bf16Problem p({31, 50, 96});
  const auto expected = p.expected_plain();
  const auto W = p.transposed(p.W, 50, 96);
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

// What the caller does with denormals stays his.
TEST(Bf16Matmul, DenormalsAreFlushedInTheProductOnly) {
  const Bf16Problem p({3, 5, 40});
  on_every_bf16_path(true, [&](ThreadPool& pool) {
    Output C(p.before);
    Bf16Matrix B("B", 40, 5);
    B.pack(MatrixView::weights(std::vector<MatrixView::Part>{{p.W.data(), 5}}, 40), pool);
    bf16_matmul({C.data(), p.ldc()}, p.rows(), B, nullptr, 3, pool);
    pool.run([&](int) {
      volatile float small = 0x1p-126f;
      const float half = small * 0.5f;
      EXPECT_EQ(std::bit_cast<uint32_t>(half), uint32_t{1} << 22);
    });
  });
}

TEST(Bf16Matmul, IsCloseToDoublePrecision) {
  const Bf16Problem p({4, 7, 1000});
  const auto C = p.expected_plain();
  for (int64_t m = 0; m < 4; ++m) {
    for (int64_t n = 0; n < 7; ++n) {
      double sum = 0, magnitude = 0;
      for (int64_t k = 0; k < 1000; ++k) {
        const double product =
            double{p.A[Bf16Problem::index(m * 1000 + k)]} * p.W[Bf16Problem::index(n * 1000 + k)];
        sum += product;
        magnitude += std::abs(product);
      }
      // Two operands, each off by 2^-9 of itself at most; f32's sums are below that.
      EXPECT_LE(std::abs(C[Bf16Problem::index(m * p.ldc() + n)] - sum), magnitude * 0x1.01p-8);
    }
  }
}

// dX = dY W and dW = dY^T X are the derivatives of sum(dY * X W^T): with operands that bf16 holds,
// to the rounding of sums.
TEST(Bf16Matmul, ProductsOfBackwardEqualFiniteDifferences) {
  const int64_t T = 35, N = 7, K = 6;
  auto X = random_floats(T * K, 1), W = random_floats(N * K, 2), dY = random_floats(T * N, 3);
  for (auto* values : {&X, &W, &dY}) {
    for (float& x : *values) x = reference::to_bf16(x);
  }
  std::vector<double> x = doubles(X), w = doubles(W);
  const auto loss = [&] {
    double sum = 0;
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t n = 0; n < N; ++n) {
        for (int64_t k = 0; k < K; ++k) {
          sum += dY[static_cast<size_t>(t * N + n)] * x[static_cast<size_t>(t * K + k)] *
                 w[static_cast<size_t>(n * K + k)];
        }
      }
    }
    return sum;
  };
  ThreadPool pool(1);
  Output dX(T * K), dW(std::vector<float>(static_cast<size_t>(N * K), 0.0f));
  Bf16Matrix weights("W", N, K), inputs("X", T, K);
  weights.pack(MatrixView::rows(W.data(), N, K), pool);
  inputs.pack(MatrixView::rows(X.data(), T, K), pool);
  bf16_matmul({dX.data(), K}, {dY.data(), N, 1}, weights, nullptr, T, pool);
  bf16_matmul_continue({dW.data(), K}, {dY.data(), 1, N}, inputs, N, pool);
  EXPECT_TRUE(all_near(numeric_gradient(x, loss), dX.values(), 1e-6));
  EXPECT_TRUE(all_near(numeric_gradient(w, loss), dW.values(), 1e-6));
}

TEST(Bf16Matmul, ImpossibleShapesAreRefused) {
  const Bf16Problem p({4, 6, 5});
  ThreadPool pool(1);
  Bf16Matrix B("B", 5, 6);
  const auto view = MatrixView::weights(std::vector<MatrixView::Part>{{p.W.data(), 6}}, 5);
  B.pack(view, pool);
  std::vector<float> C(4 * 6, 1.0f);
  EXPECT_TRUE(refused([&] { bf16_matmul({C.data(), 5}, p.rows(), B, nullptr, 4, pool); }));
  EXPECT_TRUE(refused([&] { bf16_matmul_continue({C.data(), 6}, p.rows(), B, -1, pool); }));
  EXPECT_EQ(C, std::vector<float>(4 * 6, 1.0f));
  EXPECT_TRUE(refused([&] { B.pack_weight(p.W.data(), tensor::DType::kF32, 6, 1, pool); }));
  EXPECT_TRUE(refused([&] { B.pack_weight(p.W.data(), tensor::DType::kF32, 1, -1, pool); }));
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
