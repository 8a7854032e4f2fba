#include "report/study_table.h"

#include <list>

#include "base/error.h"
#include "report/run_fixture.h"

namespace ponder::report {
namespace {

class StudyTableTest : public ReportTest {
 protected:
  // A run whose M1 has so many right of 500; below 0: its imitation failed.
  StudyRun run(uint64_t seed, int m1) {
    pool::Pool& pool = pools_.emplace_back(open(std::to_string(pools_.size()) + ".db"));
    pool.add_model({"sha-M0", "M0", "", "", "base"});
    if (m1 >= 0) {
      train(pool, pool::stage_kind::kImitate, "imitate", "M1", "imitation, 300 demonstrations");
      add_test_score(pool, "M1", "hard", 500, m1);
      pool.finish_stage("evaluate-M1", pool::StageState::kDone, 30, 1, Json::object());
    } else {
      begin(pool, pool::stage_kind::kImitate, "imitate");
      pool.finish_stage("imitate", pool::StageState::kFailed, 1, 0,
                        pool::failure("the disk is full"));
    }
    return {seed, &pool};
  }

  StudyVariantRuns variant(const std::string& name, const std::vector<int>& rights) {
    StudyVariantRuns runs{name, {}, {}};
    for (size_t i = 0; i < rights.size(); ++i) runs.runs.push_back(run(i + 1, rights[i]));
    return runs;
  }

  static pool::Pool* pool_of(const StudyRun& run) { return const_cast<pool::Pool*>(run.pool); }

  static StudyQuestion question(StudyQuestion::Expected expected, double within = 0) {
    return {"hard problems matter", "without", "all", "hard", expected, within};
  }

 private:
  std::list<pool::Pool> pools_;
};

using Expected = StudyQuestion::Expected;
using Verdict = StudyTable::Verdict;

TEST_F(StudyTableTest, AFindingIsJudgedByItsInterval) {
  const std::vector<StudyVariantRuns> apart = {variant("all", {200, 190, 210}),
                                               variant("without", {50, 45, 52})};
  const StudyTable lower = study_table(apart, {question(Expected::kLower)}, "");
  ASSERT_EQ(lower.answers.size(), 1u);
  EXPECT_EQ(lower.answers[0].verdict, Verdict::kAgrees) << lower.answers[0].sentence;
  EXPECT_NEAR(lower.answers[0].difference->mean, (147.0 - 600) / 1500, 1e-12);
  EXPECT_EQ(lower.rows.size(), 2u);
  EXPECT_EQ(lower.rows[0].seeds, (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_NEAR(lower.rows[0].cells[0].mean->mean, 0.4, 1e-12);
  EXPECT_NEAR(lower.rows[0].finished.value(), 0.992, 1e-12);
  EXPECT_EQ(study_table(apart, {question(Expected::kHigher)}, "").answers[0].verdict,
            Verdict::kDisagrees);
  EXPECT_EQ(study_table(apart, {question(Expected::kSame, 5)}, "").answers[0].verdict,
            Verdict::kDisagrees);

  const std::vector<StudyVariantRuns> near = {variant("all", {200, 190, 210}),
                                              variant("without", {202, 180, 216})};
  for (const Expected expected : {Expected::kLower, Expected::kHigher}) {
    const StudyTable table = study_table(near, {question(expected)}, "");
    EXPECT_EQ(table.answers[0].verdict, Verdict::kCannotBeTold);
    EXPECT_TRUE(has(table.answers[0].sentence, "3 training seeds of 500 problems show about"))
        << table.answers[0].sentence;
  }
  EXPECT_EQ(study_table(near, {question(Expected::kSame, 1)}, "").answers[0].verdict,
            Verdict::kCannotBeTold);
  EXPECT_EQ(study_table(near, {question(Expected::kSame, 20)}, "").answers[0].verdict,
            Verdict::kAgrees);
}

TEST_F(StudyTableTest, HolmCountsAllFindings) {
  const std::vector<StudyVariantRuns> runs = {variant("all", {200, 190, 210}),
                                              variant("without", {150, 135, 170})};
  const StudyTable one = study_table(runs, {question(Expected::kLower)}, "");
  const StudyTable four =
      study_table(runs, std::vector<StudyQuestion>(4, question(Expected::kLower)), "");
  EXPECT_EQ(four.tests, 4u);
  EXPECT_NEAR(four.answers[0].corrected_p, std::min(1.0, 4 * one.answers[0].difference->p_value),
              1e-9);
}

TEST_F(StudyTableTest, MeansStandInTheOrderOfTheirSeedsWhateverThatOfTheRuns) {
  StudyVariantRuns backwards{"all", {}, {run(3, 50), run(1, 200)}};
  const StudyTable table = study_table({backwards}, {}, "");
  EXPECT_EQ(table.seeds, (std::vector<uint64_t>{1, 3}));
  EXPECT_EQ(table.rows[0].seeds, (std::vector<uint64_t>{1, 3}));
  EXPECT_EQ(table.rows[0].cells[0].mean->by_seed, (std::vector<double>{0.4, 0.1}));
}

TEST_F(StudyTableTest, OneTrainingSeedTellsNothing) {
  const StudyTable table = study_table({variant("all", {200}), variant("without", {50})},
                                       {question(Expected::kLower)}, "");
  EXPECT_EQ(table.answers[0].verdict, Verdict::kCannotBeTold);
  EXPECT_TRUE(has(table.answers[0].sentence, "one training seed"));
  EXPECT_TRUE(to_markdown(table).starts_with("one training seed (1); problems: hard 500."))
      << to_markdown(table);
}

TEST_F(StudyTableTest, WhatFailedIsNamedAndTheOthersStand) {
  std::vector<StudyVariantRuns> runs = {variant("all", {200, 190, 210}),
                                        variant("without", {50, -1, 52}),
                                        variant("third", {-1, -1, -1})};
  runs[0].runs.push_back({4, nullptr});
  StudyQuestion of_third = question(Expected::kLower);
  of_third.of = "third";
  const StudyTable table = study_table(runs, {question(Expected::kLower), of_third}, "");
  EXPECT_EQ(table.missing, (std::vector<std::string>{
                               "all, training seed 4: not run",
                               "third, training seeds 1, 2, 3: imitate failed: the disk is full",
                               "without, training seed 2: imitate failed: the disk is full"}));
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[1].seeds, (std::vector<uint64_t>{1, 3}));
  // Paired within the seeds that have both.
  EXPECT_EQ(table.answers[0].difference->seeds, 2);
  EXPECT_NEAR(table.answers[0].difference->by_seed[1], (52.0 - 210) / 500, 1e-12);
  EXPECT_FALSE(table.answers[1].difference);
  EXPECT_EQ(table.answers[1].sentence, "cannot be told: not evaluated");
  const std::string text = to_markdown(table);
  EXPECT_TRUE(has(text, "Missing: all, training seed 4: not run; third, training seeds 1, 2, 3: "))
      << text;
  EXPECT_EQ(to_json(table)["missing"].size(), 3u);
  StudyQuestion unknown = question(Expected::kLower);
  unknown.against = "fourth";
  EXPECT_THROW(study_table(runs, {unknown}, ""), Error);
}

// What is compared is what the study means, not the last model that happens to be there.
TEST_F(StudyTableTest, ARunThatHasNotEndedHasNoLastModel) {
  std::vector<StudyVariantRuns> runs = {variant("all", {200, 190, 210}),
                                        variant("without", {50, 45, 52})};
  for (const StudyRun& run : runs[1].runs)
    begin(*pool_of(run), pool::stage_kind::kImprove, "improve-1");
  const StudyTable table = study_table(runs, {question(Expected::kLower)}, "");
  EXPECT_EQ(table.rows.size(), 1u);
  EXPECT_EQ(table.answers[0].sentence, "cannot be told: not evaluated");
  runs[1].models = {"M1"};  // named, it counts
  EXPECT_EQ(study_table(runs, {}, "").rows.size(), 2u);
}

TEST_F(StudyTableTest, SharedStagesCountOnce) {
  const StudyRun run_1 = run(1, 100);
  StudyVariantRuns a{"a", {}, {run_1}}, b{"b", {"M0", "M1"}, {run_1}};
  const StudyTable both = study_table({a, b}, {}, ""), alone = study_table({a}, {}, "");
  EXPECT_GT(alone.seconds, 40);
  EXPECT_DOUBLE_EQ(both.seconds, alone.seconds);
  ASSERT_EQ(both.rows.size(), 2u);
  EXPECT_EQ(both.missing, std::vector<std::string>{"b M0: not evaluated"});
}

}  // namespace
}  // namespace ponder::report
