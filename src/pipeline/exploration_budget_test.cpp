#include "pipeline/exploration_budget.h"

#include <map>

#include "base/philox.h"
#include "pipeline/run_fixture.h"
#include "pool/stage_result.h"
#include "testing/error_text.h"

namespace ponder::pipeline {
namespace {

ProblemTally tally(int64_t samples, int64_t right, int64_t wrong, int64_t tokens = -1) {
  return {samples, right, wrong, tokens < 0 ? 100 * samples : tokens, 100};
}

std::vector<size_t> wave(const std::vector<ProblemTally>& problems, BudgetRule rule) {
  rule.max_samples = 12;
  return next_wave(problems, rule);
}

TEST(Budget, GoesWhereAMissingSampleIsLikeliest) {
  // Never tried, one failure, six failures, right once, both, enough of both, only right ones.
  const std::vector<ProblemTally> problems = {tally(0, 0, 0), tally(1, 0, 1), tally(6, 0, 6),
                                              tally(4, 1, 3), tally(2, 1, 1), tally(4, 2, 2),
                                              tally(3, 3, 0)};
  const std::vector<size_t> order = wave(problems, {.wave = 100});
  ASSERT_EQ(order.size(), 6u) << "one has enough";
  EXPECT_EQ(order[0], 0u) << "whatever comes is missing there";
  const auto place = [&](size_t problem) {
    return std::find(order.begin(), order.end(), problem) - order.begin();
  };
  EXPECT_LT(place(1), place(2)) << "six failures say more than one";
  EXPECT_LT(place(4), place(2)) << "between 0 and 1 first";
  EXPECT_EQ(place(5), 6);
}

TEST(Budget, ShortProblemsComeBeforeLongOnes) {
  std::vector<ProblemTally> problems = {tally(1, 0, 1, 900), tally(1, 0, 1, 30)};
  EXPECT_EQ(wave(problems, {.wave = 1}), (std::vector<size_t>{1}));
  problems = {{0, 0, 0, 0, 500}, {0, 0, 0, 0, 50}, {0, 0, 0, 0, 0}};
  EXPECT_EQ(wave(problems, {.wave = 3}), (std::vector<size_t>{1, 2, 0})) << "unknown: the mean";
}

TEST(Budget, EndsWithTheBudget) {
  const std::vector<ProblemTally> problems(10, tally(3, 1, 1));  // 30 samples, 3,000 tokens
  EXPECT_EQ(wave(problems, {.budget_samples = 30}).size(), 0u);
  EXPECT_EQ(wave(problems, {.budget_samples = 34}).size(), 4u);
  EXPECT_EQ(wave(problems, {.budget_tokens = 3000}).size(), 0u);
  EXPECT_EQ(wave(problems, {.budget_tokens = 3450}).size(), 4u) << "100 tokens each";
  EXPECT_EQ(wave(problems, {.budget_tokens = 3001}).size(), 0u);
  EXPECT_EQ(wave({{0, 0, 0, 0, 100}}, {.budget_tokens = 50}).size(), 1u) << "the first is made";
  EXPECT_EQ(wave(problems, {.wave = 7}).size(), 7u);
  BudgetRule rule;
  rule.max_samples = 3;
  EXPECT_TRUE(next_wave(problems, rule).empty());
  EXPECT_TRUE(next_wave({}, {}).empty());
}

// Problems of known pass rates: how many are solved and have a pair after the same tokens.
TEST(Budget, FindsMoreForItsTokensThanTheFlatRule) {
  constexpr int64_t kProblems = 300, kMost = 12;
  const auto is_right = [](size_t p, int64_t sample) {
    const double rate = p % 2 == 0 ? 0.0 : 0.05 + 0.6 * static_cast<double>(p % 17) / 17;
    return Random(3, p).uniform(static_cast<uint64_t>(sample)) < rate;
  };
  const auto pairs_of = [](const std::vector<ProblemTally>& all) {
    return std::count_if(all.begin(), all.end(),
                         [](const auto& p) { return p.right > 0 && p.wrong > 0; });
  };
  const auto sample = [&](ProblemTally& p, size_t index) {
    const bool right = is_right(index, p.samples++);
    p.right += right;
    p.wrong += !right;
    p.tokens += 100;
  };
  std::vector<ProblemTally> flat(kProblems), budgeted(kProblems);
  int64_t samples = 0;
  for (size_t i = 0; i < flat.size(); ++i) {
    while (flat[i].samples < kMost && (flat[i].right < 2 || flat[i].wrong < 2)) {
      sample(flat[i], i);
      ++samples;
    }
  }
  BudgetRule rule;
  rule.max_samples = kMost;
  rule.budget_samples = samples / 2;
  for (std::vector<size_t> next; !(next = next_wave(budgeted, rule)).empty();)
    for (const size_t i : next) sample(budgeted[i], i);
  EXPECT_GT(2.0 * static_cast<double>(pairs_of(budgeted)),
            1.3 * static_cast<double>(pairs_of(flat)));
}

class BudgetRun : public RunTest {
 protected:
  using Rows = std::map<std::pair<std::string, int>, std::vector<int32_t>>;
  Rows rows(const std::string& out, const std::string& stage = "explore-1") const {
    Rows rows;
    pool(out).for_each_rollout({.stage = stage}, [&](const pool::StoredRollout& s) {
      rows[{s.rollout.problem_id, s.rollout.sample}] = *s.rollout.completion.token_ids;
      EXPECT_TRUE(s.rollout.verdict);
      max_tokens_ = s.rollout.sampling.max_tokens;
    });
    return rows;
  }
  Recipe with(const std::string& budget, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> set = {"explore.samples=6", "explore.hard_only=false", budget};
    set.insert(set.end(), more.begin(), more.end());
    return recipe(set);
  }
  mutable int max_tokens_ = 0;
};

TEST_F(BudgetRun, IsTheSameWhateverTheBatchAndContinuesWithMore) {
  run(with("explore.budget_samples=9", {"explore.budget_wave=4"}), "explore-1", nullptr, "nine");
  EXPECT_EQ(rows("nine").size(), 9u);
  EXPECT_EQ(pool::result_of<pool::RolloutResult>(*pool("nine").stage("explore-1"))->waves, 3);
  run(with("explore.budget_samples=9", {"explore.budget_wave=4", "engine.max_batch=1"}),
      "explore-1", nullptr, "narrow");
  EXPECT_EQ(rows("nine"), rows("narrow"));
  // More budget: the same and more; less: the first of them again.
  run(with("explore.budget_samples=20", {"explore.budget_wave=4"}), "explore-1", nullptr, "twenty");
  EXPECT_EQ(rows("twenty").size(), 20u);
  for (const auto& [key, tokens] : rows("nine")) EXPECT_EQ(rows("twenty").at(key), tokens);
  const auto redo = [&](const std::string& budget, const std::string& out) {
    const Recipe r = with(budget, {"explore.budget_wave=4"});
    PipelineRun again(r, read_sources(r), folder_ / out, threads_, monitor_, &stop_,
                      Changes::kRedone);
    again.execute("explore-1", [](const pool::StageRecord&) {});
  };
  redo("explore.budget_samples=20", "nine");
  EXPECT_EQ(rows("nine"), rows("twenty"));
  redo("explore.budget_samples=9", "nine");
  EXPECT_EQ(rows("nine"), rows("narrow"));
  run(with("explore.budget_tokens=40"), "explore-1", nullptr, "tokens");  // six tokens each
  EXPECT_EQ(rows("tokens").size(), 6u);
  run(with("explore.budget_hours=0.0001"), "explore-1", nullptr, "hours");
  EXPECT_LE(rows("hours").size(), 36u);
}

// Cut off by the limit, a rollout goes on when more is allowed, and ends as it would have.
TEST_F(BudgetRun, WhatWasCutOffGoesOnWithMoreTokens) {
  const Recipe few = recipe({"explore.hard_only=false"}),
               more = recipe({"explore.hard_only=false", "explore.max_tokens=17"});
  run(few, "explore-1", nullptr, "out");
  run(more, "explore-1", nullptr, "fresh");
  const Rows cut = rows("out");
  const auto redo = [&](const Recipe& r) {
    PipelineRun again(r, read_sources(r), folder_ / "out", threads_, monitor_, &stop_,
                      Changes::kRedone);
    again.execute("explore-1", [](const pool::StageRecord&) {});
  };
  redo(more);
  EXPECT_EQ(rows("out"), rows("fresh"));
  EXPECT_EQ(max_tokens_, 17);
  for (const auto& [key, tokens] : cut) {
    const std::vector<int32_t> longer = rows("fresh").at(key);
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), longer.begin()));
  }
  EXPECT_TRUE(pool().partials("explore-1").empty());
  redo(few);
  EXPECT_EQ(rows("out"), cut);
  EXPECT_EQ(max_tokens_, 6);
}

TEST_F(BudgetRun, MistakesAreNamed) {
  const auto error = [&](const std::string& set) {
    return testing::error_text([&] { recipe({set}); });
  };
  EXPECT_NE(
      error("explore.budget_tokens=5").find("what one sample may take (explore.max_tokens = 6)"),
      std::string::npos)
      << error("explore.budget_tokens=5");
  EXPECT_NE(error("explore.budget_samples=0").find("expected an integer from 1"),
            std::string::npos);
  EXPECT_NE(error("explore.budget_hours=0").find("explore.budget_hours"), std::string::npos);
  EXPECT_NE(error("explore.budget=3").find("unknown key"), std::string::npos);
  EXPECT_NE(error("explore.enough_of=all").find("judged, usable"), std::string::npos);
}

// Unfinished rollouts are wrong, but nobody can use them.
TEST_F(BudgetRun, OnlyUsableOnesAreEnoughWhereAsked) {
  const std::vector<std::string> base = {"explore.samples=5", "explore.hard_only=false",
                                         "explore.enough_correct=0", "explore.enough_incorrect=1"};
  run(recipe(base), "explore-1", nullptr, "judged");
  EXPECT_EQ(rows("judged").size(), 6u) << "one each";
  std::vector<std::string> usable = base;
  usable.push_back("explore.enough_of=usable");
  run(recipe(usable), "explore-1", nullptr, "usable");
  EXPECT_EQ(rows("usable").size(), 30u);
}

}  // namespace
}  // namespace ponder::pipeline
