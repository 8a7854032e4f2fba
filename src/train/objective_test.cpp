#include "train/objective.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace ponder::train {
namespace {

// A power of two, and log-probabilities that are multiples of it: then logprob +- step is exact in
// float, and finite differences see nothing but the double arithmetic of the objective.
constexpr float kStep = 0x1p-10f;

std::vector<float> example_logprobs(int count, int salt) {
  std::vector<float> logprobs;
  for (int i = 0; i < count; ++i)
    logprobs.push_back(-kStep * static_cast<float>((i * 977 + salt * 131) % 3000));
  return logprobs;
}

template <class Loss>
void expect_gradient(std::vector<float> at, const std::vector<float>& gradient, const Loss& loss) {
  for (size_t i = 0; i < at.size(); ++i) {
    const float middle = at[i];
    at[i] = middle + kStep;
    const double above = loss(at);
    at[i] = middle - kStep;
    const double below = loss(at);
    at[i] = middle;
    EXPECT_NEAR(gradient[i], (above - below) / (2.0 * kStep), 1e-7) << "token " << i;
  }
}

TEST(LogSigmoid, IsSafeAndRightEverywhere) {
  EXPECT_DOUBLE_EQ(log_sigmoid(0.0), -std::numbers::ln2);
  EXPECT_DOUBLE_EQ(log_sigmoid(-1e6), -1e6);
  EXPECT_EQ(log_sigmoid(1e6), 0.0);
  EXPECT_NEAR(log_sigmoid(40.0), -std::exp(-40.0), 1e-30);  // log(1 / (1 + e)) would say 0
  for (double z = -30; z <= 30; z += 0.37) {
    EXPECT_NEAR(log_sigmoid(z), std::log(1.0 / (1.0 + std::exp(-z))), 1e-12) << z;
    EXPECT_NEAR(sigmoid(z), 1.0 / (1.0 + std::exp(-z)), 1e-15) << z;
  }
  EXPECT_EQ(sigmoid(-1e4), 0.0);
  EXPECT_EQ(sigmoid(1e4), 1.0);
}

TEST(SftObjective, LossAndGradient) {
  const auto logprobs = example_logprobs(7, 1);
  std::vector<float> gradient(7, 99.0f);
  double sum = 0;
  for (const float l : logprobs) sum += l;
  EXPECT_DOUBLE_EQ(sft_objective(logprobs, 20, gradient), -sum / 20);
  expect_gradient(logprobs, gradient, [](const std::vector<float>& at) {
    std::vector<float> unused(at.size());
    return sft_objective(at, 20, unused);
  });
}

struct Example {
  std::vector<float> chosen = example_logprobs(6, 2), rejected = example_logprobs(9, 3);
  std::vector<uint8_t> chosen_aligned{0, 1, 1, 1, 0, 0},
      rejected_aligned{1, 1, 0, 1, 1, 1, 1, 0, 1};
  double chosen_reference = -3.25, rejected_reference = -7.5;

  DpoTerms terms(const DpoOptions& options, std::vector<float>& dchosen,
                 std::vector<float>& drejected, StepWeight step = 4) const {
    dchosen.assign(chosen.size(), 99.0f);
    drejected.assign(rejected.size(), 99.0f);
    return dpo_objective(options, {chosen, chosen_aligned, chosen_reference},
                         {rejected, rejected_aligned, rejected_reference}, step, dchosen,
                         drejected);
  }
};

TEST(DpoObjective, GradientEqualsFiniteDifferences) {
  for (const double beta : {0.1, 1.0}) {
    for (const double sft_weight : {0.0, 0.3}) {
      const DpoOptions options{beta, sft_weight};
      Example example;
      std::vector<float> dchosen, drejected, unused1, unused2;
      example.terms(options, dchosen, drejected);
      expect_gradient(example.chosen, dchosen, [&](const std::vector<float>& at) {
        Example moved = example;
        moved.chosen = at;
        return moved.terms(options, unused1, unused2).loss;
      });
      expect_gradient(example.rejected, drejected, [&](const std::vector<float>& at) {
        Example moved = example;
        moved.rejected = at;
        return moved.terms(options, unused1, unused2).loss;
      });
      EXPECT_EQ(drejected[2], 0.0f);  // not aligned
      EXPECT_EQ(dchosen[0] == 0.0f, sft_weight == 0.0);
    }
  }
}

// Of a step of 4 pairs whose chosen responses have 31 tokens.
TEST(DpoObjective, GradientsOfItsVariantsEqualFiniteDifferences) {
  for (const bool length_normalised : {false, true}) {
    for (const SftTerm term : {SftTerm::kPair, SftTerm::kToken}) {
      for (const double sft_weight : {0.0, 0.3, 1.0}) {
        const DpoOptions options{0.7, sft_weight, term, length_normalised};
        const Example example;
        std::vector<float> dchosen, drejected, unused1, unused2;
        example.terms(options, dchosen, drejected, {4, 31});
        expect_gradient(example.chosen, dchosen, [&](const std::vector<float>& at) {
          Example moved = example;
          moved.chosen = at;
          return moved.terms(options, unused1, unused2, {4, 31}).loss;
        });
        expect_gradient(example.rejected, drejected, [&](const std::vector<float>& at) {
          Example moved = example;
          moved.rejected = at;
          return moved.terms(options, unused1, unused2, {4, 31}).loss;
        });
      }
    }
  }
}

TEST(DpoObjective, VariantsAreWhatTheirFormulasSay) {
  const Example example;
  std::vector<float> a, b;
  const DpoTerms plain = example.terms({0.5, 0.2}, a, b, {4, 31});
  const DpoTerms normalised = example.terms({0.5, 0.2, SftTerm::kPair, true}, a, b, {4, 31});
  // 3 aligned tokens of the chosen, 7 of the rejected.
  EXPECT_DOUBLE_EQ(normalised.chosen_reward, plain.chosen_reward / 3);
  EXPECT_DOUBLE_EQ(normalised.rejected_reward, plain.rejected_reward / 7);
  EXPECT_DOUBLE_EQ(normalised.chosen_nll, plain.chosen_nll);
  const DpoTerms tokens = example.terms({0.5, 0.2, SftTerm::kToken}, a, b, {4, 31});
  EXPECT_DOUBLE_EQ(tokens.preference_loss, plain.preference_loss);
  EXPECT_DOUBLE_EQ(tokens.chosen_nll, plain.chosen_nll * 4 * 6 / 31);  // 6 tokens of its own
  EXPECT_DOUBLE_EQ(tokens.loss, tokens.preference_loss + 0.2 * tokens.chosen_nll);
  EXPECT_DOUBLE_EQ(plain.chosen_reward, 0.5 * (plain.chosen_logprob - -3.25 / 4));
  EXPECT_DOUBLE_EQ(plain.rejected_reward, 0.5 * (plain.rejected_logprob - -7.5 / 4));
}

TEST(DpoObjective, TermsSayWhatTheyAre) {
  Example example;
  std::vector<float> a, b;
  const DpoTerms terms = example.terms({0.5, 0.2}, a, b, 1);
  double chosen = 0, rejected = 0, all = 0;
  for (size_t i = 0; i < example.chosen.size(); ++i) {
    all += example.chosen[i];
    if (example.chosen_aligned[i]) chosen += example.chosen[i];
  }
  for (size_t i = 0; i < example.rejected.size(); ++i) {
    if (example.rejected_aligned[i]) rejected += example.rejected[i];
  }
  EXPECT_DOUBLE_EQ(terms.chosen_reward, 0.5 * (chosen + 3.25));
  EXPECT_DOUBLE_EQ(terms.rejected_reward, 0.5 * (rejected + 7.5));
  EXPECT_DOUBLE_EQ(terms.margin, terms.chosen_reward - terms.rejected_reward);
  EXPECT_DOUBLE_EQ(terms.preference_loss, std::log1p(std::exp(-terms.margin)));
  EXPECT_DOUBLE_EQ(terms.chosen_nll, -all / 6);
  EXPECT_DOUBLE_EQ(terms.loss, terms.preference_loss + 0.2 * terms.chosen_nll);
  EXPECT_EQ(terms.accuracy, terms.margin > 0 ? 1.0 : 0.0);
  const DpoTerms quarter = example.terms({0.5, 0.2}, a, b, 4);
  EXPECT_DOUBLE_EQ(quarter.loss, terms.loss / 4);
}

TEST(DpoObjective, IsLn2WhereThePolicyIsTheReference) {
  Example example;
  example.chosen_reference = aligned_sum(example.chosen, example.chosen_aligned);
  example.rejected_reference = aligned_sum(example.rejected, example.rejected_aligned);
  std::vector<float> a, b;
  const DpoTerms terms = example.terms({0.1, 0.0}, a, b, 1);
  EXPECT_DOUBLE_EQ(terms.loss, std::numbers::ln2);
  EXPECT_EQ(terms.margin, 0.0);
  EXPECT_EQ(terms.accuracy, 0.5);
}

TEST(DpoObjective, HugeMarginsStayFinite) {
  Example example;
  example.chosen_reference = 1e7;
  std::vector<float> dchosen, drejected;
  const DpoTerms terms = example.terms({0.1, 0.1}, dchosen, drejected, 1);
  EXPECT_NEAR(terms.preference_loss / 1e6, 1.0, 1e-3);
  EXPECT_NEAR(drejected[0], 0.1, 1e-6);  // beta, and no more
}

}  // namespace
}  // namespace ponder::train
