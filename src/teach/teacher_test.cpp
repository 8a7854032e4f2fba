#include "teach/teacher.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "teach/batch_files.h"
#include "teach/endpoint_fixture.h"
#include "testing/error_text.h"
#include "testing/process.h"
#include "testing/temporary_folder.h"

namespace ponder::teach {
namespace {

using Where = Reply::Thought;

class TeacherTest : public ::testing::Test {
 protected:
  std::vector<data::Problem> problems(int count) const { return sums(count); }
  TeacherSettings settings(const Endpoint& endpoint) const { return settings_for(endpoint); }
  static Prices prices() { return {"USD", 1'000'000, 1'000'000, 10'000'000, true}; }
  TeacherFiles files() const { return teacher_files(folder_ / "taught"); }

  TeacherReport taught(int count, const TeacherSettings& settings,
                       const std::vector<std::string>& again = {}) {
    Teacher teacher(problems(count), settings, files(), monitor_);
    if (!again.empty()) teacher.again(again);
    EXPECT_TRUE(teacher.ask(nullptr));
    teacher.write_rows();
    return teacher.report();
  }
  std::string said(int count, const TeacherSettings& settings,
                   const std::vector<std::string>& again = {}) {
    return testing::error_text([&] { taught(count, settings, again); });
  }
  static std::vector<Json> rows(const std::filesystem::path& file) {
    std::vector<Json> rows;
    for (const std::string& line : testing::lines_of(read_file(file)))
      rows.push_back(parse_json(line, "row"));
    return rows;
  }
  std::vector<Json> kept() const { return rows(files().demonstrations); }
  std::vector<Json> rejected() const { return rows(files().rejected); }

  const testing::TemporaryFolder folder_;
  NullMonitor monitor_;
};

using Counts = std::map<std::string, int64_t>;

TEST_F(TeacherTest, EveryAnswerIsARowOrHasAReason) {
  Endpoint endpoint([](int number, int /*times*/, const Json& /*body*/) {
    Reply reply = right_reply(number);
    switch (number) {
      case 1:
        reply.where = Where::kReasoning;
        break;
      case 2:
        reply.where = Where::kTags;
        break;
      case 3:
        reply.where = Where::kBoth;  // the same twice is one
        break;
      case 4:
        reply.content = "\\boxed{77}";
        break;
      case 5:
        reply.finish = "length";
        break;
      case 6:
        reply.finish = "content_filter";
        break;
      case 7:
        reply.refusal = "I would rather not.";
        reply.content = "";
        break;
      case 8:
        reply.content = reply.thought = "";
        break;
      case 9:
        reply.thought = "";
        reply.completion_tokens = 900;
        break;
      case 10:
        reply.thought = "";
        break;
      case 11:
        reply.content = "<think>twice</think>" + reply.content;
        break;
      case 12:
        reply.finish = "repetition";
        break;
      default:
        break;
    }
    return reply;
  });
  const TeacherReport report = taught(13, settings(endpoint));
  EXPECT_EQ(endpoint.unknown_field(), "");
  EXPECT_EQ(report.answers, 13);
  EXPECT_EQ(report.kept, 4);
  const Counts expected = {{"wrong", 1},    {"length", 1},     {"refused", 2},
                           {"empty", 1},    {"no_thought", 1}, {"thought_hidden", 1},
                           {"unusable", 1}, {"repetition", 1}};
  EXPECT_EQ(report.rejected, expected);
  EXPECT_NE(report.money().find("no price given"), std::string::npos);
  const std::vector<Json> demonstrations = kept();
  ASSERT_EQ(demonstrations.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(demonstrations[i]["thought"], "one more") << i;
    EXPECT_EQ(demonstrations[i]["solution"], fmt::format("\\boxed{{{}}}", i + 1));
    const Json& teacher = demonstrations[i]["teacher"];
    EXPECT_EQ(teacher["model"], "teacher");
    EXPECT_EQ(teacher["answered_by"], "teacher-2026");
    EXPECT_EQ(teacher["response"], "chatcmpl-1");
    EXPECT_EQ(teacher["request"].get<std::string>().size(), 32u);
    EXPECT_FALSE(teacher.contains("price"));
  }
  ASSERT_EQ(rejected().size(), 9u);
  EXPECT_EQ(rejected()[0]["reason"], "wrong");
  EXPECT_EQ(rejected()[0]["verdict"], "incorrect");
}

TEST_F(TeacherTest, WhatWasAnsweredIsNeverAskedAgain) {
  Endpoint endpoint([](int number, int, const Json&) { return right_reply(number); });
  taught(5, settings(endpoint));
  const std::string rows = read_file(files().demonstrations);
  TeacherSettings nobody = settings(endpoint);
  nobody.fleet.servers = {"http://127.0.0.1:9"};  // nor is anybody there
  EXPECT_EQ(taught(5, nobody).kept, 5);
  EXPECT_EQ(read_file(files().demonstrations), rows);
  EXPECT_EQ(taught(7, settings(endpoint)).kept, 7);
  EXPECT_EQ(endpoint.num_asked(), 7);
}

TEST_F(TeacherTest, AProblemIsAskedUntilItIsRight) {
  Endpoint endpoint([](int number, int times, const Json&) {
    Reply reply = right_reply(number);
    if (times < number) reply.content = "\\boxed{0}";
    reply.thought = fmt::format("try {}", times);
    return reply;
  });
  TeacherSettings four = settings(endpoint);
  four.samples = 4;
  const TeacherReport report = taught(6, four);
  EXPECT_EQ(report.solved, 4);
  EXPECT_EQ(report.kept, 4);
  EXPECT_EQ(endpoint.asked(), (std::map<int, int>{{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 4}, {5, 4}}));
  // All samples, whatever comes: those that are there stay.
  four.enough_correct = 0;
  EXPECT_EQ(taught(6, four).answers, 24);
  EXPECT_EQ(endpoint.num_asked(), 24);
}

TEST_F(TeacherTest, EqualAnswersAreOneRow) {
  Endpoint endpoint([](int number, int, const Json&) { return right_reply(number); });
  TeacherSettings all = settings(endpoint);
  all.samples = 3;
  all.enough_correct = 0;
  const TeacherReport report = taught(2, all);
  EXPECT_EQ(report.kept, 2);
  EXPECT_EQ(report.rejected, (Counts{{"duplicate", 4}}));
  EXPECT_EQ(kept().size(), 2u);
}

TEST_F(TeacherTest, TheBudgetHolds) {
  Endpoint endpoint([](int number, int, const Json&) {
    Reply reply = right_reply(number);
    reply.completion_tokens = 100;
    reply.with_usage = number % 3 != 0;
    return reply;
  });
  TeacherSettings paid = settings(endpoint);
  paid.prices = prices();
  paid.budget = *amount_from_text("0.02");  // a request costs .0021 at the most
  const std::string text = said(30, paid);
  EXPECT_NE(text.find("--budget"), std::string::npos) << text;
  EXPECT_NE(text.find("the same command with a larger --budget"), std::string::npos) << text;
  Teacher stopped(problems(30), paid, files(), monitor_);
  const TeacherReport report = stopped.report();
  const Units spent = report.ledger.certain + report.ledger.possible;
  EXPECT_LE(spent, *paid.budget);
  EXPECT_GT(spent, *paid.budget * 8 / 10);
  EXPECT_GT(report.ledger.possible, 0);
  EXPECT_EQ(report.answers, endpoint.num_asked());
  EXPECT_EQ(report.json()["budget"], "0.02");
}

TEST_F(TeacherTest, ALargerBudgetGoesOn) {
  Endpoint endpoint([](int number, int, const Json&) { return right_reply(number); });
  TeacherSettings paid = settings(endpoint);
  paid.prices = prices();
  paid.budget = *amount_from_text("0.0022");
  EXPECT_NE(said(8, paid), "(no error)");
  const int before = endpoint.num_asked();
  EXPECT_GT(before, 0);
  EXPECT_LT(before, 8);
  paid.budget = *amount_from_text("1.00");
  const TeacherReport report = taught(8, paid);
  EXPECT_EQ(report.kept, 8);
  EXPECT_EQ(endpoint.num_asked(), 8);
  // 9 prompt and 7 completion tokens each.
  EXPECT_EQ(report.ledger.certain, 8 * (9 * 1'000'000 + 7 * 10'000'000));
  EXPECT_EQ(report.json()["spent"], "0.000632");
  EXPECT_EQ(kept()[0]["teacher"]["price"], "0.000079");
}

TEST_F(TeacherTest, ABillBeyondWhatWasAllowedStops) {
  Endpoint endpoint([](int number, int, const Json&) {
    Reply reply = right_reply(number);
    if (number == 2) reply.completion_tokens = 5000;
    return reply;
  });
  TeacherSettings paid = settings(endpoint);
  paid.prices = prices();
  paid.budget = *amount_from_text("100");
  const std::string text = said(40, paid);
  EXPECT_NE(text.find("\"p2\", sample 0, was billed 9 prompt and 5000 completion tokens"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("--overhead-tokens"), std::string::npos) << text;
  EXPECT_LT(endpoint.num_asked(), 40);
  const int before = endpoint.num_asked();
  EXPECT_EQ(said(40, paid), text);  // until it is allowed for
  EXPECT_EQ(endpoint.num_asked(), before);
  paid.overhead_tokens = 5000;
  EXPECT_EQ(taught(40, paid).kept, 40);
  EXPECT_EQ(endpoint.num_asked(), 40);
}

TEST_F(TeacherTest, CutAnswersAreAskedAgainOnlyWhereThatIsSaid) {
  Endpoint endpoint([](int number, int, const Json& body) {
    Reply reply = right_reply(number);
    if (number < 3 && body["max_tokens"] < 500) reply.finish = "length";
    if (number == 1) reply.finish = "length";
    return reply;
  });
  TeacherSettings settings = this->settings(endpoint);
  EXPECT_EQ(taught(5, settings).rejected, (Counts{{"length", 3}}));
  EXPECT_NE(said(5, settings, {"length"}).find("is not more than they had"), std::string::npos);
  TeacherSettings priced = settings;
  priced.prices = prices();
  {
    const TeacherReport report = Teacher(problems(5), priced, files(), monitor_).report();
    EXPECT_EQ(report.longer_max_tokens, 200);
    // 18 bytes and 1,024 for the template, 200 tokens.
    EXPECT_EQ(report.longer_worst, 3 * (int64_t{1042} * 1'000'000 + int64_t{200} * 10'000'000));
  }
  settings.max_tokens = 500;
  EXPECT_EQ(taught(5, settings).rejected, (Counts{{"length", 3}}));
  EXPECT_EQ(endpoint.num_asked(), 5);
  {
    Teacher interrupted(problems(5), settings, files(), monitor_);
    interrupted.again({"length"});
  }
  const TeacherReport report = taught(5, settings, {"length"});
  EXPECT_EQ(report.kept, 4);
  EXPECT_EQ(report.rejected, (Counts{{"length", 1}}));
  EXPECT_EQ(report.superseded, 3);
  EXPECT_EQ(report.ledger.answers, 8);
  EXPECT_EQ(endpoint.num_asked(), 8);
  EXPECT_EQ(taught(5, settings).kept, 4);
  EXPECT_EQ(endpoint.num_asked(), 8);
}

TEST_F(TeacherTest, WrongOnesAreAskedAgainAsOftenAsItIsSaid) {
  Endpoint endpoint([](int number, int times, const Json&) {
    Reply reply = right_reply(number);
    if (times < 2 && number == 0) reply.content = "no";
    return reply;
  });
  EXPECT_EQ(taught(2, settings(endpoint)).kept, 1);
  EXPECT_EQ(taught(2, settings(endpoint), {"wrong", "undecided"}).kept, 1);
  EXPECT_EQ(taught(2, settings(endpoint), {"wrong", "undecided"}).kept, 2);
  EXPECT_EQ(endpoint.asked(), (std::map<int, int>{{0, 3}, {1, 1}}));
}

// Those that were asked again and came out wrong again are not marked by the command that goes on.
TEST_F(TeacherTest, AskingAgainGoesOnWhereItWasInterrupted) {
  Endpoint endpoint([](int number, int, const Json&) {
    Reply reply = right_reply(number);
    reply.content = "\\boxed{0}";
    return reply;
  });
  EXPECT_EQ(taught(4, settings(endpoint)).rejected, (Counts{{"wrong", 4}}));
  {
    Teacher interrupted(problems(4), settings(endpoint), files(), monitor_);
    interrupted.again({"wrong"});
    const std::vector<Teacher::BatchLine> lines = interrupted.batch_lines();
    ASSERT_EQ(lines.size(), 4u);
    fleet::Answer wrong;
    wrong.thought = "one more";
    wrong.text = "\\boxed{0}";
    wrong.finish = "stop";
    for (size_t i = 0; i < 2; ++i)
      EXPECT_EQ(interrupted.take(lines[i].id, wrong, "file"), Teacher::Taken::kTaken);
    interrupted.keep_taken();
  }
  Teacher teacher(problems(4), settings(endpoint), files(), monitor_);
  teacher.again({"wrong"});
  EXPECT_EQ(teacher.batch_lines().size(), 2u);
}

TEST_F(TeacherTest, FailuresAreSaidAndAskedAgainByName) {
  std::atomic<bool> fails = true;
  Endpoint endpoint([&](int number, int times, const Json&) {
    Reply reply = right_reply(number);
    if (number == 3 && fails) {
      reply.status = 400;
      reply.error = "cannot read this";
    } else if (number == 2 && times == 0) {
      reply.status = 500;
    } else if (number == 1 && times == 0) {
      reply.status = 429;
      reply.headers = "Retry-After: 0\r\n";
    }
    return reply;
  });
  TeacherSettings strict = settings(endpoint);
  strict.max_failed = 0.01;
  const std::string text = said(5, strict);
  EXPECT_NE(text.find("1 of 5 requests failed for good; the first, \"p3\""), std::string::npos)
      << text;
  EXPECT_NE(text.find("cannot read this"), std::string::npos);
  EXPECT_NE(said(5, strict), "(no error)");
  EXPECT_EQ(endpoint.asked()[3], 1);
  fails = false;
  const TeacherReport report = taught(5, strict, {"failed"});
  EXPECT_EQ(report.kept, 5);
  EXPECT_EQ(report.failed, 0);
  EXPECT_EQ(report.ledger.attempts, 8);
  EXPECT_EQ(endpoint.num_asked(), 8);
}

// libcurl would ask again by itself where the connection was used before.
TEST_F(TeacherTest, EveryRequestThatMayHaveBeenPaidForIsCounted) {
  Endpoint endpoint([](int number, int times, const Json&) {
    Reply reply = right_reply(number);
    reply.resets = times == 0;
    return reply;
  });
  const TeacherReport report = taught(5, settings(endpoint));
  EXPECT_EQ(report.kept, 5);
  EXPECT_EQ(report.ledger.attempts, 10);
  EXPECT_EQ(endpoint.num_asked(), 10);
}

TEST_F(TeacherTest, OtherQuestionsNeedAnotherPlace) {
  Endpoint endpoint([](int number, int, const Json&) { return right_reply(number); });
  TeacherSettings settings = this->settings(endpoint);
  taught(2, settings);
  settings.system = "Think.";
  settings.fleet.chat.extra = {{"temperature", 0.5}};
  const std::string text = said(2, settings);
  EXPECT_NE(text.find("system: \"\" there, \"Think.\" here"), std::string::npos) << text;
  EXPECT_NE(text.find("extra: {} there"), std::string::npos) << text;
  EXPECT_EQ(endpoint.num_asked(), 2);
}

TEST_F(TeacherTest, TwoProblemsOfOneNameAreRefused) {
  Endpoint endpoint([](int number, int, const Json&) { return right_reply(number); });
  std::vector<data::Problem> twice = problems(2);
  twice.push_back(twice[0]);  // the same again is the same
  EXPECT_EQ(Teacher(twice, settings(endpoint), files(), monitor_).report().problems, 2);
  twice[1].id = "p0";
  EXPECT_NE(testing::error_text([&] {
              Teacher(twice, settings(endpoint), files(), monitor_);
            }).find("has the id \"p0\" already"),
            std::string::npos);
}

// What a batch service gives back of the lines of a file.
class Service {
 public:
  explicit Service(const std::filesystem::path& written) {
    for (const std::string& line : testing::lines_of(read_file(written)))
      lines_.push_back(parse_json(line, "batch"));
  }
  std::string result(size_t at, int answer_off = 0) const {
    const Json& body = lines_[at]["body"];
    const std::string question = body["messages"].back()["content"];
    const int number = std::stoi(question.substr(question.find("is ") + 3));
    return dump_json({{"id", "batch_req_1"},
                      {"custom_id", lines_[at]["custom_id"]},
                      {"response",
                       {{"status_code", 200},
                        {"body", Endpoint::whole(right_reply(number + answer_off), body)}}},
                      {"error", nullptr}}) +
           "\n";
  }
  std::string error(size_t at, int status) const {
    return dump_json(
               {{"custom_id", lines_[at]["custom_id"]},
                {"response", {{"status_code", status}, {"body", {{"error", {{"message", "no"}}}}}}},
                {"error", nullptr}}) +
           "\n";
  }
  std::string expired(size_t at) const {
    return dump_json({{"custom_id", lines_[at]["custom_id"]},
                      {"response", nullptr},
                      {"error", {{"code", "batch_expired"}, {"message", "expired"}}}}) +
           "\n";
  }
  size_t size() const { return lines_.size(); }
  const Json& line(size_t at) const { return lines_[at]; }

 private:
  std::vector<Json> lines_;
};

TEST_F(TeacherTest, BatchFilesGoOutAndComeBackInAnyOrder) {
  Endpoint endpoint([](int number, int, const Json&) { return right_reply(number); });
  TeacherSettings settings = this->settings(endpoint);
  settings.prices = prices();
  const std::filesystem::path batch = folder_ / "batch.jsonl";
  {
    Teacher teacher(problems(10), settings, files(), monitor_);
    const std::vector<BatchFile> written = write_batch(teacher, batch, {.lines = 4});
    ASSERT_EQ(written.size(), 3u);
    EXPECT_EQ(written[0].file.filename(), "batch-0001.jsonl");
    EXPECT_EQ(written[2].lines, 2);
    EXPECT_EQ(teacher.report().written, 10);
    EXPECT_GT(teacher.report().ledger.written, 0);
    EXPECT_TRUE(write_batch(teacher, folder_ / "more.jsonl").empty());  // nothing is left to ask
  }
  const Service one(folder_ / "batch-0001.jsonl"), two(folder_ / "batch-0002.jsonl"),
      three(folder_ / "batch-0003.jsonl");
  EXPECT_EQ(one.line(0)["method"], "POST");
  EXPECT_EQ(one.line(0)["url"], "/v1/chat/completions");
  EXPECT_FALSE(one.line(0)["body"].contains("stream"));
  EXPECT_EQ(one.line(0)["body"]["model"], "teacher");
  // Shuffled, one missing, one expired, one refused, two twice (one of them otherwise), two unknown,
  // one broken.
  write_file_atomic(folder_ / "out.jsonl",
                    two.result(2) + one.result(3) + one.result(0) + "{\"custom_id\": 5}\n" +
                        two.result(0) + one.result(3) + three.result(0) + one.result(0, 5) +
                        "{\"custom_id\":\"x-1\",\"error\":null,\"response\":{\"body\":{}}}\n" +
                        one.result(2));
  write_file_atomic(folder_ / "errors.jsonl", two.expired(1) + two.error(3, 400) + "{\n");
  Teacher teacher(problems(10), settings, files(), monitor_);
  const BatchAccount account =
      read_batch(teacher, {folder_ / "errors.jsonl", folder_ / "out.jsonl"}, monitor_);
  EXPECT_EQ(account.lines, 13);
  EXPECT_EQ(account.answers, 6);
  EXPECT_EQ(account.duplicates, 1);
  EXPECT_EQ(account.differing, 1);
  EXPECT_EQ(account.unknown, 1);
  EXPECT_EQ(account.failed, 1);
  EXPECT_EQ(account.again, 1);
  EXPECT_EQ(account.unreadable, 2);
  TeacherReport report = teacher.report();
  EXPECT_EQ(report.kept, 6);
  EXPECT_EQ(report.written, 2);
  EXPECT_EQ(report.unasked, 1);
  // The rest: what expired now, what is missing because that is said.
  teacher.again({"unread", "failed"});
  ASSERT_EQ(write_batch(teacher, folder_ / "rest.jsonl").size(), 1u);
  const Service rest(folder_ / "rest.jsonl");
  ASSERT_EQ(rest.size(), 4u);
  std::string all;
  for (size_t i = 0; i < rest.size(); ++i) all += rest.result(i);
  write_file_atomic(folder_ / "rest-out.jsonl", all);
  EXPECT_EQ(read_batch(teacher, {folder_ / "rest-out.jsonl"}, monitor_).answers, 4);
  teacher.write_rows();
  report = teacher.report();
  EXPECT_EQ(report.kept, 10);
  EXPECT_EQ(kept().size(), 10u);
  EXPECT_EQ(report.ledger.written, 0);
  EXPECT_EQ(endpoint.num_asked(), 0);
  // One that comes late was paid as well: it is kept, and is nobody's answer.
  write_file_atomic(folder_ / "late.jsonl", one.result(1));
  EXPECT_EQ(read_batch(teacher, {folder_ / "late.jsonl"}, monitor_).answers, 1);
  EXPECT_EQ(teacher.report().superseded, 1);
  EXPECT_EQ(teacher.report().kept, 10);
}

TEST_F(TeacherTest, WithoutAnAnswerThereAreNoRows) {
  Endpoint endpoint([](int number, int, const Json&) { return right_reply(number); });
  TeacherSettings nobody = settings(endpoint);
  nobody.fleet.servers = {"http://127.0.0.1:9"};
  Teacher teacher(problems(2), nobody, files(), monitor_);
  EXPECT_NE(testing::error_text([&] { teacher.ask(nullptr); }).find("no server answers"),
            std::string::npos);
  teacher.write_rows();
  EXPECT_FALSE(std::filesystem::exists(files().demonstrations));
}

TEST_F(TeacherTest, ABatchFileIsNotWrittenOver) {
  Endpoint endpoint([](int number, int, const Json&) { return right_reply(number); });
  Teacher teacher(problems(2), settings(endpoint), files(), monitor_);
  write_file_atomic(folder_ / "batch.jsonl", "precious\n");
  EXPECT_NE(testing::error_text([&] {
              write_batch(teacher, folder_ / "batch.jsonl");
            }).find("is there already"),
            std::string::npos);
  EXPECT_EQ(read_file(folder_ / "batch.jsonl"), "precious\n");
  EXPECT_EQ(teacher.report().written, 0);
}

TEST_F(TeacherTest, ABatchKeepsWithinTheBudget) {
  Endpoint endpoint([](int number, int, const Json&) { return right_reply(number); });
  TeacherSettings settings = this->settings(endpoint);
  settings.prices = prices();
  settings.budget = *amount_from_text("0.0070");  // .00204 a request at the most
  Teacher teacher(problems(9), settings, files(), monitor_);
  EXPECT_EQ(write_batch(teacher, folder_ / "batch.jsonl").at(0).lines, 3);
  EXPECT_LE(teacher.report().ledger.written, *settings.budget);
}

}  // namespace
}  // namespace ponder::teach
