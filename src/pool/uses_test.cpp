#include "pool/pool_fixture.h"

namespace ponder::pool {
namespace {

TEST_F(PoolTest, UsesOfAProblemNameEveryRowPairAndModel) {
  Pool pool = Pool::open(file_);
  fill(pool);
  const auto of = [](int64_t rollout) { return RowOrigin{RowOrigin::Kind::kRollout, rollout}; };
  data::Rollout right = rollout("a", 0);
  right.verdict = judge::Verdict::kCorrect;
  const int64_t good = pool.add_rollout("explore-1", 1, right);
  const int64_t bad = pool.add_rollout("explore-1", 1, rollout("a", 1));
  const int64_t other = pool.add_rollout("explore-1", 1, rollout("b", 0));
  data::Demonstration shown;
  shown.question = problem("a").question;
  shown.solution = "42";
  shown.file = "d.jsonl";
  shown.line = 3;
  const int64_t demonstration = pool.add_demonstration("d.jsonl", 0, shown);
  pool.begin_stage({.name = "improve-1", .kind = "improve", .round = 1});
  pool.add_training_row({"improve-1", 0, of(other), "h", 7});
  pool.add_training_row({"improve-1", 1, of(good), "h", 7});
  pool.add_training_row({"improve-1", 2, {RowOrigin::Kind::kDemonstration, demonstration}, "h", 7});
  pool.add_model({"m2", "M2", "m0", "improve-1", "checkpoints/M2"});
  pool.begin_stage({.name = "dpo-a", .kind = "dpo"});
  pool.add_pair({"dpo-a", 0, good, bad});
  pool.add_model({"m1a", "M1-a", "m1", "dpo-a", "checkpoints/M1-a"});
  pool.begin_stage({.name = "dpo-b", .kind = "dpo"});
  pool.add_model({"m2b", "M2-b", "m2", "dpo-b", "checkpoints/M2-b"});
  pool.add_model({"m2bc", "M2-b-c", "m2b", "dpo-b", "checkpoints/M2-b-c"});

  const Json uses = pool.uses_of_problem("a");
  EXPECT_EQ(
      uses.at("rollouts"),
      Json::array({{{"stage", "explore-1"}, {"rollouts", 2}, {"correct", 1}, {"incorrect", 0}}}));
  EXPECT_EQ(uses.at("rows"),
            Json::array({{{"row", "improve-1:1"}, {"explored", "explore-1"}, {"sample", 0}},
                         {{"row", "improve-1:2"}, {"demonstration", "d.jsonl#0"}}}));
  ASSERT_EQ(uses.at("pairs").size(), 2u);
  EXPECT_EQ(uses.at("pairs")[0].at("side"), "chosen");
  EXPECT_EQ(uses.at("pairs")[1].at("side"), "rejected");
  EXPECT_EQ(uses.at("models"), Json::array({"M2", "M1-a"}));
  EXPECT_EQ(uses.at("descendants"), Json::array({"M2-b", "M2-b-c"}));
  EXPECT_NE(
      uses_text(uses).find("models     trained on it: M2, M1-a; made from these: M2-b, M2-b-c"),
      std::string::npos)
      << uses_text(uses);
  EXPECT_EQ(pool.uses_of_problem("b").at("models"), Json::array({"M2"}));
  EXPECT_TRUE(pool.uses_of_problem("b").at("pairs").empty());
  EXPECT_NE(testing::error_text([&] { pool.uses_of_problem("c"); }).find("\"c\""),
            std::string::npos);
}

TEST_F(PoolTest, ARolloutNobodyTrainedOnShowsEveryDecisionAboutIt) {
  Pool pool = Pool::open(file_);
  fill(pool);
  const int64_t id = pool.add_rollout("explore-1", 1, rollout("a", 0));
  pool.begin_stage({.name = "refine-1", .kind = "refine", .inputs = {"M1", "explore-1"}});
  pool.add_selection({"refine-1",
                      1,
                      "longest",
                      {RowOrigin::Kind::kRollout, id},
                      0,
                      "finished",
                      false,
                      0,
                      "length"});
  const Json row = pool.lineage("explore-1:0").at("origin");
  ASSERT_EQ(row.at("decisions").size(), 1u);
  EXPECT_EQ(row.at("decisions")[0].at("filter"), "finished");
}

}  // namespace
}  // namespace ponder::pool
