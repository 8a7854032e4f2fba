#include "train/adamw.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/philox.h"
#include "testing/tiny_config.h"

namespace ponder::train {
namespace {

model::ModelConfig small_config() {
  model::ModelConfig config = testing::tiny_config(301);
  config.hidden_size = 24;  // not a multiple of 16: padding appears
  config.intermediate_size = 40;
  config.head_dim = 6;
  return config;
}

// Values in the parameters; padding stays zero.
void fill(model::Parameters& parameters, uint64_t seed, double size) {
  RandomSequence random(seed, 1);
  for (const auto& entry : parameters.layout().entries()) {
    for (float& x : parameters.at(entry.name)) x = static_cast<float>(size * random.normal());
  }
}

TEST(AdamW, FollowsTheDefinitionInDouble) {
  const model::ModelConfig config = small_config();
  ThreadPool pool(2);
  const AdamWOptions options;
  AdamW adamw(TrainableSet::all(config), options, pool);
  model::Parameters weights(config, "w"), gradients(config, "g");
  fill(weights, 1, 0.05);
  const size_t size = weights.flat().size();
  std::vector<double> w(weights.flat().begin(), weights.flat().end()), m(size), v(size);
  for (int t = 1; t <= 20; ++t) {
    fill(gradients, 100 + static_cast<uint64_t>(t), 0.01);
    const double lr = 1e-3, scale = 0.5;
    adamw.update(weights.flat(), gradients.flat(), lr, scale);
    for (const auto& entry : weights.layout().entries()) {
      for (int64_t j = entry.offset; j < entry.offset + entry.size; ++j) {
        const size_t i = static_cast<size_t>(j);
        const double g = scale * gradients.flat()[i];
        m[i] = options.beta1 * m[i] + (1 - options.beta1) * g;
        v[i] = options.beta2 * v[i] + (1 - options.beta2) * g * g;
        const double mhat = m[i] / (1 - std::pow(options.beta1, t)),
                     vhat = v[i] / (1 - std::pow(options.beta2, t));
        if (entry.is_matrix()) w[i] -= lr * options.weight_decay * w[i];
        w[i] -= lr * mhat / (std::sqrt(vhat) + options.epsilon);
      }
    }
  }
  // 20 updates of about 1e-3 in f32.
  for (size_t i = 0; i < size; ++i) ASSERT_NEAR(weights.flat()[i], w[i], 2e-7) << i;
  EXPECT_EQ(adamw.num_updates(), 20);
}

TEST(AdamW, DecaysMatricesAndNothingElse) {
  const model::ModelConfig config = small_config();
  ThreadPool pool(1);
  AdamW adamw(TrainableSet::all(config), {}, pool);
  model::Parameters weights(config, "w"), zero(config, "g");
  for (const auto& entry : weights.layout().entries()) {
    for (float& x : weights.at(entry.name)) x = 1.0f;
  }
  adamw.update(weights.flat(), zero.flat(), 1e-2, 1.0);
  for (const auto& entry : weights.layout().entries()) {
    const float expected = entry.is_matrix() ? 1.0f - 1e-2f * 0.1f : 1.0f;
    for (const float x : weights.at(entry.name)) ASSERT_FLOAT_EQ(x, expected) << entry.name;
  }
  EXPECT_LT(weights.at("model.embed_tokens.weight")[0], 1.0f);
  EXPECT_EQ(weights.at("model.layers.0.self_attn.q_proj.bias")[0], 1.0f);
}

TEST(AdamW, ThreadsChangeNoBit) {
  const model::ModelConfig config = small_config();
  std::vector<std::vector<float>> results;
  std::vector<double> norms;
  for (const int threads : {1, 2, 3, 4}) {
    ThreadPool pool(threads);
    AdamW adamw(TrainableSet::all(config), {}, pool);
    model::Parameters weights(config, "w"), gradients(config, "g");
    fill(weights, 1, 0.05);
    fill(gradients, 2, 0.3);
    norms.push_back(gradient_norm(gradients.flat(), pool));
    for (int t = 0; t < 3; ++t)
      adamw.update(weights.flat(), gradients.flat(), 1e-3, clip_scale(norms.back(), 1.0));
    results.emplace_back(weights.flat().begin(), weights.flat().end());
  }
  for (size_t i = 1; i < results.size(); ++i) {
    EXPECT_EQ(norms[i], norms[0]);
    EXPECT_EQ(std::memcmp(results[i].data(), results[0].data(), results[0].size() * sizeof(float)),
              0);
  }
}

// A value between two bf16 goes to either, as often as it is near to it; one that is a bf16 stays.
TEST(AdamW, RoundsStochasticallyWithoutBias) {
  constexpr int64_t kCount = 1 << 16;
  for (const float share : {0.0f, 0.1f, 0.5f, 0.99f}) {
    for (const float base : {1.0f, -0.37109375f, 3.0e-20f}) {
      const float low = std::bit_cast<float>(std::bit_cast<uint32_t>(base) & 0xFFFF0000u);
      const float high = std::bit_cast<float>(std::bit_cast<uint32_t>(low) + 0x10000u);
      const std::vector<float> values(kCount, low + share * (high - low));
      std::vector<uint16_t> narrow(kCount);
      round_stochastically(narrow.data(), values.data(), kCount, 12345, 0x123456789ABCDEFull);
      int64_t up = 0;
      for (const uint16_t bits : narrow) {
        const float found = std::bit_cast<float>(uint32_t{bits} << 16);
        ASSERT_TRUE(found == low || found == high);
        up += found == high;
      }
      const double expected = share, deviation = std::sqrt(expected * (1 - expected) / kCount);
      EXPECT_NEAR(static_cast<double>(up) / kCount, expected, 4 * deviation + 2e-5);
    }
  }
}

// Moments in bf16 keep up with those in f32 (rounded to nearest, exp_avg_sq would stand still: an
// update moves it by a thousandth), and what is computed depends on the seed, not on threads.
TEST(AdamW, MomentsInBf16FollowThoseInF32) {
  const model::ModelConfig config = small_config();
  AdamWOptions narrow;
  narrow.moments = tensor::DType::kBF16;
  const auto run = [&](const AdamWOptions& options, int threads) {
    ThreadPool pool(threads);
    AdamW adamw(TrainableSet::all(config), options, pool);
    model::Parameters weights(config, "w"), gradients(config, "g");
    fill(weights, 1, 0.05);
    for (int t = 1; t <= 300; ++t) {
      fill(gradients, 100 + static_cast<uint64_t>(t), 0.01);
      adamw.update(weights.flat(), gradients.flat(), 1e-4, 1.0);
    }
    return std::pair(std::vector<float>(weights.flat().begin(), weights.flat().end()),
                     adamw.exp_avg_sq().values());
  };
  const auto [wide_w, wide_v] = run({}, 1);
  const auto [w, v] = run(narrow, 1);
  const auto [w3, v3] = run(narrow, 3);
  EXPECT_EQ(std::memcmp(w.data(), w3.data(), w.size() * sizeof(float)), 0);
  EXPECT_EQ(std::memcmp(v.data(), v3.data(), v.size() * sizeof(float)), 0);
  narrow.seed = 2;
  EXPECT_NE(std::memcmp(w.data(), run(narrow, 1).first.data(), w.size() * sizeof(float)), 0);
  double sum = 0, wide_sum = 0, moved = 0, apart = 0;
  for (size_t i = 0; i < v.size(); ++i) {
    sum += v[i];
    wide_sum += wide_v[i];
    apart += std::abs(double{w[i]} - wide_w[i]);
    moved += std::abs(double{wide_w[i]});
  }
  EXPECT_NEAR(sum / wide_sum, 1.0, 0.01);
  EXPECT_LT(apart, 0.01 * moved);
}

// Were the random bits of an element the same in every update, most would stop on the way.
TEST(AdamW, MomentsInBf16ReachTheirLimit) {
  const model::ModelConfig config = small_config();
  AdamWOptions options;
  options.moments = tensor::DType::kBF16;
  ThreadPool pool(2);
  AdamW adamw(TrainableSet::all(config), options, pool);
  model::Parameters weights(config, "w"), gradients(config, "g");
  for (float& g : gradients.flat()) g = 0.01f;
  for (int t = 1; t <= 8000; ++t) adamw.update(weights.flat(), gradients.flat(), 1e-6, 1.0);
  const std::vector<float> m = adamw.exp_avg().values(), v = adamw.exp_avg_sq().values();
  for (const auto& entry : weights.layout().entries()) {
    for (int64_t i = entry.offset; i < entry.offset + entry.size; ++i) {
      ASSERT_NEAR(m[static_cast<size_t>(i)] / 1e-2, 1.0, 0.02) << entry.name;
      ASSERT_NEAR(v[static_cast<size_t>(i)] / 1e-4, 1.0, 0.05) << entry.name;
    }
  }
}

TEST(GradientNorm, IsRightAndSeesEveryElement) {
  ThreadPool pool(2);
  for (const size_t size : {1u, 7u, 8u, 9u, 4095u, 4096u, 4097u, 20000u}) {
    std::vector<float> g(size);
    double sum = 0;
    for (size_t i = 0; i < size; ++i) {
      g[i] = static_cast<float>(std::sin(static_cast<double>(i)));
      sum += static_cast<double>(g[i]) * g[i];
    }
    EXPECT_NEAR(gradient_norm(g, pool), std::sqrt(sum), 1e-12 * std::sqrt(sum));
    g[size - 1] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(std::isnan(gradient_norm(g, pool)));
    g[size - 1] = -std::numeric_limits<float>::infinity();
    EXPECT_TRUE(std::isinf(gradient_norm(g, pool)));
  }
}

TEST(ClipScale, OnlyEverShrinks) {
  EXPECT_EQ(clip_scale(0.5, 1.0), 1.0);
  EXPECT_EQ(clip_scale(4.0, 1.0), 0.25);
  EXPECT_EQ(clip_scale(4.0, 0.0), 1.0);
}

}  // namespace
}  // namespace ponder::train
