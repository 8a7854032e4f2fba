#include "ops/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "ops/product_problem.h"
#include "ops/reference.h"
#include "ops/test_support.h"

namespace ponder::ops {
namespace {

// Every small size, and the borders of vectors (16), panels (32), register tiles (6 or 14 rows, up
// to 4 panels), few and many rows (12 or 28), blocks of rows (96 or 224) and of k (512), and the
// grids of rows and panels among threads.
std::vector<ProductSize> sizes() {
  std::vector<ProductSize> all;
  for (int64_t M = 1; M <= 40; ++M) all.push_back({M, 45, 5});
  for (int64_t N = 1; N <= 70; ++N) all.push_back({3, N, 4});
  for (const int64_t M : {1, 2, 4, 6, 7, 15}) {
    for (const int64_t N : {95, 96, 97, 127, 128, 129, 144, 161, 200}) all.push_back({M, N, 3});
  }
  for (int64_t K = 0; K <= 35; ++K) all.push_back({2, 33, K});
  for (const int64_t K : {511, 512, 513, 1024, 1030}) {
    all.push_back({29, 17, K});
    all.push_back({2, 33, K});
    all.push_back({16, 33, K});
  }
  for (const int64_t M : {96, 97, 223, 224, 225, 230, 337, 340})
    all.push_back({M, 33, 3, M >= 224});
  all.push_back({230, 20, 513, true});
  for (const int64_t M : {1, 2, 14, 30, 60}) {
    for (const int64_t N : {31, 70, 200}) all.push_back({M, N, 6, true});
  }
  return all;
}

TEST(Matmul, EqualsAChainPerElementOnEveryMachine) {
  for (const ProductSize size : sizes()) {
    const ProductProblem p(size);
    const auto plain = p.expected_plain();
    const auto biased = p.expected_biased();
    const auto continued = p.expected_continued();
    const auto A_transposed = p.A_transposed();
    const MatrixA rows = p.rows(), columns{A_transposed.data(), 1, size.M};
    SCOPED_TRACE(::testing::Message() << "M " << size.M << ", N " << size.N << ", K " << size.K);
    on_every_machine(size.threads, [&](ThreadPool& pool) {
      PackedMatrix B("B", size.K, size.N);
      B.pack_weight(p.W.data(), size.N, 0, pool);
      Output C(p.before);
      matmul({C.data(), p.ldc()}, rows, B, nullptr, size.M, pool);
      ASSERT_TRUE(same_bits(plain, C)) << "no bias";
      Output D(p.before);
      matmul({D.data(), p.ldc()}, columns, B, p.bias.data(), size.M, pool);
      ASSERT_TRUE(same_bits(biased, D)) << "bias, A transposed";
      Output E(p.before);
      matmul_continue({E.data(), p.ldc()}, size.M % 2 ? rows : columns, B, size.M, pool);
      ASSERT_TRUE(same_bits(continued, E)) << "continued";
    });
    if (HasFatalFailure()) return;
  }
}

// A view packs as it goes: weights (B transposed) and rows (B as it lies), in one matrix or in
// several of which none fills its panels.
TEST(Matmul, ViewsEqualAChainPerElementOnEveryMachine) {
  std::vector<ProductSize> all = sizes();
  // Groups of four panels, chunks of rows (384 or 896), and blocks of k that end within a group.
  for (const ProductSize more :
       {ProductSize{3, 130, 7}, {30, 257, 70}, {17, 129, 515}, {60, 300, 1030, true}})
    all.push_back(more);
  for (const int64_t M : {385, 770, 897}) all.push_back({M, 33, 3});
  for (const ProductSize size : all) {
    const ProductProblem p(size);
    const auto plain = p.expected_plain();
    const auto biased = p.expected_biased();
    const auto continued = p.expected_continued();
    const auto A_transposed = p.A_transposed();
    const MatrixA rows = p.rows(), columns{A_transposed.data(), 1, size.M};
    const std::vector<float> W_transposed = p.W_transposed();
    // The rows [0, count) of a matrix in three parts.
    const auto parts = [](const std::vector<float>& matrix, int64_t count, int64_t width) {
      const int64_t a = count / 3, b = count / 2;
      return std::vector<MatrixView::Part>{{matrix.data(), a},
                                           {matrix.data() + a * width, b - a},
                                           {matrix.data() + b * width, count - b}};
    };
    const MatrixView weights = MatrixView::weights(parts(p.W, size.N, size.K), size.K);
    const MatrixView down = MatrixView::rows(parts(W_transposed, size.K, size.N), size.N);
    const MatrixView one = MatrixView::rows(W_transposed.data(), size.K, size.N);
    SCOPED_TRACE(::testing::Message() << "M " << size.M << ", N " << size.N << ", K " << size.K);
    on_every_machine(size.threads, [&](ThreadPool& pool) {
      Output C(p.before);
      matmul({C.data(), p.ldc()}, rows, weights, p.bias.data(), size.M, pool);
      ASSERT_TRUE(same_bits(biased, C)) << "weights, bias";
      Output D(p.before);
      matmul({D.data(), p.ldc()}, size.M % 2 ? rows : columns, down, nullptr, size.M, pool);
      ASSERT_TRUE(same_bits(plain, D)) << "rows in parts, no bias";
      Output E(p.before);
      matmul_continue({E.data(), p.ldc()}, columns, one, size.M, pool);
      ASSERT_TRUE(same_bits(continued, E)) << "rows, continued";
    });
    if (HasFatalFailure()) return;
  }
}

std::vector<float> rounded_to_bf16(const std::vector<float>& values) {
  std::vector<uint16_t> bits(values.size());
  tensor::from_f32(bits.data(), values, tensor::DType::kBF16);
  std::vector<float> rounded(values.size());
  tensor::to_f32(rounded, bits.data(), tensor::DType::kBF16);
  return rounded;
}

// bf16 panels are f32 panels of the rounded weights, to the bit: packed from f32 or from the bf16
// bytes of a file.
TEST(Matmul, Bf16PanelsEqualAChainOverTheRoundedWeightsOnEveryMachine) {
  for (const ProductSize size : sizes()) {
    ProductProblem p(size);
    p.W = rounded_to_bf16(p.W);
    std::vector<char> file(2 * p.W.size() + 1);  // at an odd address
    tensor::from_f32(file.data() + 1, p.W, tensor::DType::kBF16);
    const auto unrounded = ProductProblem(size).W;
    const auto biased = p.expected_biased();
    const auto continued = p.expected_continued();
    const auto A_transposed = p.A_transposed();
    const MatrixA rows = p.rows(), columns{A_transposed.data(), 1, size.M};
    SCOPED_TRACE(::testing::Message() << "M " << size.M << ", N " << size.N << ", K " << size.K);
    on_every_machine(size.threads, [&](ThreadPool& pool) {
      PackedMatrix B("B", size.K, size.N, tensor::DType::kBF16);
      B.pack_weight(file.data() + 1, tensor::DType::kBF16, size.N, 0, pool);
      Output C(p.before);
      matmul({C.data(), p.ldc()}, rows, B, p.bias.data(), size.M, pool);
      ASSERT_TRUE(same_bits(biased, C)) << "from bf16";
      PackedMatrix D("D", size.K, size.N, tensor::DType::kBF16);
      D.pack_weight(unrounded.data(), size.N, 0, pool);
      Output E(p.before);
      matmul_continue({E.data(), p.ldc()}, size.M % 2 ? columns : rows, D, size.M, pool);
      ASSERT_TRUE(same_bits(continued, E)) << "from f32, continued";
    });
    if (HasFatalFailure()) return;
  }
}

// Every bf16 there is keeps its bits: subnormals, zeros of both signs, infinities, quiet NaNs.
TEST(Matmul, EveryBf16ComesBackFromItsPanel) {
  constexpr int64_t kN = 72, kK = 911;  // 65,592 places for 65,536 values
  std::vector<uint16_t> bits(static_cast<size_t>(kN * kK));
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(i);
  std::vector<float> expected(bits.size());
  tensor::to_f32(expected, bits.data(), tensor::DType::kBF16);
  for (const tensor::DType storage : {tensor::DType::kBF16, tensor::DType::kF32}) {
    ThreadPool pool(2);
    PackedMatrix B("B", kK, kN, storage);
    // A tensor stacked below another, its borders inside of panels.
    B.pack_weight(bits.data(), tensor::DType::kBF16, 41, 0, pool);
    B.pack_weight(bits.data() + 41 * kK, tensor::DType::kBF16, kN - 41, 41, pool);
    std::vector<float> found(bits.size());
    for (int64_t n = 0; n < kN; ++n) B.read_column(n, found.data() + n * kK);
    EXPECT_TRUE(testing::same_bits(expected, found)) << tensor::config_name(storage);
    EXPECT_EQ(B.size_bytes(), 96 * kK * tensor::size_bytes(storage));
  }
}

TEST(Matmul, F16WeightsAreExactInF32PanelsAndRoundedOnceInBf16Panels) {
  const std::vector<float> values = {1.0f, -0x1.ffcp15f, 0x1p-24f, 0x1.004p0f, 0x1.018p0f, -0.0f};
  std::vector<uint16_t> bits(values.size());
  tensor::from_f32(bits.data(), values, tensor::DType::kF16);
  ThreadPool pool(1);
  for (const tensor::DType storage : {tensor::DType::kF32, tensor::DType::kBF16}) {
    PackedMatrix B("B", 6, 1, storage);
    B.pack_weight(bits.data(), tensor::DType::kF16, 1, 0, pool);
    std::vector<float> found(6);
    B.read_column(0, found.data());
    EXPECT_TRUE(testing::same_bits(
        storage == tensor::DType::kF32 ? values : rounded_to_bf16(values), found));
  }
  EXPECT_THROW(PackedMatrix("B", 6, 1, tensor::DType::kF16), Error);
}

// Where a chain is cut does not matter: this is what lets a gradient accumulate over batches.
TEST(Matmul, ContinuingOverAPartOfKIsTheWholeChain) {
  const ProductProblem p({31, 50, 40});
  const auto expected = p.expected_plain();
  const std::vector<float> rows = p.W_transposed();  // B as rows (K, N)
  on_every_machine(true, [&](ThreadPool& pool) {
    for (const int64_t cut : {1, 16, 39}) {
      Output C(p.before);
      const MatrixView first = MatrixView::rows(rows.data(), cut, 50);
      const MatrixView second = MatrixView::rows(rows.data() + cut * 50, 40 - cut, 50);
      matmul({C.data(), p.ldc()}, {p.A.data(), 40, 1}, first, nullptr, 31, pool);
      matmul_continue({C.data(), p.ldc()}, {p.A.data() + cut, 40, 1}, second, 31, pool);
      ASSERT_TRUE(same_bits(expected, C)) << "cut at " << cut;
    }
  });
}

TEST(Matmul, PacksStackedWeights) {
  const ProductProblem p({5, 75, 21});
  const auto expected = p.expected_biased();
  on_every_machine(true, [&](ThreadPool& pool) {
    PackedMatrix B("B", 21, 75);
    B.pack_weight(p.W.data() + 40 * 21, 35, 40, pool);
    B.pack_weight(p.W.data(), 7, 0, pool);
    B.pack_weight(p.W.data() + 7 * 21, 33, 7, pool);
    Output C(p.before);
    matmul({C.data(), p.ldc()}, {p.A.data(), 21, 1}, B, p.bias.data(), 5, pool);
    ASSERT_TRUE(same_bits(expected, C));
  });
}

TEST(Matmul, ImpossibleShapesAreRefused) {
  const ProductProblem p({4, 6, 5});
  ThreadPool pool(1);
  PackedMatrix B("B", 5, 6);
  B.pack_weight(p.W.data(), 6, 0, pool);
  std::vector<float> C(4 * 6, 1.0f);
  const auto product_refused = [&](int64_t stride, MatrixA A, int64_t M) {
    const bool once = refused([&] { matmul({C.data(), stride}, A, B, nullptr, M, pool); });
    return once && refused([&] { matmul_continue({C.data(), stride}, A, B, M, pool); });
  };
  EXPECT_TRUE(product_refused(6, {p.A.data(), 5, 1}, -1));
  EXPECT_TRUE(product_refused(5, {p.A.data(), 5, 1}, 4)) << "rows of C that overlap";
  EXPECT_TRUE(product_refused(6, {p.A.data(), 4, 1}, 4)) << "rows of A that overlap";
  EXPECT_TRUE(product_refused(6, {p.A.data(), 1, 3}, 4)) << "columns of A that overlap";
  EXPECT_EQ(C, std::vector<float>(4 * 6, 1.0f));

  EXPECT_TRUE(refused([&] { B.pack_weight(p.W.data(), 6, 1, pool); }));
  EXPECT_TRUE(refused([&] { B.pack_weight(p.W.data(), 1, -1, pool); }));
  EXPECT_TRUE(refused([&] { B.pack_weight(p.W.data(), tensor::DType::kF32, -1, 0); }));
  EXPECT_TRUE(refused([&] { B.read_column(6, C.data()); }));
  EXPECT_TRUE(refused([&] { B.read_column(-1, C.data()); }));
  const std::vector<MatrixView::Part> parts(MatrixView::kMaxParts + 1, {p.W.data(), 1});
  EXPECT_TRUE(refused([&] { MatrixView::weights(parts, 5); }));
}

// The error of a chain of K roundings: at most K 2^-24 times the sum of the magnitudes.
TEST(Matmul, ChainIsCloseToDoublePrecision) {
  for (const int64_t K : {1, 3, 64, 1000}) {
    const ProductProblem p({4, 7, K});
    const auto C = p.expected_biased();
    for (int64_t m = 0; m < 4; ++m) {
      for (int64_t n = 0; n < 7; ++n) {
        double sum = p.bias[ProductProblem::index(n)], magnitude = std::abs(sum);
        for (int64_t k = 0; k < K; ++k) {
          sum += double{p.a(m, k)} * p.b(k, n);
          magnitude += std::abs(double{p.a(m, k)} * p.b(k, n));
        }
        EXPECT_LE(std::abs(C[ProductProblem::index(m * p.ldc() + n)] - sum),
                  static_cast<double>(K) * std::ldexp(magnitude, -24));
      }
    }
  }
}

// The products of a layer's backward pass.
TEST(Matmul, ProductsOfBackwardEqualFiniteDifferences) {
  const ProductGradients g;
  ThreadPool pool(1);
  Output dX(g.T * g.K), dW(std::vector<float>(static_cast<size_t>(g.N * g.K), 0.0f));
  matmul({dX.data(), g.K}, {g.dY.data(), g.N, 1}, MatrixView::rows(g.W.data(), g.N, g.K), nullptr,
         g.T, pool);
  matmul_continue({dW.data(), g.K}, {g.dY.data(), 1, g.N}, MatrixView::rows(g.X.data(), g.T, g.K),
                  g.N, pool);
  EXPECT_TRUE(g.are(dX.values(), dW.values()));
}

}  // namespace
}  // namespace ponder::ops
