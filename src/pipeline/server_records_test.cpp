// Which answers of servers count, and what the pool keeps of those that do not.
#include "pipeline/server_records.h"

#include <gtest/gtest.h>

#include "pipeline/server_commands.h"
#include "pipeline/stages/kinds.h"
#include "pool/pool.h"
#include "testing/temporary_folder.h"

namespace ponder::pipeline {
namespace {

using fleet::FailureClass;
using fleet::Proof;

class Warnings final : public Monitor {
 public:
  void take(const MonitorEvent& event) override {
    if (event.kind == MonitorEvent::Kind::kWarning) texts.emplace_back(event.text);
  }
  std::vector<std::string> texts;
};

class ServerRecordsTest : public ::testing::Test {
 protected:
  ServerRecordsTest() {
    recipe_.fleet.kind = fleet::ServerKind::kVllm;
    recipe_.fleet.servers = {"http://x", "http://y"};
    pool_.begin_stage({.name = "explore-1", .kind = "explore", .round = 1});
    for (const char* id : {"a", "b"}) {
      data::Problem problem;
      problem.id = id;
      pool_.add_problem(problem);
    }
  }
  void send(const std::string& problem, int sample, const std::string& server) {
    rollout::CompletionRequest request;
    request.id = problem + std::to_string(sample);
    request.seed_key = {1, problem, sample};
    records_.sending(request, 0, server);
  }
  void answer(const std::string& problem, int sample, const std::string& server) {
    send(problem, sample, server);
    records_.answered(problem + std::to_string(sample), {}, 7);
  }
  void look(const std::string& server, Proof proof, const std::string& found = "as it is to be") {
    records_.looking_at(server);
    records_.looked_at({server, "m", proof, found});
  }
  std::vector<std::string> outcomes() const {
    std::vector<std::string> outcomes;
    for (const pool::AttemptRecord& attempt : pool_.attempts("explore-1"))
      outcomes.push_back(attempt.problem_id + std::to_string(attempt.sample) + " " +
                         std::string(to_string(attempt.outcome)));
    return outcomes;
  }
  std::vector<std::string> proofs() const {
    std::vector<std::string> proofs;
    for (const pool::ServerCheckRecord& check : pool_.server_checks())
      proofs.push_back(check.server + " " + check.proof);
    return proofs;
  }

  const testing::TemporaryFolder folder_;
  Recipe recipe_;
  pool::Pool pool_ = pool::Pool::open(folder_ / "run.db");
  ThreadPool threads_{1};
  Warnings monitor_;
  std::vector<ReadSource> sources_;
  ServerCommands servers_{recipe_.fleet, folder_.path(), monitor_, nullptr};
  const Stage stage_{.name = "explore-1", .kind = &kExplore, .round = 1};
  const StageContext context_{recipe_,  stage_,   pool_,   threads_,      monitor_,
                              sources_, servers_, nullptr, folder_.path()};
  ServerRecords records_{context_, ""};
};

using Texts = std::vector<std::string>;

TEST_F(ServerRecordsTest, WhatFailedIsKeptWithWhy) {
  send("a", 0, "http://x");
  records_.failed("a0", {FailureClass::kFull, "status 429", true, true, 0});
  send("a", 0, "http://x");
  records_.failed("a0", {FailureClass::kBadLuck, "status 500", true, true, 1024});
  send("b", 0, "http://y");
  records_.failed("b0", {FailureClass::kNever, "status 400", true, false, 0, "{}"});
  answer("a", 0, "http://y");
  send("b", 1, "http://y");  // on its way
  EXPECT_TRUE(records_.any());
  records_.write();
  EXPECT_FALSE(records_.any());
  EXPECT_EQ(outcomes(), (Texts{"a0 full", "a0 failed", "b0 refused", "a0 answered"}));
  const auto attempts = pool_.attempts("explore-1");
  EXPECT_EQ(attempts[1].error, "status 500");
  EXPECT_EQ(attempts[1].num_tokens, 1024);
  EXPECT_EQ(attempts[1].answer, "");
  EXPECT_EQ(attempts[2].answer, "{}");
  EXPECT_EQ(attempts[3].num_tokens, 7);
  EXPECT_LE(attempts[3].began, attempts[3].ended);
  EXPECT_GE(attempts[3].began, attempts[0].ended);
}

// Before they are written, some written, some of rollouts that are handed over later.
TEST_F(ServerRecordsTest, WhatCameSinceAServerWasRightDoesNotCount) {
  look("http://x", Proof::kRight);
  look("http://y", Proof::kRight);
  answer("a", 0, "http://x");
  answer("a", 1, "http://y");
  records_.write();
  answer("b", 0, "http://x");
  look("http://x", Proof::kWrong, "has other weights");
  look("http://x", Proof::kRight);
  answer("b", 1, "http://x");  // of those that it has now
  EXPECT_TRUE(records_.counts("a", 0));
  records_.write();
  EXPECT_FALSE(records_.counts("a", 0));
  EXPECT_TRUE(records_.counts("a", 1));
  EXPECT_FALSE(records_.counts("b", 0));
  EXPECT_TRUE(records_.counts("b", 1));
  EXPECT_EQ(outcomes(), (Texts{"a0 withdrawn", "a1 answered", "b0 withdrawn", "b1 answered"}));
  EXPECT_EQ(pool_.attempts("explore-1")[0].error, "the server has other weights");
  ASSERT_EQ(monitor_.texts.size(), 1u);
  EXPECT_TRUE(monitor_.texts[0].starts_with(
      "explore-1: http://x has other weights: 2 rollouts that it has worked at since "))
      << monitor_.texts[0];
  EXPECT_EQ(pool_.server_checks()[2].withdrawn, 2);
  // Asked for again it counts.
  EXPECT_TRUE(records_.any_withdrawn());
  records_.ask_again();
  answer("a", 0, "http://y");
  records_.write();
  EXPECT_TRUE(records_.counts("a", 0));
  EXPECT_FALSE(records_.any_withdrawn());
}

// A look takes a while, and the server works on: what comes meanwhile is proven by the next one.
TEST_F(ServerRecordsTest, ALookProvesWhatCameBeforeItBegan) {
  answer("a", 0, "http://x");
  records_.looking_at("http://x");
  records_.write();
  answer("a", 1, "http://x");
  records_.looked_at({"http://x", "m", Proof::kRight, "as it is to be"});
  look("http://x", Proof::kWrong, "has other weights");
  records_.write();
  EXPECT_EQ(outcomes(), (Texts{"a0 answered", "a1 withdrawn"}));
}

// Whether the run is stopped or killed behind it, and whatever process asks the server next.
TEST_F(ServerRecordsTest, WhatIsKeptOfOneThatIsOnItsWayIsWorthWhatItsServerIs) {
  look("http://x", Proof::kRight);
  send("a", 0, "http://x");
  send("b", 0, "http://y");
  records_.write();
  const auto keep = [&](ServerRecords& records, const std::string& problem, int64_t first,
                        std::vector<int32_t> ids) {
    records.keep_begun(problem, 0, first + static_cast<int64_t>(ids.size()));
    pool_.add_partial({"explore-1", "", problem, 0, "request", first, {std::move(ids), {}}});
  };
  keep(records_, "a", 0, {1, 2});
  keep(records_, "b", 0, {1, 2, 3});
  keep(records_, "a", 2, {3});
  EXPECT_EQ(outcomes(), (Texts{"b0 begun", "a0 begun"}));
  EXPECT_EQ(pool_.attempts("explore-1")[1].num_tokens, 3);
  EXPECT_EQ(records_.last_server_of("a", 0), "http://x");
  EXPECT_EQ(records_.last_server_of("a", 1), "");
  {  // the next process has the other server go on with it
    ServerRecords next(context_, "");
    rollout::CompletionRequest request;
    request.id = "a0";
    request.seed_key = {1, "a", 0};
    next.sending(request, 3, "http://y");
    next.keep_begun("a", 0, 3);  // nothing of it yet
    next.write();
    EXPECT_EQ(outcomes(), (Texts{"b0 begun", "a0 begun"}));
    keep(next, "a", 3, {4, 5});
    next.answered("a0", {}, 4);
    next.write();
    const auto attempts = pool_.attempts("explore-1");
    ASSERT_EQ(attempts.size(), 3u);
    EXPECT_EQ(attempts[2].number, 2);
    EXPECT_EQ(attempts[2].num_tokens, 4);
    EXPECT_EQ(next.last_server_of("a", 0), "http://y");
    next.looking_at("http://x");
    next.looked_at({"http://x", "m", Proof::kWrong, "has other weights"});
    next.write();
    EXPECT_FALSE(next.counts("a", 0));
    EXPECT_TRUE(next.counts("b", 0));
  }
  EXPECT_EQ(outcomes(), (Texts{"b0 begun", "a0 withdrawn", "a0 answered"}));
  ASSERT_EQ(pool_.partials("explore-1").size(), 1u);
  EXPECT_EQ(pool_.partials("explore-1")[0].problem_id, "b");
}

TEST_F(ServerRecordsTest, AnotherProcessWithdrawsWhatOneLeftUnproven) {
  look("http://x", Proof::kRight);
  answer("a", 0, "http://x");
  records_.write();
  ServerRecords next(context_, "");
  next.looking_at("http://x");
  next.looked_at({"http://x", "m", Proof::kWrong, "has other weights"});
  next.write();
  EXPECT_EQ(outcomes(), Texts{"a0 withdrawn"});
  EXPECT_FALSE(next.counts("a", 0));
}

TEST_F(ServerRecordsTest, OfServersThatSayTheirWeightsNothingIsThrownAway) {
  recipe_.fleet.kind = fleet::ServerKind::kPonder;
  look("http://x", Proof::kHash);
  answer("a", 0, "http://x");
  look("http://x", Proof::kWrong, "has other weights");
  records_.write();
  EXPECT_EQ(outcomes(), Texts{"a0 answered"});
  EXPECT_EQ(proofs(), (Texts{"http://x hash", "http://x wrong"}));
  EXPECT_TRUE(monitor_.texts.empty());
}

TEST_F(ServerRecordsTest, LooksThatFindTheSameAreOne) {
  for (int i = 0; i < 3; ++i) {  // while the other one is waited for
    look("http://x", Proof::kRight);
    look("http://y", Proof::kWrong, "has other weights");
  }
  records_.write();
  look("http://y", Proof::kWrong, "has other weights");
  look("http://y", Proof::kWrong, "has no such model");
  look("http://y", Proof::kRight);
  answer("a", 0, "http://x");
  look("http://x", Proof::kRight);
  answer("a", 1, "http://x");
  look("http://x", Proof::kRight);
  records_.write();
  EXPECT_EQ(proofs(), (Texts{"http://x right", "http://y wrong", "http://y wrong", "http://y right",
                             "http://x right", "http://x right"}));
}

TEST_F(ServerRecordsTest, WhatCouldNotBeProvenIsTold) {
  look("http://x", Proof::kRight);
  answer("a", 0, "http://x");
  answer("a", 1, "http://x");
  records_.write();
  records_.tell_unproven({"http://x", "http://y"});
  ASSERT_EQ(monitor_.texts.size(), 1u);
  EXPECT_TRUE(monitor_.texts[0].starts_with(
      "explore-1: http://x could not be asked to prove its weights once more: 2 answers since "))
      << monitor_.texts[0];
}

}  // namespace
}  // namespace ponder::pipeline
