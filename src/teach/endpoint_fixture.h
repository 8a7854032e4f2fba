// A chat endpoint for tests: it answers "What is N + 1?" as a test says, with whatever a paid provider may
// send that ponder serve does not, and takes no request with a field it does not know.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "teach/teacher.h"
#include "testing/scripted_server.h"

namespace ponder::teach {

struct Reply {
  enum class Thought { kReasoningContent, kReasoning, kBoth, kTags, kNone };
  Thought where = Thought::kReasoningContent;
  std::string thought = "one more", content, finish = "stop", refusal;
  int64_t prompt_tokens = 9, completion_tokens = 7, reasoning_tokens = 0, cached_tokens = 0;
  bool with_usage = true;
  int status = 200;
  std::string error, headers;  // of another status
  bool silent = false;         // nothing comes until the client leaves
  bool resets = false;         // the connection ends before a byte has come
};

inline Reply right_reply(int number) {
  Reply reply;
  reply.content = fmt::format("\\boxed{{{}}}", number + 1);
  return reply;
}

class Endpoint {
 public:
  // Given the number of the question, how often it has been asked before, and the request's body.
  using Answers = std::function<Reply(int number, int times, const Json& body)>;
  explicit Endpoint(Answers answers)
      : answers_(std::move(answers)),
        server_([this](testing::ScriptedConnection& c) { serve(c); }) {}

  std::string url() const { return server_.url() + "/v1"; }
  std::map<int, int> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  int num_asked() const {
    const std::lock_guard lock(mutex_);
    int all = 0;
    for (const auto& [number, times] : asked_) all += times;
    return all;
  }
  std::string unknown_field() const {  // the first that came, "" for none
    const std::lock_guard lock(mutex_);
    return unknown_;
  }
  std::vector<Json> bodies() const {
    const std::lock_guard lock(mutex_);
    return bodies_;
  }

  // {"message", "finish_reason"} of a whole answer, as batch services give it.
  static Json whole(const Reply& reply, const Json& body) {
    Json message = {{"role", "assistant"}, {"content", content_of(reply)}};
    put_thought(reply, message);
    if (!reply.refusal.empty()) message["refusal"] = reply.refusal;
    Json answer = {
        {"id", "chatcmpl-7"},
        {"object", "chat.completion"},
        {"model", body["model"].get<std::string>() + "-2026"},
        {"choices", {{{"index", 0}, {"message", message}, {"finish_reason", reply.finish}}}}};
    if (reply.with_usage) answer["usage"] = usage_of(reply);
    return answer;
  }

 private:
  static std::string content_of(const Reply& reply) {
    return reply.where == Reply::Thought::kTags
               ? "<think>\n" + reply.thought + "\n</think>\n\n" + reply.content
               : reply.content;
  }
  static void put_thought(const Reply& reply, Json& message) {
    using Where = Reply::Thought;
    if (reply.thought.empty()) return;
    if (reply.where == Where::kReasoningContent || reply.where == Where::kBoth)
      message["reasoning_content"] = reply.thought;
    if (reply.where == Where::kReasoning || reply.where == Where::kBoth)
      message["reasoning"] = reply.thought;
  }
  static Json usage_of(const Reply& reply) {
    return {{"prompt_tokens", reply.prompt_tokens},
            {"completion_tokens", reply.completion_tokens},
            {"prompt_tokens_details", {{"cached_tokens", reply.cached_tokens}}},
            {"completion_tokens_details", {{"reasoning_tokens", reply.reasoning_tokens}}}};
  }

  void serve(testing::ScriptedConnection& c) {
    for (std::string request; !(request = c.read_request()).empty();) {
      if (request.starts_with("GET /v1/models ")) {
        c.answer(200, R"({"object":"list","data":[{"id":"teacher"}]})");
      } else if (!answer(c, parse_json(request.substr(request.find("\r\n\r\n") + 4), "request"))) {
        return;
      }
    }
  }

  bool answer(testing::ScriptedConnection& c, const Json& body) {
    static const std::set<std::string> known = {
        "model",  "messages",       "max_tokens", "max_completion_tokens", "temperature", "top_p",
        "stream", "stream_options", "seed",       "reasoning_effort"};
    const std::string question = body["messages"].back()["content"];
    const int number = std::stoi(question.substr(question.find("is ") + 3));
    int times = 0;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [key, value] : body.items())
        if (!known.contains(key)) unknown_ = key;
      times = asked_[number]++;
      bodies_.push_back(body);
    }
    if (!unknown_field().empty())
      return c.answer(400, R"({"error":{"message":"unknown field"}})"), true;
    const Reply reply = answers_(number, times, body);
    if (reply.resets) return c.reset(), false;
    if (reply.silent) return c.gone_within(std::chrono::seconds(60)), false;
    if (reply.status != 200) {
      c.answer(reply.status, dump_json({{"error", {{"message", reply.error}}}}), reply.headers);
      return true;
    }
    stream(c, reply, body);
    return true;
  }

  static void stream(testing::ScriptedConnection& c, const Reply& reply, const Json& body) {
    c.begin_stream();
    c.chunk(": waiting\n\n");
    const auto event = [&](Json choice) {
      choice["index"] = 0;
      c.chunk("data: " +
              dump_json({{"id", "chatcmpl-1"},
                         {"model", body["model"].get<std::string>() + "-2026"},
                         {"system_fingerprint", "fp_1"},
                         {"choices", {choice}}}) +
              "\n\n");
    };
    event({{"delta", {{"role", "assistant"}, {"content", nullptr}}}});
    Json thought = Json::object();
    put_thought(reply, thought);
    if (!thought.empty()) event({{"delta", thought}});
    const std::string content = content_of(reply);
    event({{"delta", {{"content", content.substr(0, content.size() / 2)}}}});
    event({{"delta", {{"content", content.substr(content.size() / 2)}}}});
    if (!reply.refusal.empty()) event({{"delta", {{"refusal", reply.refusal}}}});
    event({{"delta", Json::object()}, {"finish_reason", reply.finish}});
    if (reply.with_usage)
      c.chunk("data: " + dump_json({{"choices", Json::array()}, {"usage", usage_of(reply)}}) +
              "\n\n");
    c.chunk("data: [DONE]\n\n");
    c.end_stream();
  }

  mutable std::mutex mutex_;
  std::map<int, int> asked_;
  std::string unknown_;
  std::vector<Json> bodies_;
  Answers answers_;
  testing::ScriptedServer server_;
};

// Problems "What is 0 + 1?" up to `count` - 1, with their answers.
inline std::vector<data::Problem> sums(int count) {
  std::vector<data::Problem> problems;
  for (int i = 0; i < count; ++i) {
    data::Problem& problem = problems.emplace_back();
    problem.id = fmt::format("p{}", i);
    problem.question = fmt::format("What is {} + 1?", i);
    problem.answer = fmt::format("{}", i + 1);
    problem.answer_type = judge::AnswerType::kNumber;
  }
  return problems;
}

// Of a teacher that asks the endpoint and tries again within milliseconds.
inline TeacherSettings settings_for(const Endpoint& endpoint) {
  TeacherSettings settings;
  settings.fleet.kind = fleet::ServerKind::kOpenai;
  settings.fleet.servers = {endpoint.url()};
  settings.fleet.served_model = "teacher";
  settings.fleet.chat.send_sampling = false;
  settings.fleet.rules.first_delay = fleet::Time(1);
  settings.fleet.rules.most_delay = fleet::Time(5);
  settings.max_tokens = 100;
  settings.max_failed = 1;
  return settings;
}

}  // namespace ponder::teach
