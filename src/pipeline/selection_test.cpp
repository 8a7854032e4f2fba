#include "pipeline/selection.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/philox.h"
#include "pipeline/pair_choice.h"

namespace ponder::pipeline {
namespace {

Candidate candidate(int64_t id, const std::string& problem, judge::Verdict verdict, int64_t tokens,
                    double perplexity) {
  Candidate c;
  c.id = id;
  c.problem_id = problem;
  c.sample = static_cast<int>(id % 10);
  c.verdict = verdict;
  c.well_formed = true;
  c.num_tokens = tokens;
  c.perplexity = perplexity;
  return c;
}

const std::vector<Candidate> kPool = {
    candidate(1, "a", judge::Verdict::kCorrect, 100, 1.5),
    candidate(2, "a", judge::Verdict::kCorrect, 200, 1.2),
    candidate(3, "a", judge::Verdict::kCorrect, 50, 1.9),
    candidate(4, "a", judge::Verdict::kIncorrect, 500, 1.1),
    candidate(5, "b", judge::Verdict::kIncorrect, 70, 1.3),
    candidate(6, "b", judge::Verdict::kCorrect, 80, 1.4),
    candidate(7, "b", judge::Verdict::kIncorrect, 90, 1.05),
    candidate(8, "c", judge::Verdict::kUndecided, 90, 1.05),
};

std::vector<int64_t> chosen(std::span<const Candidate> pool, const SelectionOptions& options) {
  const auto decisions = select(pool, options);
  std::vector<int64_t> ids;
  for (size_t i = 0; i < pool.size(); ++i) {
    if (selected(decisions[i])) ids.push_back(pool[i].id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

TEST(Selection, EveryStrategyPicksWhatItsNameSays) {
  using Ids = std::vector<int64_t>;
  EXPECT_EQ(chosen(kPool, {Strategy::kLongest, 1, 0, 1}), (Ids{2, 6}));
  EXPECT_EQ(chosen(kPool, {Strategy::kShortest, 1, 0, 1}), (Ids{3, 6}));
  EXPECT_EQ(chosen(kPool, {Strategy::kHighestPerplexity, 1, 0, 1}), (Ids{3, 6}));
  EXPECT_EQ(chosen(kPool, {Strategy::kLowestPerplexity, 1, 0, 1}), (Ids{2, 6}));
  EXPECT_EQ(chosen(kPool, {Strategy::kLongest, 2, 0, 1}), (Ids{1, 2, 6}));
  EXPECT_EQ(chosen(kPool, {Strategy::kRandom, 9, 0, 1}), (Ids{1, 2, 3, 6}));
}

TEST(Selection, RulesComeFirstAndEveryDecisionIsKept) {
  std::vector<Candidate> pool = kPool;
  pool[1].well_formed = false;
  pool[0].finish_reason = data::FinishReason::kLength;
  EXPECT_EQ(chosen(pool, {Strategy::kLongest, 1, 0, 1}), (std::vector<int64_t>{3, 6}));
  const auto decisions = select(pool, {Strategy::kLongest, 1, 0, 1});
  EXPECT_EQ(decisions[0].back().filter, "finished");
  EXPECT_EQ(decisions[1].back().filter, "well_formed");
  EXPECT_EQ(decisions[3].back().filter, "correct");
  EXPECT_EQ(decisions[7].back().detail, "undecided");
  for (const auto& d : decisions) {
    ASSERT_FALSE(d.empty());
    for (size_t i = 0; i + 1 < d.size(); ++i)
      EXPECT_TRUE(d[i].kept) << "a decision after a rejection";
  }
}

TEST(Selection, MaxRowsTakesTheBestOfEachProblemBeforeAnySecond) {
  EXPECT_EQ(chosen(kPool, {Strategy::kLongest, 3, 2, 1}), (std::vector<int64_t>{2, 6}));
  EXPECT_EQ(chosen(kPool, {Strategy::kLongest, 3, 3, 1}).size(), 3u);
}

TEST(Selection, OrderOfCandidatesDoesNotMatter) {
  RandomSequence random(1, 2);
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::vector<Candidate> shuffled = kPool;
    random.shuffle(shuffled);
    for (const Strategy strategy :
         {Strategy::kLongest, Strategy::kRandom, Strategy::kHighestPerplexity}) {
      const SelectionOptions options{strategy, 2, 2, 5};
      EXPECT_EQ(chosen(kPool, options), chosen(shuffled, options));
    }
  }
}

TEST(Selection, PairsAreConfidentMistakesAgainstUnsureSuccesses) {
  const auto pairs = choose_pairs(kPool, {}).pairs;
  ASSERT_EQ(pairs.size(), 2u);
  for (const PairChoice& pair : pairs) {
    const bool a = kPool[pair.chosen].problem_id == "a";
    EXPECT_EQ(kPool[pair.chosen].id, a ? 3 : 6);
    EXPECT_EQ(kPool[pair.rejected].id, a ? 4 : 7);
  }
  EXPECT_EQ(choose_pairs(kPool, {.max_pairs = 1}).pairs.size(), 1u);
}

// The sampler draws token p of sample s of a problem by the problem's own hash; a selection by the
// same stream would prefer rollouts by the number that drew their tokens.
TEST(Selection, RandomDoesNotShareTheSamplersNumbers) {
  std::vector<Candidate> candidates;
  for (int sample = 0; sample < 8; ++sample) {
    Candidate c = kPool[2];
    c.id = 100 + sample;
    c.sample = sample;
    candidates.push_back(c);
  }
  int same = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const Random sampler(seed, stable_hash64(candidates[0].problem_id));
    uint64_t lowest = 0;
    for (uint64_t s = 1; s < 8; ++s) {
      if (sampler.uniform(s) < sampler.uniform(lowest)) lowest = s;
    }
    same += chosen(candidates, {Strategy::kRandom, 1, 0, seed}).at(0) ==
            100 + static_cast<int64_t>(lowest);
  }
  EXPECT_LT(same, 15);  // 5 of 40 by chance
}

TEST(Selection, AgreementAsksForRightOnesOfTheProblem) {
  SelectionOptions options{Strategy::kLongest, 9, 0, 1};
  options.agreement = 2;
  EXPECT_EQ(chosen(kPool, options), (std::vector<int64_t>{1, 2, 3}));  // b has one
  EXPECT_EQ(dropped_by(select(kPool, options)).at("agreement"), 1);
  options.agreement = 4;
  EXPECT_TRUE(chosen(kPool, options).empty());
  EXPECT_EQ(dropped_text(dropped_by(select(kPool, options))), "agreement 4, correct 4");
}

TEST(Selection, BandsAreOfQuantilesAndCountTogether) {
  std::vector<Candidate> pool;
  for (int i = 0; i < 11; ++i) {  // lengths up, perplexities down
    pool.push_back(
        candidate(i, "p" + std::to_string(i), judge::Verdict::kCorrect, 10 + i, 3 - 0.1 * i));
  }
  pool.push_back(candidate(99, "wrong", judge::Verdict::kIncorrect, 9999, 1));  // in no quantile
  SelectionOptions options{Strategy::kLongest, 1, 0, 1};
  options.length_band = {0.2, 0.8};
  EXPECT_EQ(chosen(pool, options), (std::vector<int64_t>{2, 3, 4, 5, 6, 7, 8}));
  options.perplexity_band = {0, 0.5};  // the lower half: 5 to 10
  EXPECT_EQ(chosen(pool, options), (std::vector<int64_t>{5, 6, 7, 8}));
  const auto dropped = dropped_by(select(pool, options));
  EXPECT_EQ(dropped.at("length_band"), 4);
  EXPECT_EQ(dropped.at("perplexity_band"), 3) << "of quantiles of all, not of what the other left";
}

TEST(Selection, DomainsHaveTheirShare) {
  std::vector<Candidate> pool = kPool;
  for (Candidate& c : pool) c.domain = c.problem_id == "a" ? "math" : "science";
  SelectionOptions options{Strategy::kLongest, 3, 0, 1};
  options.per_domain = 2;
  EXPECT_EQ(chosen(pool, options), (std::vector<int64_t>{1, 2, 6})) << "the best of a";
  options.per_domain = 1;
  EXPECT_EQ(chosen(pool, options), (std::vector<int64_t>{2, 6}));
  EXPECT_EQ(dropped_by(select(pool, options)).at("per_domain"), 2);
}

TEST(Selection, TrueThoughtsAreCountedAndHaveNoSay) {
  std::vector<Candidate> pool = kPool;
  pool[0].true_thought = true;
  pool[1].true_thought = false;
  pool[5].true_thought = true;
  pool[3].true_thought = true;  // of a wrong one
  const SelectionOptions options{Strategy::kLongest, 1, 0, 1};
  EXPECT_EQ(chosen(pool, options), chosen(kPool, options));
  EXPECT_EQ(true_thoughts_of_right(pool).checked, 3);
  EXPECT_EQ(true_thoughts_of_right(pool).is_true, 2);
  EXPECT_EQ(true_thoughts_of_selected(pool, select(pool, options)).checked, 2);
  EXPECT_EQ(true_thoughts_of_selected(pool, select(pool, options)).is_true, 1);
}

TEST(Selection, NamesRoundTrip) {
  for (const char* name :
       {"longest", "shortest", "highest-perplexity", "lowest-perplexity", "random"}) {
    ASSERT_TRUE(strategy_from_string(name));
    EXPECT_EQ(to_string(*strategy_from_string(name)), name);
    EXPECT_NE(strategy_names().find(name), std::string::npos);
  }
  EXPECT_FALSE(strategy_from_string("best"));
}

}  // namespace
}  // namespace ponder::pipeline
