#include "report/alarms.h"

#include "report/run_fixture.h"

namespace ponder::report {
namespace {

class AlarmsTest : public ReportTest {
 protected:
  std::vector<std::string> of(std::string_view kind, const Json& result) {
    pool::Pool pool = open(std::to_string(++runs_) + ".db");
    begin(pool, kind, "stage");
    pool.finish_stage("stage", pool::StageState::kDone, 1, 1, result);
    return alarms(*pool.stage("stage"));
  }

 private:
  int runs_ = 0;
};

TEST_F(AlarmsTest, Rollouts) {
  const auto of_counts = [&](int64_t correct, int64_t undecided, int64_t unfinished) {
    pool::RolloutResult result;
    result.samples = 100;
    result.correct = correct;
    result.undecided = undecided;
    result.unfinished = unfinished;
    return of(pool::stage_kind::kExplore, pool::to_json(result));
  };
  EXPECT_TRUE(of_counts(40, 10, 50).empty());
  EXPECT_TRUE(has(of_counts(40, 0, 51).at(0), "51 % of 100 rollouts did not finish"));
  EXPECT_TRUE(has(of_counts(0, 0, 0).at(0), "none of 100 rollouts is correct"));
  EXPECT_TRUE(has(of_counts(40, 11, 0).at(0), "could not decide 11 %"));
}

TEST_F(AlarmsTest, Training) {
  pool::TrainResult result;
  result.demonstrations = 90;
  result.rejected = {{"too_long", 10}};
  EXPECT_TRUE(of(pool::stage_kind::kImitate, pool::to_json(result)).empty());
  result.rejected = {{"too_long", 11}};
  EXPECT_TRUE(
      has(of(pool::stage_kind::kImitate, pool::to_json(result)).at(0), "11 rows were left out"));
  result.rejected.clear();
  result.loss_curve = {{1, 2.5}, {2, std::nullopt}};
  result.last_loss = 3.6;
  EXPECT_TRUE(of(pool::stage_kind::kImitate, pool::to_json(result)).size() == 1);  // a skipped step
  result.last_loss = 3.8;
  EXPECT_TRUE(has(of(pool::stage_kind::kImitate, pool::to_json(result)).at(1),
                  "the loss rose from 2.50 to 3.80: lower sft.lr"));
  pool::TrainResult dpo;
  dpo.pairs = 7;
  EXPECT_TRUE(has(of(pool::stage_kind::kDpo, pool::to_json(dpo)).at(0), "7 pairs are few"));
}

}  // namespace
}  // namespace ponder::report
