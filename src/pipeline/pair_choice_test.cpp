#include "pipeline/pair_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace ponder::pipeline {
namespace {

Candidate candidate(int64_t id, const std::string& problem, bool right, double perplexity) {
  Candidate c;
  c.id = id;
  c.problem_id = problem;
  c.sample = static_cast<int>(id % 10);
  c.verdict = right ? judge::Verdict::kCorrect : judge::Verdict::kIncorrect;
  c.well_formed = true;
  c.num_tokens = 10 * id;
  c.perplexity = perplexity;
  return c;
}

const std::vector<Candidate> kPool = {
    candidate(1, "a", true, 1.5),   candidate(2, "a", true, 1.2),   candidate(3, "a", false, 1.9),
    candidate(4, "a", false, 1.1),  candidate(5, "a", false, 1.3),  candidate(11, "b", true, 1.4),
    candidate(12, "b", false, 1.6), candidate(21, "c", false, 1.2),
};

using Ids = std::vector<std::pair<int64_t, int64_t>>;
Ids ids_of(const std::vector<Candidate>& pool, const PairOptions& options) {
  Ids ids;
  for (const PairChoice& pair : choose_pairs(pool, options).pairs)
    ids.emplace_back(pool[pair.chosen].id, pool[pair.rejected].id);
  return ids;
}

TEST(Pairs, EverySideRanksByItsOwnStrategy) {
  const auto of_a = [](const PairOptions& options) {
    Ids ids = ids_of(kPool, options);
    std::erase_if(ids, [](const auto& pair) { return pair.first > 10; });
    return ids;
  };
  EXPECT_EQ(of_a({}), (Ids{{1, 4}}));
  EXPECT_EQ(of_a({.chosen = Strategy::kLowestPerplexity}), (Ids{{2, 4}}));
  EXPECT_EQ(of_a({.rejected = Strategy::kHighestPerplexity}), (Ids{{1, 3}}));
  EXPECT_EQ(of_a({.chosen = Strategy::kLongest, .rejected = Strategy::kShortest}), (Ids{{2, 3}}));
}

TEST(Pairs, EveryResponseIsInOnePairBeforeAnyIsInTwo) {
  Ids ids = ids_of(kPool, {.per_problem = 3});
  std::erase_if(ids, [](const auto& pair) { return pair.first > 10; });
  EXPECT_EQ(ids, (Ids{{1, 4}, {2, 5}, {1, 3}}));  // 4, 5, 3 by perplexity; 1, 2 around
  const Ids all = ids_of(kPool, {.per_problem = 100});
  EXPECT_EQ(all.size(), 7u) << "2 x 3 of a, 1 of b, none of c";
  EXPECT_EQ(std::set(all.begin(), all.end()).size(), 7u) << "no pair comes twice";
  EXPECT_EQ(ids_of(kPool, {.per_problem = 3, .max_pairs = 2}).size(), 2u);
  std::set<int64_t> first;
  for (const auto& [right, wrong] : ids_of(kPool, {.per_problem = 3, .max_pairs = 2}))
    first.insert(right > 10);
  EXPECT_EQ(first.size(), 2u) << "the first of every problem before any second";
}

TEST(Pairs, UnfinishedOnesAreRejectedOnlyWhereAsked) {
  std::vector<Candidate> pool = {candidate(1, "a", true, 1.5), candidate(2, "a", false, 1.2)};
  pool[1].finish_reason = data::FinishReason::kLength;
  pool[1].well_formed = false;
  EXPECT_TRUE(ids_of(pool, {}).empty());
  EXPECT_EQ(choose_pairs(pool, {}).decisions[1].back().filter, "finished");
  EXPECT_EQ(ids_of(pool, {.unfinished_rejected = true}), (Ids{{1, 2}}));
  pool[1].finish_reason = data::FinishReason::kRepetition;
  EXPECT_EQ(ids_of(pool, {.unfinished_rejected = true}), (Ids{{1, 2}}));
  pool[0].finish_reason = data::FinishReason::kLength;  // never the chosen one
  EXPECT_TRUE(ids_of(pool, {.unfinished_rejected = true}).empty());
}

TEST(Pairs, EveryCandidateHasADecision) {
  const PairChoices choices = choose_pairs(kPool, {.max_pairs = 1});
  std::set<int64_t> kept;
  for (size_t i = 0; i < kPool.size(); ++i) {
    ASSERT_FALSE(choices.decisions[i].empty());
    for (size_t d = 0; d + 1 < choices.decisions[i].size(); ++d)
      EXPECT_TRUE(choices.decisions[i][d].kept) << "a decision after a rejection";
    if (choices.decisions[i].back().kept) kept.insert(kPool[i].id);
  }
  ASSERT_EQ(choices.pairs.size(), 1u);
  EXPECT_EQ(kept, (std::set<int64_t>{kPool[choices.pairs[0].chosen].id,
                                     kPool[choices.pairs[0].rejected].id}));
  EXPECT_EQ(choices.decisions[7].back().filter, "counterpart");
  EXPECT_EQ(choices.decisions[2].back().rank, 3);
}

TEST(Pairs, OrderOfCandidatesDoesNotMatter) {
  std::vector<Candidate> turned = kPool;
  std::reverse(turned.begin(), turned.end());
  for (const Strategy strategy : {Strategy::kRandom, Strategy::kLowestPerplexity}) {
    const PairOptions options{.chosen = strategy, .rejected = strategy, .per_problem = 4};
    EXPECT_EQ(ids_of(kPool, options), ids_of(turned, options));
  }
}

TEST(HeldOut, IsAShareOfTheProblemsAndNeverAllOrNone) {
  std::vector<std::string> ids;
  for (int i = 0; i < 200; ++i) ids.push_back("p" + std::to_string(i / 2));
  const auto tenth = held_out_problems(ids, 0.1, 1);
  EXPECT_EQ(tenth.size(), 10u);
  EXPECT_TRUE(std::is_sorted(tenth.begin(), tenth.end()));
  EXPECT_NE(tenth, held_out_problems(ids, 0.1, 2));
  std::reverse(ids.begin(), ids.end());
  EXPECT_EQ(tenth, held_out_problems(ids, 0.1, 1));
  EXPECT_EQ(held_out_problems({"a", "b"}, 0.1, 1).size(), 1u);
  EXPECT_EQ(held_out_problems({"a", "b"}, 0.9, 1).size(), 1u);
  EXPECT_TRUE(held_out_problems({"a", "a"}, 0.9, 1).empty());
  EXPECT_TRUE(held_out_problems(ids, 0, 1).empty());
}

}  // namespace
}  // namespace ponder::pipeline
