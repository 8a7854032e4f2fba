#include "generate/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "base/philox.h"
#include "ops/softmax.h"

namespace ponder::generate {
namespace {

std::vector<float> random_logits(int64_t size, uint64_t seed, double scale = 2.0) {
  RandomSequence random(seed, 1);
  std::vector<float> logits(static_cast<size_t>(size));
  for (float& logit : logits) logit = static_cast<float>(scale * random.normal());
  return logits;
}

SampledToken draw(const std::vector<float>& logits, const data::SamplingSettings& settings,
                  double uniform, int64_t num_ids = 0) {
  ThreadPool pool(1);
  const auto size = static_cast<int64_t>(logits.size());
  Sampler sampler(size, num_ids > 0 ? num_ids : size, pool);
  const Draw one{logits.data(), &settings, uniform};
  SampledToken token;
  sampler.sample({&one, 1}, {&token, 1});
  return token;
}

// The distribution the settings define, in double precision, sorting everything.
std::vector<double> exact_distribution(const std::vector<float>& logits,
                                       const data::SamplingSettings& settings) {
  const size_t size = logits.size();
  const float max = *std::max_element(logits.begin(), logits.end());
  std::vector<double> weights(size);
  for (size_t i = 0; i < size; ++i) {
    weights[i] = std::exp((double{logits[i]} - max) / settings.temperature);
  }
  std::vector<size_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  size_t kept =
      settings.top_k > 0 ? std::min<size_t>(size, static_cast<size_t>(settings.top_k)) : size;
  double whole = 0;
  for (size_t i = 0; i < kept; ++i) whole += weights[order[i]];
  double sum = 0;
  size_t end = 0;
  while (end < kept && (end == 0 || sum < settings.top_p * whole)) sum += weights[order[end++]];
  std::vector<double> distribution(size, 0.0);
  for (size_t i = 0; i < end; ++i) distribution[order[i]] = weights[order[i]] / sum;
  return distribution;
}

class SamplerDistribution : public ::testing::TestWithParam<data::SamplingSettings> {};

// Pearson's statistic of 60,000 draws against the exact distribution: above mean + 5 standard
// deviations a correct sampler comes about once in 100,000 seeds, and the seed is fixed.
TEST_P(SamplerDistribution, MatchesTheDefinition) {
  const data::SamplingSettings settings = GetParam();
  const std::vector<float> logits = random_logits(100, 5);
  const std::vector<double> expected = exact_distribution(logits, settings);
  constexpr int kDraws = 60000;
  ThreadPool pool(2);
  Sampler sampler(100, 100, pool);
  std::vector<Draw> draws;
  for (int i = 0; i < kDraws; ++i) {
    draws.push_back(
        {logits.data(), &settings, rollout_uniform(3, stable_hash64("p"), i / 100, i % 100)});
  }
  std::vector<SampledToken> tokens(draws.size());
  sampler.sample(draws, tokens);
  std::vector<int> counts(100, 0);
  for (const SampledToken& token : tokens) ++counts[static_cast<size_t>(token.id)];

  double statistic = 0, rare_expected = 0, rare_count = 0;
  int cells = 0;
  for (size_t i = 0; i < 100; ++i) {
    if (expected[i] == 0) {
      EXPECT_EQ(counts[i], 0) << "token " << i << " is outside of the kept set";
    } else if (expected[i] * kDraws < 10) {  // too rare for a cell of its own
      rare_expected += expected[i] * kDraws;
      rare_count += counts[i];
    } else {
      statistic += std::pow(counts[i] - expected[i] * kDraws, 2) / (expected[i] * kDraws);
      ++cells;
    }
  }
  if (rare_expected > 5) {
    statistic += std::pow(rare_count - rare_expected, 2) / rare_expected;
    ++cells;
  }
  const double freedom = cells - 1;
  EXPECT_LE(statistic, freedom + 5 * std::sqrt(2 * freedom)) << freedom << " degrees of freedom";
}

INSTANTIATE_TEST_SUITE_P(Settings, SamplerDistribution,
                         ::testing::Values(data::SamplingSettings{1.0, 1.0, 0, 1},
                                           data::SamplingSettings{0.7, 1.0, 0, 1},
                                           data::SamplingSettings{1.5, 1.0, 0, 1},
                                           data::SamplingSettings{1.0, 0.9, 0, 1},
                                           data::SamplingSettings{0.8, 0.5, 0, 1},
                                           data::SamplingSettings{1.0, 1.0, 7, 1},
                                           data::SamplingSettings{1.2, 0.8, 20, 1}));

TEST(Sampler, GreedyTakesTheLowestIdAmongEquals) {
  EXPECT_EQ(draw({1, 3, 2, 3}, {.temperature = 0}, 0.99).id, 1);
  EXPECT_EQ(draw({-0.0f, 0.0f, -1}, {.temperature = 0}, 0).id, 0);
  EXPECT_EQ(draw({1, 3, 2, 3}, {.temperature = 1, .top_k = 1}, 0.99).id, 1);
}

TEST(Sampler, TiesAreKeptByAscendingId) {
  const std::vector<float> equal(10, 1.5f);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(draw(equal, {.top_k = 4}, i / 100.0).id, i / 25);
    EXPECT_EQ(draw(equal, {.top_p = 0.2}, i / 100.0).id, i / 50);
  }
  EXPECT_LE(draw({0.0f, -0.0f, 0.0f}, {.top_k = 2}, 0.999).id, 1);
}

TEST(Sampler, NucleusHoldsAtLeastOneAndTopKMayExceedTheVocabulary) {
  const std::vector<float> logits = random_logits(50, 9);
  const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
  EXPECT_EQ(draw(logits, {.top_p = 1e-9}, 0.999).id, best);
  for (const double u : {0.0, 0.3, 0.7, 0.999999}) {
    EXPECT_EQ(draw(logits, {.top_k = 500}, u).id, draw(logits, {.top_k = 0}, u).id);
  }
}

TEST(Sampler, InverseTransformWalksAscendingIds) {
  const std::vector<float> logits = random_logits(1000, 4);
  const std::vector<double> p = exact_distribution(logits, {.temperature = 1.0});
  double before = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    EXPECT_EQ(draw(logits, {}, before + p[i] / 2).id, static_cast<int32_t>(i));
    before += p[i];
  }
}

// The definition word by word, sorting everything.
int32_t plain_draw(const std::vector<float>& logits, const data::SamplingSettings& settings,
                   double u) {
  const auto size = static_cast<int64_t>(logits.size());
  std::vector<float> weights(logits.size());
  ops::exp_shifted(weights.data(), logits.data(), size, ops::max_value(logits.data(), size),
                   static_cast<float>(1 / settings.temperature));
  const auto weight = [&](int64_t id) {
    return static_cast<uint64_t>(weights[static_cast<size_t>(id)] * 0x1p40f);
  };
  std::vector<int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  if (settings.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(settings.top_k)));
  uint64_t whole = 0, sum = 0;
  for (const int64_t id : order) whole += weight(id);
  size_t end = 0;
  while (end == 0 || (end < order.size() &&
                      static_cast<double>(sum) < settings.top_p * static_cast<double>(whole))) {
    sum += weight(order[end++]);
  }
  order.resize(end);
  std::sort(order.begin(), order.end());
  const auto target =
      static_cast<uint64_t>((static_cast<unsigned __int128>(u * 0x1p53) * sum) >> 53);
  uint64_t before = 0;
  for (const int64_t id : order) {
    before += weight(id);
    if (before > target) return static_cast<int32_t>(id);
  }
  return -1;
}

TEST(Sampler, FastSelectionEqualsThePlainOne) {
  RandomSequence random(2, 3);
  for (int round = 0; round < 3000; ++round) {
    const double scale = std::pow(10.0, 2.5 * random.uniform() - 1);
    std::vector<float> logits =
        random_logits(1 + static_cast<int64_t>(random.below(600)), random.below(1000), scale);
    if (round % 3 == 0) {  // ties
      for (float& logit : logits) logit = std::round(logit);
    }
    data::SamplingSettings settings;
    settings.temperature = 0.2 + 2 * random.uniform();
    if (round % 2 == 0) settings.top_p = std::pow(random.uniform(), 0.3);
    if (round % 5 < 2) settings.top_k = 2 + static_cast<int>(random.below(300));
    const double u = random.uniform();
    ASSERT_EQ(draw(logits, settings, u).id, plain_draw(logits, settings, u))
        << "V " << logits.size() << " scale " << scale << " T " << settings.temperature << " top_p "
        << settings.top_p << " top_k " << settings.top_k;
  }
}

TEST(Sampler, NeverDrawsWhatHasNoWeight) {
  const float out = -std::numeric_limits<float>::infinity();
  std::vector<float> logits(80, out);
  logits[40] = 1;
  logits[41] = 1;
  for (const double u : {0.0, 0.25, 0.499}) EXPECT_EQ(draw(logits, {}, u).id, 40);
  for (const double u : {0.5, 0.75, 1.0 - 0x1p-53}) EXPECT_EQ(draw(logits, {}, u).id, 41);
  EXPECT_EQ(draw(logits, {.top_p = 0.999}, 1.0 - 0x1p-53).id, 41);
  EXPECT_EQ(draw(logits, {.temperature = 1e-4}, 1.0 - 0x1p-53).id, 41);
}

TEST(Sampler, IdsTheTokenizerLacksAreNeverDrawnButCount) {
  std::vector<float> logits(20, 0.0f);
  logits[15] = 30;
  EXPECT_LT(draw(logits, {.temperature = 0}, 0, 10).id, 10);
  EXPECT_LT(draw(logits, {}, 0.99999, 10).id, 10);
  EXPECT_LT(draw(logits, {.top_p = 0.9}, 0.99999, 10).id, 10);
  EXPECT_FLOAT_EQ(draw(logits, {.temperature = 0}, 0, 10).logprob, -30.0f);
}

TEST(Sampler, LogprobIsOfTheModelItself) {
  const std::vector<float> logits = random_logits(333, 8);
  for (const data::SamplingSettings& settings :
       {data::SamplingSettings{0, 1, 0, 1}, data::SamplingSettings{0.3, 1, 0, 1},
        data::SamplingSettings{2, 0.5, 9, 1}}) {
    const SampledToken token = draw(logits, settings, 0.6);
    EXPECT_EQ(token.logprob,
              logits[static_cast<size_t>(token.id)] - ops::log_sum_exp(logits.data(), 333));
  }
}

TEST(Sampler, ThreadsAndNeighboursChangeNothing) {
  const data::SamplingSettings settings{0.9, 0.95, 50, 1};
  constexpr size_t kRows = 65;
  std::vector<std::vector<float>> rows;
  std::vector<Draw> draws;
  for (size_t i = 0; i < kRows; ++i) rows.push_back(random_logits(700, i));
  for (size_t i = 0; i < kRows; ++i) {
    draws.push_back({rows[i].data(), &settings, rollout_uniform(1, 2, static_cast<int>(i), 0)});
  }
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    Sampler sampler(700, 700, pool);
    std::vector<SampledToken> tokens(kRows);
    sampler.sample(draws, tokens);
    for (size_t i = 0; i < kRows; ++i) {
      EXPECT_EQ(tokens[i].id, draw(rows[i], settings, draws[i].uniform).id);
    }
  }
}

TEST(Sampler, BrokenLogitsAreAnError) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const size_t place : {size_t{0}, size_t{17}, size_t{39}}) {
    for (const float bad : {nan, infinity}) {
      for (const double temperature : {0.0, 1.0}) {
        std::vector<float> logits(40, 0.5f);
        logits[place] = bad;
        EXPECT_THROW(draw(logits, {.temperature = temperature}, 0.5), Error) << place << " " << bad;
      }
    }
  }
  EXPECT_THROW(draw(std::vector<float>(40, -infinity), {}, 0.5), Error);
}

TEST(Sampler, SettingsOutOfRangeAreNamed) {
  const auto message = [](const data::SamplingSettings& settings) {
    try {
      check_sampling(settings, "here");
    } catch (const Error& error) {
      return error.problem();
    }
    return std::string("accepted");
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double t : {-1.0, 1e-9, 1e9, nan}) {
    EXPECT_NE(message({.temperature = t}).find("temperature"), std::string::npos) << t;
  }
  for (const double p : {0.0, -0.5, 1.5, nan}) {
    EXPECT_NE(message({.top_p = p}).find("top_p"), std::string::npos) << p;
  }
  EXPECT_NE(message({.top_k = -1}).find("top_k"), std::string::npos);
  EXPECT_NE(message({.max_tokens = 0}).find("max_tokens"), std::string::npos);
  EXPECT_EQ(message({}), "accepted");
}

// Stored rollouts depend on these numbers.
TEST(Sampler, UniformsAreFixedForEver) {
  EXPECT_EQ(rollout_uniform(1, 2, 3, 4), Random(1, 2).uniform((uint64_t{3} << 32) | 4));
  EXPECT_NE(rollout_uniform(1, 2, 3, 4), rollout_uniform(1, 2, 4, 3));
  EXPECT_NE(rollout_uniform(1, 2, 3, 4), rollout_uniform(2, 2, 3, 4));
}

}  // namespace
}  // namespace ponder::generate
