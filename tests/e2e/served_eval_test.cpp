// ponder eval of a model that somebody serves: scores, resumes, and what goes wrong on the way.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "base/file.h"
#include "e2e/ponder.h"
#include "testing/scripted_server.h"

namespace ponder::e2e {
namespace {

constexpr int kProblems = 12;

// A chat endpoint that answers "What is N + 1?", every third time wrongly, with its thought in a field
// of its own.
class ChatEndpoint {
 public:
  ChatEndpoint() : server_([this](testing::ScriptedConnection& c) { serve(c); }) {}
  std::string url() const { return server_.url() + "/v1"; }

  std::atomic<bool> fails = false, html = false, wants_key = false;
  std::atomic<int> stop_after = 1'000'000;  // answers, then silence
  std::map<std::string, int> asked() {      // by question
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  Json last_body() {
    const std::lock_guard lock(mutex_);
    return last_body_;
  }

 private:
  void serve(testing::ScriptedConnection& c) {
    for (std::string request; !(request = c.read_request()).empty();) {
      if (html) {
        c.answer(200, "<!DOCTYPE html><title>Sign in</title>");
      } else if (wants_key &&
                 request.find("Authorization: Bearer r1ght\r\n") == std::string::npos) {
        c.answer(401, R"({"error":{"message":"no such key","code":"invalid_api_key"}})");
      } else if (request.starts_with("GET /v1/models ")) {
        c.answer(200, R"({"object":"list","data":[{"id":"teacher"},{"id":"small"}]})");
      } else if (!answer(c, parse_json(request.substr(request.find("\r\n\r\n") + 4), "request"))) {
        return;
      }
    }
  }

  bool answer(testing::ScriptedConnection& c, const Json& body) {
    const std::string question = body["messages"].back()["content"];
    {
      const std::lock_guard lock(mutex_);
      ++asked_[question];
      last_body_ = body;
    }
    if (fails && question.find("What is 5 ") != std::string::npos)
      return c.answer(400, R"({"error":{"message":"cannot read this"}})"), true;
    if (answered_++ >= stop_after) return c.gone_within(std::chrono::seconds(60)), false;
    const int number = std::stoi(question.substr(question.find("is ") + 3));
    const int said = number % 3 == 0 ? number : number + 1;
    c.begin_stream();
    c.chunk(": waiting\n\n");
    const auto event = [&](const Json& choice) {
      c.chunk("data: " +
              dump_json({{"id", "chatcmpl-1"}, {"model", "teacher-2026"}, {"choices", {choice}}}) +
              "\n\n");
    };
    event({{"index", 0}, {"delta", {{"role", "assistant"}, {"content", nullptr}}}});
    event({{"index", 0}, {"delta", {{"reasoning_content", "one more"}}}});
    event({{"index", 0}, {"delta", {{"content", fmt::format("\\boxed{{{}}}", said)}}}});
    event({{"index", 0}, {"delta", Json::object()}, {"finish_reason", "stop"}});
    c.chunk(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":7}}\n\ndata: "
        "[DONE]\n\n");
    c.end_stream();
    return true;
  }

  std::mutex mutex_;
  std::map<std::string, int> asked_;
  Json last_body_;
  std::atomic<int> answered_ = 0;
  testing::ScriptedServer server_;
};

class ServedEval : public ::testing::Test {
 protected:
  ServedEval() {
    std::string rows;
    for (int i = 0; i < kProblems; ++i)
      rows += fmt::format("{{\"id\":\"p{}\",\"problem\":\"What is {} + 1?\",\"answer\":\"{}\"}}\n",
                          i, i, i + 1);
    write_file_atomic(benchmark_, [&](FileWriter& file) { file.write(rows.data(), rows.size()); });
  }
  std::vector<std::string> arguments(const std::string& url,
                                     std::initializer_list<std::string> more = {}) {
    std::vector<std::string> all =
        command({"eval", "--model", url, "--served-model", "teacher", "--benchmark", benchmark_,
                 "--out", out_, "--json", "--quiet"});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  const testing::TemporaryFolder folder_;
  const std::string benchmark_ = folder_ / "plus.jsonl", out_ = folder_ / "answers.jsonl";
};

TEST_F(ServedEval, ScoresAndKeepsTheAnswers) {
  ChatEndpoint endpoint;
  const testing::Outcome outcome = testing::run(arguments(endpoint.url()));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json score = json_lines(outcome.out).at(0);
  EXPECT_NEAR(score["accuracy"].get<double>(), 8.0 / 12, 1e-9);
  EXPECT_EQ(score["mean_tokens"], 7);
  EXPECT_EQ(endpoint.asked().size(), static_cast<size_t>(kProblems));
  for (const auto& [question, times] : endpoint.asked()) EXPECT_EQ(times, 1) << question;
  const std::vector<Json> rows = json_lines(read_file(out_));
  ASSERT_EQ(rows.size(), static_cast<size_t>(kProblems));
  EXPECT_EQ(rows[1]["thought"], "one more");
  EXPECT_EQ(rows[1]["model"], "teacher");
  EXPECT_EQ(rows[1]["tokens"], 7);
  EXPECT_EQ(rows[1]["verdict"], "correct");
  EXPECT_FALSE(rows[1].contains("token_ids"));
  const Json body = endpoint.last_body();
  EXPECT_EQ(body["model"], "teacher");
  EXPECT_EQ(body["temperature"], 0.0);
  EXPECT_EQ(body["max_tokens"], 32768);
}

TEST_F(ServedEval, SendsWhatTheUserSays) {
  ChatEndpoint endpoint;
  const testing::Outcome outcome = testing::run(
      arguments(endpoint.url(),
                {"--own-sampling", "--max-tokens-field", "max_completion_tokens", "--max-tokens",
                 "500", "--extra", "reasoning_effort=\"high\"", "--limit", "1"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json body = endpoint.last_body();
  EXPECT_FALSE(body.contains("temperature"));
  EXPECT_FALSE(body.contains("max_tokens"));
  EXPECT_EQ(body["max_completion_tokens"], 500);
  EXPECT_EQ(body["reasoning_effort"], "high");
}

TEST_F(ServedEval, GoesOnAfterAKillAndAsksNothingTwice) {
  ChatEndpoint endpoint;
  endpoint.stop_after = 5;
  {
    testing::Process killed(arguments(endpoint.url(), {"--max-inflight", "2"}));
    for (int i = 0; i < 200 && endpoint.asked().size() < 7; ++i)
      EXPECT_FALSE(killed.ended_within(std::chrono::milliseconds(50)));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    killed.signal(SIGKILL);
    killed.wait();
  }
  EXPECT_EQ(endpoint.asked().size(), 7u);  // five answered, two in flight
  endpoint.stop_after = 1'000'000;
  const testing::Outcome outcome = testing::run(arguments(endpoint.url(), {"--max-inflight", "2"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NEAR(json_lines(outcome.out).at(0)["accuracy"].get<double>(), 8.0 / 12, 1e-9);
  EXPECT_EQ(json_lines(outcome.out).at(0)["mean_tokens"], 7);
  int twice = 0;
  for (const auto& [question, times] : endpoint.asked()) twice += times - 1;
  EXPECT_EQ(twice, 2);
}

TEST_F(ServedEval, NoScoreWhileAnAnswerIsMissing) {
  ChatEndpoint endpoint;
  endpoint.fails = true;
  const testing::Outcome outcome = testing::run(arguments(endpoint.url()));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("cannot read this"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("1 of 12"), std::string::npos) << outcome.err;
  endpoint.fails = false;
  const testing::Outcome again = testing::run(arguments(endpoint.url()));
  EXPECT_EQ(again.status, 0) << again.err;
  for (const auto& [question, times] : endpoint.asked())
    EXPECT_EQ(times, question == "What is 5 + 1?" ? 2 : 1) << question;
}

TEST_F(ServedEval, SaysInALineWhatIsWrong) {
  ChatEndpoint endpoint;
  const auto said = [&](const std::vector<std::string>& argv, int status) {
    const testing::Outcome outcome = testing::run(argv);
    EXPECT_EQ(outcome.status, status) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(testing::lines_of(outcome.err).size(), 1u) << outcome.err;
    EXPECT_FALSE(fs::exists(out_));
    return outcome.err;
  };
  const auto holds = [](const std::string& text, const std::string& words) {
    EXPECT_NE(text.find(words), std::string::npos) << text;
  };
  holds(said(command({"eval", "--model", endpoint.url(), "--served-model", "huge", "--benchmark",
                      benchmark_, "--out", out_}),
             1),
        "has no model \"huge\"; it has \"teacher\", \"small\"");
  holds(said(command({"eval", "--model", endpoint.url(), "--benchmark", benchmark_, "--out", out_}),
             1),
        "--served-model");
  holds(said(command({"eval", "--model", endpoint.url(), "--served-model", "teacher", "--benchmark",
                      benchmark_}),
             2),
        "--out");
  holds(said(command({"eval", "--model", endpoint.url(), "--served-model", "teacher", "--benchmark",
                      benchmark_, "--out", out_, "--thought-budgets"}),
             2),
        "--thought-budgets");
  holds(said(arguments(endpoint.url() + "?key=s3cret"), 2), "query");
  holds(said(command({"eval", "--model", folder_.path(), "--server", "models/nano", "--benchmark",
                      benchmark_}),
             1),
        "config.json");
  holds(said(command({"generate", "--model", endpoint.url(), "--prompt", "x"}), 1),
        "is an address");
  holds(said(arguments("http://127.0.0.1:1/v1"), 1), "no server answers");
  endpoint.html = true;
  holds(said(arguments(endpoint.url()), 1), "HTML");
  endpoint.html = false;
  endpoint.wants_key = true;
  holds(said(arguments(endpoint.url()), 1), "--api-key-env NAME");
  ::setenv("PONDER_E2E_KEY", "wr0ng", 1);
  const std::string wrong = said(arguments(endpoint.url(), {"--api-key-env", "PONDER_E2E_KEY"}), 1);
  holds(wrong, "PONDER_E2E_KEY");
  EXPECT_EQ(wrong.find("wr0ng"), std::string::npos);
  ::setenv("PONDER_E2E_KEY", "r1ght", 1);
  const testing::Outcome right =
      testing::run(arguments(endpoint.url(), {"--api-key-env", "PONDER_E2E_KEY"}));
  EXPECT_EQ(right.status, 0) << right.err;
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(read_file(entry.path()).find("r1ght"), std::string::npos) << entry.path();
  }
  ::unsetenv("PONDER_E2E_KEY");
}

}  // namespace
}  // namespace ponder::e2e
