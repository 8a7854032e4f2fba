#include "report/server_requests.h"

#include "report/report.h"
#include "report/run_fixture.h"

namespace ponder::report {
namespace {

using Outcome = pool::AttemptRecord::Outcome;
using Lines = std::vector<std::string>;

class ServerRequestsTest : public ::testing::Test {
 protected:
  ServerRequestsTest() { fill_run(pool_); }
  void add(const std::string& server, Outcome outcome, const std::string& error = "",
           int64_t num_tokens = 0, int times = 1, const std::string& stage = "explore-1") {
    pool::AttemptRecord attempt;
    attempt.stage = stage;
    attempt.problem_id = "arithmetic-1-0";
    attempt.server = server;
    attempt.outcome = outcome;
    attempt.error = error;
    attempt.num_tokens = num_tokens;
    pool::Pool::Transaction transaction(pool_);
    for (int i = 0; i < times; ++i) pool_.add_attempt(attempt);
    transaction.commit();
  }

  const testing::TemporaryFolder folder_;
  pool::Pool pool_ = pool::Pool::open(folder_ / "run.db");
};

TEST_F(ServerRequestsTest, AreCountedByStageAndServer) {
  EXPECT_TRUE(server_requests(pool_).empty());
  EXPECT_EQ(report_html(pool_, "r").find("Requests to servers"), std::string::npos);
  add("http://x", Outcome::kAnswered, "", 1000, 1200);
  add("http://y", Outcome::kAnswered, "", 10, 2, "explore-2");
  add("http://x", Outcome::kFull, "status 429", 0, 4);
  add("http://x", Outcome::kFailed, "status 502", 0, 3);
  add("http://x", Outcome::kFailed, "status 500", 0, 5);
  add("http://x", Outcome::kFailed, "gpu1:8000: nothing came for 120 s", 2048);
  add("http://x", Outcome::kRefused, "the answer does not say the prompt's <token> ids");
  add("http://x", Outcome::kWithdrawn, "the server has other weights", 300, 2);
  add("http://x", Outcome::kBegun, "", 50);
  const auto all = server_requests(pool_);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].asked, 1217);
  EXPECT_EQ(
      server_lines(all[0]),
      (Lines{"http://x: asked 1,217 times: 1,200 answered, 9 failed, 1 refused, 4 too many for "
             "it, 2 thrown away, 1 on their way when they were kept last; 1,202,098 tokens",
             "  5 failed: status 500", "  4 full: status 429", "  3 failed: status 502",
             "  4 for 3 other reasons"}));
  EXPECT_EQ(server_lines(all[1]), Lines{"http://y: asked 2 times: 2 answered; 20 tokens"});
  EXPECT_EQ(all[1].stage, "explore-2");
  const Json json = to_json(all[0]);
  EXPECT_EQ(json.at("answered"), 1200);
  EXPECT_EQ(json.at("tokens"), 1202098);
  EXPECT_EQ(json.at("reasons").size(), 6u);
  EXPECT_EQ(json.at("reasons")[0],
            Json({{"outcome", "failed"}, {"reason", "status 500"}, {"count", 5}}));
  const std::string html = report_html(pool_, "r");
  EXPECT_NE(html.find("<h2>Requests to servers"), std::string::npos);
  EXPECT_NE(html.find(">1,202,098<"), std::string::npos);
}

TEST_F(ServerRequestsTest, ReasonsThatDifferInTheirNumbersAreOne) {
  add("http://x", Outcome::kFailed, "its answer has 17 token ids, its usage says 18");
  add("http://x", Outcome::kFailed, "its answer has 5 token ids, its usage says 118", 0, 2);
  add("http://x", Outcome::kRefused, "its answer has 5 token ids, its usage says 6");
  add("http://x", Outcome::kFailed, "10.0.0.1:8000: refused");
  add("http://x", Outcome::kFailed, "10.0.0.2:8000: refused");
  add("http://x", Outcome::kFailed, "status 500");
  add("http://x", Outcome::kFailed, "status 503");
  Lines reasons;
  const auto all = server_requests(pool_);
  for (const auto& reason : all.at(0).reasons)
    reasons.push_back(std::to_string(reason.count) + " " + reason.text);
  EXPECT_EQ(reasons,
            (Lines{"3 its answer has 17 token ids, its usage says 18",
                   "1 its answer has 5 token ids, its usage says 6", "1 10.0.0.1:8000: refused",
                   "1 10.0.0.2:8000: refused", "1 status 500", "1 status 503"}));
}

}  // namespace
}  // namespace ponder::report
