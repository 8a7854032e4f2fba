#include "ops/embedding.h"

#include <gtest/gtest.h>

#include "ops/test_support.h"

namespace ponder::ops {
namespace {

constexpr int64_t kVocab = 11, kTokens = 40;

std::vector<int32_t> tokens() {
  std::vector<int32_t> ids;
  RandomSequence random(17, 1);
  for (int64_t t = 0; t < kTokens; ++t) ids.push_back(static_cast<int32_t>(random.below(kVocab)));
  return ids;
}

TEST(Embedding, CopiesRowsAndSumsGradientsInTokenOrderOnEveryMachine) {
  const auto ids = tokens();
  for (int64_t C = 1; C <= 70; ++C) {
    const auto weight = random_floats(kVocab * C, 2), dx = random_floats(kTokens * C, 3);
    std::vector<float> x, dweight = weight;
    for (const int32_t id : ids)
      x.insert(x.end(), weight.begin() + id * C, weight.begin() + (id + 1) * C);
    for (int64_t t = 0; t < kTokens; ++t) {
      for (int64_t c = 0; c < C; ++c) {
        dweight[static_cast<size_t>(ids[static_cast<size_t>(t)] * C + c)] +=
            dx[static_cast<size_t>(t * C + c)];
      }
    }
    SCOPED_TRACE(::testing::Message() << "C " << C);
    on_every_machine(C == 5 || C == 17 || C == 64, [&](ThreadPool& pool) {
      Output out(kTokens * C), gradient(weight);
      embedding(out.data(), ids.data(), weight.data(), {kTokens, C}, pool);
      ASSERT_TRUE(same_bits(x, out));
      embedding_backward(gradient.data(), ids.data(), dx.data(), {kTokens, C}, pool);
      ASSERT_TRUE(same_bits(dweight, gradient));
    });
    if (HasFatalFailure()) return;
  }
}

TEST(Embedding, BackwardEqualsFiniteDifferences) {
  const int64_t C = 5;
  const auto ids = tokens();
  const auto weight = random_floats(kVocab * C, 2), dx = random_floats(kTokens * C, 3);
  std::vector<double> w = doubles(weight);
  const auto loss = [&] {
    double sum = 0;
    for (size_t t = 0; t < ids.size(); ++t) {
      for (size_t c = 0; c < C; ++c) sum += dx[t * C + c] * w[static_cast<size_t>(ids[t]) * C + c];
    }
    return sum;
  };
  ThreadPool pool(1);
  Output gradient(std::vector<float>(weight.size(), 0.0f));
  embedding_backward(gradient.data(), ids.data(), dx.data(), {kTokens, C}, pool);
  EXPECT_TRUE(all_near(numeric_gradient(w, loss), gradient.values(), 1e-6));
}

TEST(BiasBackward, SumsColumnsInRowOrderOnEveryMachine) {
  for (int64_t N = 1; N <= 70; ++N) {
    const int64_t ld = N + 2, T = 13;
    const auto dy = random_floats(T * ld, 4), before = random_floats(N, 5);
    std::vector<float> dbias = before;
    std::vector<double> exact = doubles(before);
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t n = 0; n < N; ++n) {
        dbias[static_cast<size_t>(n)] += dy[static_cast<size_t>(t * ld + n)];
        exact[static_cast<size_t>(n)] += dy[static_cast<size_t>(t * ld + n)];
      }
    }
    EXPECT_TRUE(all_near(exact, dbias, 1e-6));
    SCOPED_TRACE(::testing::Message() << "N " << N);
    on_every_machine(N == 5 || N == 17 || N == 64, [&](ThreadPool& pool) {
      Output gradient(before);
      bias_backward(gradient.data(), {dy.data(), ld}, {T, N}, pool);
      ASSERT_TRUE(same_bits(dbias, gradient));
    });
    if (HasFatalFailure()) return;
  }
}

TEST(Embedding, ImpossibleShapesAreRefused) {
  ThreadPool pool(1);
  const std::vector<int32_t> ids(4);
  std::vector<float> a(16, 1.0f), b(16, 1.0f);
  float *x = a.data(), *y = b.data();
  for (const RowShape shape : {RowShape{-1, 4}, {4, 0}}) {
    EXPECT_TRUE(refused([&] { embedding(x, ids.data(), y, shape, pool); }));
    EXPECT_TRUE(refused([&] { embedding_backward(x, ids.data(), y, shape, pool); }));
    EXPECT_TRUE(refused([&] { bias_backward(x, {y, 4}, shape, pool); }));
    EXPECT_TRUE(refused([&] { add(x, x, y, shape, pool); }));
  }
  EXPECT_TRUE(refused([&] { bias_backward(x, {y, 3}, {4, 4}, pool); }));
  EXPECT_EQ(a, std::vector<float>(16, 1.0f));
}

TEST(Add, AddsOrCopiesEveryElementOnEveryMachine) {
  for (const int64_t size : {1, 7, 16, 33, 1023, 1024, 1025, 5000}) {
    const auto x = random_floats(size, 6), delta = random_floats(size, 7);
    std::vector<float> sum = x;
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += delta[i];
    on_every_machine(size == 33 || size == 5000, [&](ThreadPool& pool) {
      Output out(x);
      add(out.data(), out.data(), delta.data(), {size, 1}, pool);
      ASSERT_TRUE(same_bits(sum, out)) << size;
      add(out.data(), x.data(), nullptr, {1, size}, pool);
      ASSERT_TRUE(same_bits(x, out)) << size;
    });
  }
}

}  // namespace
}  // namespace ponder::ops
