// A double of ponder serve for tests: answers /v1/completions by a rule that is a pure function of the row and
// the token's place, refuses fields it does not know, and breaks answers as it is told.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/philox.h"
#include "testing/byte_tokenizer.h"
#include "testing/scripted_server.h"
#include "tokenizer/tokenizer.h"

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

enum class Fault {
  kNone,
  kBusy,
  kBusyLater,
  kError,
  kHtml,
  kReset,
  kResetInside,
  kCutInside,
  kCutBeforeFinish,
  kNoDone,
  kSilence,
  kErrorEvent,
  kEmpty,
  kNoUsage,
  kRepeatedChunk,
  kAnotherId
};
// Those that change what an answer says: refused for good.
enum class Lie {
  kNone,
  kOneId,
  kNoEndToken,
  kAnotherPrompt,
  kAnotherModel,
  kAnotherArithmetic,
  kCount
};

class FakePonder {
 public:
  explicit FakePonder(std::string model = "ponder-0123456789abcdef")
      : model_(std::move(model)),
        tokenizer_(tokenizer::Tokenizer::parse(testing::byte_tokenizer_json(), "test")),
        server_([this](testing::ScriptedConnection& c) { serve(c); }) {}

  std::string url() const { return server_.url(); }
  // What becomes of the n-th request for a completion.
  std::function<Fault(int)> fault = [](int) { return Fault::kNone; };
  std::function<Lie(int)> lie = [](int) { return Lie::kNone; };
  int64_t length = 0;  // of every row, 0: fake_length
  std::string precision = "f32";
  std::atomic<int> num_asked = 0, num_continued = 0, num_unknown_fields = 0, num_models_asked = 0;
  std::map<Fault, int> faults() {
    const std::lock_guard lock(mutex_);
    return faults_;
  }

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
        if (!complete(c, parse_json(request.substr(request.find("\r\n\r\n") + 4), "request")))
          return;
      } else {
        c.answer(404, "{}");
      }
    }
  }

  // False: the connection ends here.
  bool complete(testing::ScriptedConnection& c, const Json& body) {
    static const std::set<std::string> known = {
        "model",    "prompt", "max_tokens", "temperature",    "top_p",          "top_k",
        "seed",     "n",      "stream",     "stream_options", "stop_token_ids", "return_token_ids",
        "logprobs", "ponder"};
    for (const auto& [key, value] : body.items()) num_unknown_fields += !known.contains(key);
    const int number = num_asked++;
    const Fault fault_now = fault(number);
    const Lie lie_now = lie(number);
    {
      const std::lock_guard lock(mutex_);
      ++faults_[fault_now];
    }
    switch (fault_now) {
      case Fault::kBusy:
        c.answer(429, R"({"error":{"message":"busy"}})");
        return true;
      case Fault::kBusyLater:
        c.answer(503, R"({"error":{"message":"loading"}})", "Retry-After-Ms: 50\r\n");
        return true;
      case Fault::kError:
        c.answer(500, R"({"error":{"message":"oops"}})");
        return true;
      case Fault::kHtml:
        c.answer(200, "<html>gateway</html>");
        return true;
      case Fault::kEmpty:
        c.answer(200, "");
        return true;
      case Fault::kReset:
        c.reset();
        return false;
      default:
        break;
    }
    const std::string problem = body["ponder"]["problem_id"];
    const int sample = body["ponder"]["sample"];
    const int64_t first = body["ponder"].value("position", int64_t{0});
    num_continued += first > 0;
    const int64_t rows = length > 0 ? length : fake_length(problem, sample);
    const int64_t end = std::min<int64_t>(rows, first + body["max_tokens"].get<int64_t>());
    c.begin_stream();
    const int64_t cut = first + (end - first) / 2;
    for (int64_t at = first; at < end;) {
      const int64_t until = std::min(end, at + (length > 0 ? 128 : 3));
      std::vector<int32_t> ids;
      std::vector<float> logprobs;
      std::string text;
      for (; at < until; ++at) {
        const FakeToken token = fake_token(problem, sample, at, rows);
        if (token.id != kEndToken) text += static_cast<char>(token.id);
        ids.push_back(token.id);
        logprobs.push_back(token.logprob);
      }
      if (lie_now == Lie::kOneId && text.size() == ids.size()) ids[0] = ids[0] == 'a' ? 'b' : 'a';
      if (lie_now == Lie::kNoEndToken && ids.back() == kEndToken) {
        ids.pop_back();
        logprobs.pop_back();
      }
      Json prompt = body["prompt"];
      if (lie_now == Lie::kAnotherPrompt) prompt.insert(prompt.begin(), 1);
      Json choice = {{"index", 0},
                     {"text", text},
                     {"token_ids", ids},
                     {"logprobs", {{"token_logprobs", logprobs}}},
                     {"finish_reason", nullptr}};
      if (at <= first + 128) choice["prompt_token_ids"] = prompt;
      const std::string event = event_of(choice, lie_now);
      c.chunk(event);
      if (fault_now == Fault::kRepeatedChunk) c.chunk(event);
      if (fault_now == Fault::kAnotherId)
        c.chunk(R"(data: {"id":"cmpl-9","choices":[{"text":"x","token_ids":[120]}]})"
                "\n\n");
      if (at < cut) continue;
      if (fault_now == Fault::kResetInside) return c.reset(), false;
      if (fault_now == Fault::kCutInside) return c.chunk("data: {\"cho"), false;
      if (fault_now == Fault::kSilence) return c.gone_within(std::chrono::seconds(10)), false;
      if (fault_now == Fault::kErrorEvent) {
        c.chunk("data: {\"error\":{\"message\":\"lost\",\"code\":500}}\n\n");
        return c.end_stream(), true;
      }
    }
    if (fault_now == Fault::kCutBeforeFinish) return c.end_stream(), true;
    const bool stopped = end == rows;
    c.chunk(event_of({{"index", 0}, {"text", ""}, {"finish_reason", stopped ? "stop" : "length"}},
                     lie_now));
    if (fault_now != Fault::kNoUsage) {
      const Json usage = {
          {"prompt_tokens", body["prompt"].size() + (lie_now == Lie::kAnotherPrompt)},
          {"completion_tokens", end - first + (lie_now == Lie::kCount)}};
      c.chunk(fmt::format("data: {}\n\n", dump_json({{"id", "cmpl-1"},
                                                     {"model", name(lie_now)},
                                                     {"system_fingerprint", fingerprint(lie_now)},
                                                     {"choices", Json::array()},
                                                     {"usage", usage}})));
    }
    if (fault_now != Fault::kNoDone) c.chunk("data: [DONE]\n\n");
    c.end_stream();
    return true;
  }

  std::string name(Lie lie_now) const {
    return lie_now == Lie::kAnotherModel ? "last-round" : model_;
  }
  std::string fingerprint(Lie lie_now) const {
    const bool rounded = precision != "f32" || lie_now == Lie::kAnotherArithmetic;
    return fmt::format("ponder-0.0.1-{}{}", sha256_.substr(0, 16), rounded ? "-bf16" : "");
  }
  std::string event_of(const Json& choice, Lie lie_now) const {
    return fmt::format("data: {}\n\n", dump_json({{"id", "cmpl-1"},
                                                  {"model", name(lie_now)},
                                                  {"system_fingerprint", fingerprint(lie_now)},
                                                  {"choices", {choice}}}));
  }

 public:
  static inline const std::string sha256_ = "0123456789abcdef0123456789abcdef";

 private:
  std::string model_;
  std::mutex mutex_;
  std::map<Fault, int> faults_;
  tokenizer::Tokenizer tokenizer_;
  testing::ScriptedServer server_;
};

}  // namespace ponder::fleet
