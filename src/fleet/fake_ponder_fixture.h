// A double of ponder serve for tests: answers /v1/completions by a rule that is a pure function of the row and
// the token's place, and counts fields it does not know. What goes wrong is a FaultProxy's in front of it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/philox.h"
#include "testing/scripted_server.h"

namespace ponder::fleet {

inline constexpr int32_t kEndToken = 259;  // <|im_end|> of the byte tokenizer

struct FakeToken {
  int32_t id = 0;
  float logprob = 0;
};
// The token at a place of a row; the row's length is a function of it too.
inline int64_t fake_length(const std::string& problem, int sample) {
  return 3 + static_cast<int64_t>(
                 Random(1, stable_hash64(problem)).below(static_cast<uint64_t>(sample), 60));
}
inline FakeToken fake_token(const std::string& problem, int sample, int64_t at, int64_t length) {
  const Random random(2, stable_hash64(problem) + static_cast<uint64_t>(sample));
  const auto place = static_cast<uint64_t>(at);
  const auto logprob = static_cast<float>(-3 * random.uniform(2 * place));
  if (at + 1 == length) return {kEndToken, logprob};
  return {static_cast<int32_t>('a' + random.below(2 * place + 1, 26)), logprob};
}

class FakePonder {
 public:
  explicit FakePonder(std::string model = "ponder-0123456789abcdef")
      : model_(std::move(model)), server_([this](testing::ScriptedConnection& c) { serve(c); }) {}

  std::string url() const { return server_.url(); }
  uint16_t port() const { return server_.port(); }
  int64_t length = 0;  // of every row, 0: fake_length
  std::string precision = "f32";
  std::atomic<int> num_asked = 0, num_continued = 0, num_unknown_fields = 0, num_models_asked = 0;

 private:
  void serve(testing::ScriptedConnection& c) {
    for (std::string request; !(request = c.read_request()).empty();) {
      if (request.starts_with("GET /v1/models ")) {
        ++num_models_asked;
        c.answer(
            200,
            fmt::format(
                R"({{"data":[{{"id":"{}","model_sha256":"{}","precision":"{}","max_model_len":8192}}]}})",
                model_, sha256_, precision));
      } else if (request.starts_with("POST /v1/completions ")) {
        complete(c, parse_json(request.substr(request.find("\r\n\r\n") + 4), "request"));
      } else {
        c.answer(404, "{}");
      }
    }
  }

  void complete(testing::ScriptedConnection& c, const Json& body) {
    static const std::set<std::string> known = {
        "model",    "prompt", "max_tokens", "temperature",    "top_p",          "top_k",
        "seed",     "n",      "stream",     "stream_options", "stop_token_ids", "return_token_ids",
        "logprobs", "ponder"};
    for (const auto& [key, value] : body.items()) num_unknown_fields += !known.contains(key);
    ++num_asked;
    const std::string problem = body["ponder"]["problem_id"];
    const int sample = body["ponder"]["sample"];
    const int64_t first = body["ponder"].value("position", int64_t{0});
    num_continued += first > 0;
    const int64_t rows = length > 0 ? length : fake_length(problem, sample);
    const int64_t end = std::min<int64_t>(rows, first + body["max_tokens"].get<int64_t>());
    // The end token comes with the finish reason.
    const int64_t shown = end == rows ? end - 1 : end;
    c.begin_stream();
    for (int64_t at = first; at < end;) {
      const int64_t until = at < shown ? std::min(shown, at + (length > 0 ? 128 : 3)) : end;
      std::vector<int32_t> ids;
      std::vector<float> logprobs;
      std::string text;
      for (; at < until; ++at) {
        const FakeToken token = fake_token(problem, sample, at, rows);
        if (token.id != kEndToken) text += static_cast<char>(token.id);
        ids.push_back(token.id);
        logprobs.push_back(token.logprob);
      }
      Json choice = {{"index", 0},
                     {"text", text},
                     {"token_ids", ids},
                     {"first_token", until - first - static_cast<int64_t>(ids.size())},
                     {"logprobs", {{"token_logprobs", logprobs}}},
                     {"finish_reason", nullptr}};
      if (choice["first_token"] == 0) choice["prompt_token_ids"] = body["prompt"];
      if (at == end) choice["finish_reason"] = end == rows ? "stop" : "length";
      c.chunk(event_of({{"choices", {choice}}}));
    }
    c.chunk(event_of(
        {{"choices", Json::array()},
         {"usage",
          {{"prompt_tokens", body["prompt"].size()}, {"completion_tokens", end - first}}}}));
    c.chunk("data: [DONE]\n\n");
    c.end_stream();
  }

  std::string event_of(const Json& what) const {
    Json event = {{"id", "cmpl-1"},
                  {"model", model_},
                  {"system_fingerprint", fmt::format("ponder-0.0.1-{}{}", sha256_.substr(0, 16),
                                                     precision == "f32" ? "" : "-bf16")}};
    event.update(what);
    return fmt::format("data: {}\n\n", dump_json(event));
  }

 public:
  static inline const std::string sha256_ = "0123456789abcdef0123456789abcdef";

 private:
  std::string model_;
  testing::ScriptedServer server_;
};

}  // namespace ponder::fleet
