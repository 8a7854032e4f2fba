#include "report/preferences.h"

#include "report/report.h"
#include "report/run_fixture.h"

namespace ponder::report {
namespace {

pool::TrainResult trained() {
  pool::TrainResult result;
  result.model = "M1-a";
  result.steps = 4;
  result.held_out_pairs = 12;
  result.preferences = Json::parse(R"([
    {"step": 1, "chosen_logprob": -45.2, "rejected_logprob": -44.1, "margin": 0, "accuracy": 0.5},
    {"step": 4, "chosen_logprob": -46, "rejected_logprob": -50.25, "margin": 0.345, "accuracy": 1}])");
  result.probes = Json::parse(R"([
    {"step": 0, "values": {"held_out_accuracy": 0.5, "probe_finished": 0.97, "probe_loops": 0,
                           "probe_mean_tokens": 101.4}},
    {"step": 4, "values": {"held_out_accuracy": 0.667, "probe_finished": 0.5, "probe_loops": 0.25,
                           "probe_mean_tokens": 210.6}, "alarm": "it fell"}])");
  result.alarm = "it fell";
  return result;
}

TEST(Preferences, SayWhatBecameOfThem) {
  EXPECT_EQ(
      preference_lines(trained()),
      (std::vector<std::string>{
          "log-probabilities at the first and the last step: chosen -45.20 and -46.00, rejected "
          "-44.10 and -50.25; margin 0.345 at the last",
          "12 held-out pairs: accuracy 0.50 at the start, 0.67 at the end",
          "probe at the start and the end: finished 97 % and 50 %, 101 and 211 tokens, loops 0 % "
          "and 25 %",
          "stopped by its alarm after step 4: it fell"}));
  EXPECT_TRUE(preference_lines({}).empty());
  pool::TrainResult odd;
  odd.preferences = Json::parse(R"([3, {"step": "x"}, {"chosen_logprob": null}])");
  odd.probes = Json::object();
  EXPECT_TRUE(preference_lines(odd).empty());
}

TEST_F(ReportTest, PreferencesAreASectionOfTheReport) {
  pool::Pool pool = open();
  begin(pool, pool::stage_kind::kDpo, "dpo-a");
  pool.finish_stage("dpo-a", pool::StageState::kDone, 1, 1, pool::to_json(trained()));
  const std::string html = report_html(pool, "r");
  EXPECT_TRUE(has(html, "dpo-a: 12 held-out pairs: accuracy 0.50 at the start, 0.67 at the end."));
  EXPECT_TRUE(has(html, "dpo-a: stopped by its alarm after step 4: it fell."));
  EXPECT_EQ(times(html, "<figure>"), 4u);
  pool::Pool without = open("without.db");
  fill_run(without);
  EXPECT_FALSE(has(report_html(without, "r"), "Preferences"));
}

}  // namespace
}  // namespace ponder::report
