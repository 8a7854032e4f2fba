#include "teach/batches.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "teach/batch_service_fixture.h"
#include "testing/error_text.h"
#include "testing/process.h"
#include "testing/temporary_folder.h"

namespace ponder::teach {
namespace {

using Fault = ServiceDouble::Fault;
using std::chrono::milliseconds;

class BatchesTest : public ::testing::Test {
 protected:
  static TeacherSettings settings(const std::string& url) {
    TeacherSettings settings;
    settings.fleet.kind = fleet::ServerKind::kOpenai;
    settings.fleet.servers = {url};
    settings.fleet.served_model = "teacher";
    settings.fleet.chat.send_sampling = false;
    settings.fleet.rules.first_delay = fleet::Time(1);
    settings.fleet.rules.most_delay = fleet::Time(5);
    settings.fleet.rules.patience = fleet::Time(500);
    settings.fleet.limits.first_byte = milliseconds(300);
    settings.max_tokens = 100;
    settings.prices = {"USD", 1'000'000, 1'000'000, 10'000'000, true};
    settings.max_failed = 1;
    return settings;
  }
  static BatchOptions options(const TeacherSettings& settings) {
    return {settings.fleet, {}, milliseconds(1), milliseconds(5)};
  }
  TeacherFiles files() const { return teacher_files(folder_ / "taught"); }

  static constexpr const char* kFine = "(no error)";
  // A command: what it says of an error.
  std::string batch(BatchAction action, int problems, const TeacherSettings& settings,
                    int64_t lines = 50'000) {
    Teacher teacher(sums(problems), settings, files(), monitor_);
    BatchOptions options = this->options(settings);
    options.limits.lines = lines;
    Batches batches(teacher, options, files(), nullptr, monitor_);
    const std::string error = testing::error_text([&] { EXPECT_TRUE(batches.run(action)); });
    teacher.write_rows();
    report_ = teacher.report();
    read_ = batches.read();
    open_ = batches.json();
    return error;
  }
  static ServiceDouble::Answers right() {
    return [](int number, const Json&) { return right_reply(number); };
  }
  static std::map<std::string, int> times(const std::map<std::string, int>& ordered) {
    std::map<std::string, int> more;
    for (const auto& [id, count] : ordered)
      if (count != 1) more[id] = count;
    return more;
  }

  const testing::TemporaryFolder folder_;
  NullMonitor monitor_;
  TeacherReport report_;
  BatchAccount read_;
  Json open_;
};

using Action = BatchAction;

TEST_F(BatchesTest, WhatIsSentComesBack) {
  ServiceDouble service(right());
  service.looks_until_done = 2;
  const TeacherSettings settings = this->settings(service.url());
  EXPECT_EQ(batch(Action::kSubmit, 10, settings, 4), kFine);
  EXPECT_EQ(service.num_batches(), 3u);
  EXPECT_EQ(report_.written, 10);
  EXPECT_EQ(report_.unasked, 0);
  EXPECT_GT(report_.ledger.written, 0);
  ASSERT_EQ(open_.size(), 3u);
  EXPECT_EQ(open_[0]["batch"], "batch_1");
  EXPECT_EQ(open_[2]["requests"], 2);
  EXPECT_EQ(batch(Action::kSubmit, 10, settings),
            kFine);  // not done yet, and nothing is sent again
  EXPECT_EQ(read_.lines, 0);
  EXPECT_EQ(open_[0]["status"], "in_progress");
  EXPECT_EQ(batch(Action::kFetch, 10, settings), kFine);
  EXPECT_EQ(read_.answers, 10);
  EXPECT_EQ(report_.kept, 10);
  EXPECT_EQ(report_.ledger.written, 0);
  EXPECT_TRUE(open_.empty());
  EXPECT_EQ(testing::lines_of(read_file(files().demonstrations)).size(), 10u);
  EXPECT_EQ(batch(Action::kWait, 10, settings), kFine);
  EXPECT_EQ(service.num_batches(), 3u);
  EXPECT_EQ(service.ordered().size(), 10u);
}

// Whatever goes wrong at a call, once or twice: every request is ordered once, and its answer comes.
TEST_F(BatchesTest, NoFaultLosesOrDoublesARequest) {
  const std::vector<std::pair<std::string, std::vector<Fault>>> cases = {
      {"upload", {Fault::kBusy}},
      {"upload", {Fault::kError, Fault::kError}},
      {"upload", {Fault::kErrorAfter}},
      {"upload", {Fault::kLost}},
      {"upload", {Fault::kPageAfter, Fault::kNone}},
      {"order", {Fault::kBusy, Fault::kBusy}},
      {"order", {Fault::kError}},
      {"order", {Fault::kErrorAfter}},
      {"order", {Fault::kPageAfter}},
      {"order", {Fault::kResetAfter}},
      {"order", {Fault::kLost}},
      {"batches", {Fault::kError, Fault::kHalf}},
      {"look", {Fault::kBusy, Fault::kResetAfter}},
      {"look", {Fault::kPageAfter, Fault::kHalf}},
      {"content", {Fault::kHalf, Fault::kError}},
      {"content", {Fault::kResetAfter, Fault::kLost}},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto& [call, faults] = cases[i];
    SCOPED_TRACE(fmt::format("{} {}", i, call));
    ServiceDouble service(right());
    service.faults[call] = {faults.begin(), faults.end()};
    if (call == "batches") service.faults["order"] = {Fault::kErrorAfter};
    const TeacherFiles files = teacher_files(folder_ / fmt::format("taught{}", i));
    const TeacherSettings settings = this->settings(service.url());
    Teacher teacher(sums(5), settings, files, monitor_);
    Batches batches(teacher, options(settings), files, nullptr, monitor_);
    ASSERT_EQ(testing::error_text([&] { batches.run(Action::kWait); }), kFine);
    EXPECT_EQ(service.num_batches(), 1u);
    EXPECT_EQ(service.ordered().size(), 5u);
    EXPECT_EQ(times(service.ordered()), (std::map<std::string, int>{}));
    EXPECT_EQ(service.num_files(), 2u);  // of requests and of results
    EXPECT_EQ(teacher.report().kept, 5);
    EXPECT_EQ(teacher.report().ledger.written, 0);
    EXPECT_TRUE(service.faults[call].empty() || faults.size() > 1);
  }
}

TEST_F(BatchesTest, AListThatLagsBehindOrdersNothingTwice) {
  ServiceDouble service(right());
  service.faults["order"] = {Fault::kErrorAfter};
  service.lag = 2;
  EXPECT_EQ(batch(Action::kWait, 3, settings(service.url())), kFine);
  EXPECT_EQ(service.num_batches(), 1u);
  EXPECT_EQ(report_.kept, 3);
}

TEST_F(BatchesTest, IsFoundAmongOthersOnFurtherPages) {
  ServiceDouble service(right());
  service.faults["order"] = {Fault::kErrorAfter};
  service.on_call = [&](const std::string& call) {
    if (call == "order") service.add_others(5);
  };
  EXPECT_EQ(batch(Action::kWait, 3, settings(service.url())), kFine);
  EXPECT_EQ(service.num_batches(), 6u);
  EXPECT_EQ(report_.kept, 3);
}

TEST_F(BatchesTest, AnExpiredBatchIsSentAgainLessWhatItAnswered) {
  ServiceDouble service(right());
  service.ending = [&](ServiceDouble::Batch& ended, const std::vector<Json>& lines, int times) {
    ended.status = times == 0 ? "expired" : "completed";
    for (size_t i = 0; i < lines.size(); ++i) {
      if (times > 0 || i < 2) {
        ended.output += service.result_of(lines[i]);
        ++ended.completed;
      } else if (i < 4) {  // of the last there is not even a line
        ended.errors += ServiceDouble::expired(lines[i]);
      }
    }
  };
  const TeacherSettings settings = this->settings(service.url());
  EXPECT_EQ(batch(Action::kSubmit, 5, settings), kFine);
  EXPECT_EQ(batch(Action::kFetch, 5, settings), kFine);
  EXPECT_EQ(read_.answers, 2);
  EXPECT_EQ(read_.again, 2);
  EXPECT_EQ(report_.unasked, 3);
  EXPECT_EQ(report_.ledger.written, 0);  // what expired is not billed
  EXPECT_EQ(batch(Action::kWait, 5, settings), kFine);
  EXPECT_EQ(report_.kept, 5);
  EXPECT_EQ(service.num_batches(), 2u);
  EXPECT_EQ(service.ordered().size(), 5u);
  EXPECT_EQ(times(service.ordered()).size(), 3u);
}

TEST_F(BatchesTest, ABatchThatIsNotTakenSaysWhy) {
  ServiceDouble service(right());
  service.ending = [&](ServiceDouble::Batch& ended, const std::vector<Json>& lines, int times) {
    if (times == 0) {
      ended.status = "failed";
      ended.problem = {{"data", {{{"code", "model_not_found"}, {"message", "no model teacher"}}}}};
      return;
    }
    for (const Json& line : lines) ended.output += service.result_of(line);
  };
  const TeacherSettings settings = this->settings(service.url());
  const std::string said = batch(Action::kWait, 3, settings);
  EXPECT_NE(said.find("batch_1 was not taken: no model teacher"), std::string::npos) << said;
  EXPECT_EQ(report_.unasked, 3);
  EXPECT_EQ(batch(Action::kWait, 3, settings), kFine);
  EXPECT_EQ(report_.kept, 3);
}

TEST_F(BatchesTest, FurtherSamplesGoOutWhenEarlierOnesAreWrong) {
  ServiceDouble service([](int number, const Json& body) {
    return right_reply(number + (number == 1 && body["seed"].get<int64_t>() % 2 == 0 ? 5 : 0));
  });
  service.ending = [&](ServiceDouble::Batch& ended, const std::vector<Json>& lines, int times) {
    for (Json line : lines) {
      line["body"]["seed"] = times;
      ended.output += service.result_of(line);
    }
  };
  TeacherSettings settings = this->settings(service.url());
  settings.samples = 3;
  EXPECT_EQ(batch(Action::kWait, 3, settings), kFine);
  EXPECT_EQ(service.num_batches(), 2u);
  EXPECT_EQ(report_.kept, 3);
  EXPECT_EQ(report_.rejected["wrong"], 1);
}

TEST_F(BatchesTest, TheBudgetIsReserved) {
  ServiceDouble service(right());
  TeacherSettings settings = this->settings(service.url());
  settings.budget = *amount_from_text("0.0070");  // .00204 a request at the most
  EXPECT_EQ(batch(Action::kSubmit, 9, settings), kFine);
  EXPECT_EQ(service.ordered().size(), 3u);
  EXPECT_LE(report_.ledger.written, *settings.budget);
  // Answers cost less than they could: a part of the rest is covered now, and never more than the budget.
  EXPECT_EQ(batch(Action::kWait, 9, settings), kFine);
  EXPECT_EQ(report_.kept, 9);
  EXPECT_EQ(report_.ledger.certain, 9 * 79'000'000);
  EXPECT_LE(report_.ledger.certain + report_.ledger.possible, *settings.budget);
}

TEST_F(BatchesTest, WhatIsCancelledIsReadAsFarAsItCame) {
  ServiceDouble service(right());
  service.looks_until_done = 1000;
  const TeacherSettings settings = this->settings(service.url());
  EXPECT_EQ(batch(Action::kSubmit, 4, settings), kFine);
  EXPECT_EQ(batch(Action::kCancel, 4, settings), kFine);
  EXPECT_TRUE(open_.empty()) << open_;
  EXPECT_EQ(report_.kept, 1);
  EXPECT_EQ(report_.unasked, 3);
  EXPECT_EQ(report_.ledger.possible, 0);
  EXPECT_EQ(report_.ledger.written, 0);
}

TEST_F(BatchesTest, WithoutListsAnUnansweredOrderIsNotRepeated) {
  ServiceDouble service(right());
  service.has_lists = false;
  service.faults["upload"] = {Fault::kErrorAfter};  // once more: a file costs nothing
  service.faults["order"] = {Fault::kErrorAfter};
  const TeacherSettings settings = this->settings(service.url());
  for (int i = 0; i < 2; ++i) {
    const std::string said = batch(Action::kSubmit, 4, settings);
    EXPECT_NE(said.find("nobody knows whether it has"), std::string::npos) << said;
    EXPECT_EQ(service.num_batches(), 1u);
  }
  EXPECT_EQ(report_.ledger.possible, 0);
  const Units worst = report_.ledger.written;
  EXPECT_EQ(batch(Action::kCancel, 4, settings), kFine);
  EXPECT_EQ(report_.ledger.possible, worst);
  EXPECT_EQ(report_.unasked, 4);
}

TEST_F(BatchesTest, AnOrderNobodyKnowsOfIsLookedForByTheNextCommand) {
  ServiceDouble service(right());
  const TeacherSettings settings = this->settings(service.url());
  TeacherSettings hasty = settings;
  hasty.fleet.rules.patience = fleet::Time(0);
  service.faults["order"] = {Fault::kLost};
  service.faults["batches"] = {Fault::kError};
  EXPECT_NE(batch(Action::kSubmit, 2, hasty).find("not now"), std::string::npos);
  EXPECT_TRUE(open_[0]["batch"].is_null());
  EXPECT_EQ(batch(Action::kWait, 2, settings), kFine);
  EXPECT_EQ(service.num_batches(), 1u);
  EXPECT_EQ(report_.kept, 2);
}

TEST_F(BatchesTest, AnOrderThatIsRefusedIsSentByTheNextCommand) {
  ServiceDouble service(right());
  const TeacherSettings settings = this->settings(service.url());
  service.faults["order"] = {Fault::kRefused};
  const std::string said = batch(Action::kWait, 2, settings);
  EXPECT_NE(said.find("status 400: not like this"), std::string::npos) << said;
  EXPECT_EQ(report_.written, 2);
  EXPECT_EQ(batch(Action::kWait, 2, settings), kFine);
  EXPECT_EQ(service.num_batches(), 1u);
  EXPECT_EQ(service.num_files(), 2u);  // the one that is there serves
  EXPECT_EQ(report_.kept, 2);
}

TEST_F(BatchesTest, ResultsThatAreFewerThanCountedAreNotTheEnd) {
  ServiceDouble service(right());
  service.ending = [&](ServiceDouble::Batch& ended, const std::vector<Json>& lines, int) {
    ended.completed = static_cast<int64_t>(lines.size());
    ended.output = service.result_of(lines[0]);
  };
  const TeacherSettings settings = this->settings(service.url());
  EXPECT_EQ(batch(Action::kSubmit, 3, settings), kFine);
  const std::string said = batch(Action::kFetch, 3, settings);
  EXPECT_NE(said.find("has 3 answers, and 1 lines of results came"), std::string::npos) << said;
  EXPECT_EQ(report_.kept, 1);
  EXPECT_EQ(report_.written, 2);  // not asked again
  EXPECT_EQ(batch(Action::kCancel, 3, settings), kFine);
  EXPECT_EQ(report_.unasked, 2);
  EXPECT_GT(report_.ledger.possible, 0);
}

TEST_F(BatchesTest, RefusesOtherProblemsAndAnotherService) {
  ServiceDouble service(right()), other(right());
  EXPECT_EQ(batch(Action::kSubmit, 3, settings(service.url())), kFine);
  const std::string fewer = batch(Action::kFetch, 2, settings(service.url()));
  EXPECT_NE(fewer.find("1 of the 3 requests of batch_1 are of other problems"), std::string::npos)
      << fewer;
  const std::string elsewhere =
      testing::error_text([&] { batch(Action::kFetch, 3, settings(other.url())); });
  EXPECT_NE(elsewhere.find("batch_1 is at " + service.url()), std::string::npos) << elsewhere;
  EXPECT_EQ(other.calls().size(), 0u);
  EXPECT_EQ(batch(Action::kFetch, 3, settings(service.url())), kFine);
  EXPECT_EQ(report_.kept, 3);
}

TEST_F(BatchesTest, AskingAgainLeavesAloneWhatIsOnItsWay) {
  ServiceDouble service(right());
  const TeacherSettings settings = this->settings(service.url());
  EXPECT_EQ(batch(Action::kSubmit, 3, settings), kFine);
  Teacher teacher(sums(3), settings, files(), monitor_);
  teacher.again({"unread"});
  EXPECT_EQ(teacher.report().written, 3);
  EXPECT_EQ(teacher.report().unasked, 0);
}

TEST_F(BatchesTest, AskingAgainByBatchesCanBeRepeated) {
  ServiceDouble service([](int number, const Json&) { return right_reply(number + 5); });
  const TeacherSettings settings = this->settings(service.url());
  EXPECT_EQ(batch(Action::kWait, 2, settings), kFine);
  for (int times = 1; times < 3; ++times) {
    Teacher teacher(sums(2), settings, files(), monitor_);
    teacher.again({"wrong"});
    Batches batches(teacher, options(settings), files(), nullptr, monitor_);
    EXPECT_TRUE(batches.run(Action::kWait));
    EXPECT_EQ(teacher.report().superseded, 2 * times);
  }
}

TEST_F(BatchesTest, ADatabaseOfBeforeGoesOn) {
  ServiceDouble service(right());
  const TeacherSettings settings = this->settings(service.url());
  { const Teacher made(sums(2), settings, files(), monitor_); }
  {
    const pool::sqlite::Database database(files().database, pool::sqlite::Database::Access::kWrite);
    database.execute(
        "DROP TABLE batch_lines; DROP TABLE batches; UPDATE about SET value = '1' WHERE key = "
        "'format'");
  }
  EXPECT_EQ(batch(Action::kWait, 2, settings), kFine);
  EXPECT_EQ(report_.kept, 2);
}

TEST_F(BatchesTest, AStopLeavesABatchToTheNextCommand) {
  ServiceDouble service(right());
  const TeacherSettings settings = this->settings(service.url());
  std::atomic<bool> stop = false;
  service.on_call = [&](const std::string& call) { stop = call == "order"; };
  {
    Teacher teacher(sums(3), settings, files(), monitor_);
    Batches batches(teacher, options(settings), files(), &stop, monitor_);
    service.faults["order"] = {Fault::kLost};
    EXPECT_FALSE(batches.run(Action::kWait));
  }
  EXPECT_EQ(batch(Action::kWait, 3, settings), kFine);
  EXPECT_EQ(service.num_batches(), 1u);
  EXPECT_EQ(report_.kept, 3);
}

}  // namespace
}  // namespace ponder::teach
