// A fleet of servers that are no ponder serve.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "fleet/fleet_fixture.h"
#include "testing/scripted_server.h"

namespace ponder::fleet {
namespace {

using std::chrono::milliseconds;

// A server of another kind: the same answer to whatever it is asked, by stream or as a whole.
void serve_ids(testing::ScriptedConnection& c, ServerKind kind, const std::vector<int32_t>& ids,
               const std::string& finish) {
  const std::string text(ids.begin(), ids.end());  // of bytes
  for (std::string request; !(request = c.read_request()).empty();) {
    if (request.starts_with("GET ")) {
      c.answer(200, R"({"data":[{"id":"m"}]})");
    } else if (kind == ServerKind::kSglang) {
      Json triples = Json::array();
      for (const int32_t id : ids) triples.push_back({-0.5, id, nullptr});
      c.answer(200, dump_json({{"text", text},
                               {"meta_info",
                                {{"id", "r"},
                                 {"finish_reason", {{"type", finish}}},
                                 {"prompt_tokens", 3},
                                 {"completion_tokens", ids.size()},
                                 {"output_token_logprobs", triples}}}}));
    } else {
      c.begin_stream();
      const auto event = [&](Json what) {
        what.update({{"id", "cmpl-1"}, {"model", "m"}});
        c.chunk("data: " + dump_json(what) + "\n\n");
      };
      for (size_t i = 0; i < ids.size(); ++i) {
        Json choice = {{"text", text.substr(i, 1)}, {"token_ids", {ids[i]}}};
        if (i == 0) choice["prompt_token_ids"] = {'a', 's', 'k'};
        if (i + 1 == ids.size()) choice["finish_reason"] = finish;
        event({{"choices", {choice}}});
      }
      event({{"choices", Json::array()},
             {"usage", {{"prompt_tokens", 3}, {"completion_tokens", ids.size()}}}});
      c.chunk("data: [DONE]\n\n");
      c.end_stream();
    }
  }
}

class FleetOfOthers : public FleetTest {
 protected:
  std::variant<data::Completion, rollout::Failure> answer_of(ServerKind kind,
                                                             const std::vector<int32_t>& ids,
                                                             const std::string& finish) {
    const testing::ScriptedServer server(
        [&](testing::ScriptedConnection& c) { serve_ids(c, kind, ids, finish); });
    return answer_from(server, kind, static_cast<int>(ids.size()));
  }
  // Of a llama-server that answers each prompt so.
  std::variant<data::Completion, rollout::Failure> answer_by(
      const std::function<Json(const std::vector<int32_t>&)>& answer) {
    const testing::ScriptedServer server([&](testing::ScriptedConnection& c) {
      for (std::string request; !(request = c.read_request()).empty();) {
        if (request.starts_with("GET ")) {
          c.answer(200, R"({"data":[{"id":"m","owned_by":"llamacpp"}]})");
        } else {
          const Json body = parse_json(request.substr(request.find("\r\n\r\n") + 4), "request");
          c.answer(200, dump_json(answer(body["prompt"])));
        }
      }
    });
    return answer_from(server, ServerKind::kLlamaServer, kMostTokens);
  }
  static constexpr int kMostTokens = 8;

 private:
  std::variant<data::Completion, rollout::Failure> answer_from(
      const testing::ScriptedServer& server, ServerKind kind, int max_tokens) {
    FleetOptions of_kind = options_of({server.url()});
    of_kind.kind = kind;
    of_kind.served_model = "m";
    Fleet fleet(&tokenizer_, of_kind, monitor_);
    rollout::CompletionRequest asked = request("p0", 0, max_tokens);
    asked.want_logprobs = false;
    fleet.submit(asked);
    while (true) {
      for (auto& event : fleet.poll(milliseconds(500))) {
        if (!rollout::ends_request(event)) continue;
        if (auto* failure = std::get_if<rollout::Failure>(&event.what)) return *failure;
        return std::get<data::Completion>(event.what);
      }
    }
  }
};

TEST_F(FleetOfOthers, ALoopEndsWhereTheEngineWouldEndItStreamedOrNot) {
  std::vector<int32_t> ids;
  for (int i = 0; i < 40; ++i) ids.push_back('A' + i % 26 + i / 26);
  while (ids.size() < 600) ids.push_back("abcdefg"[ids.size() % 7]);
  size_t end = 1;
  while (!rollout::is_repetition(std::span(ids).first(end), rollout::RepetitionRule())) ++end;
  ASSERT_LT(end, 400u);
  for (const ServerKind kind : {ServerKind::kVllm, ServerKind::kSglang}) {
    const auto said = answer_of(kind, ids, "length");
    ASSERT_TRUE(std::holds_alternative<data::Completion>(said))
        << std::get<rollout::Failure>(said).message;
    const auto& made = std::get<data::Completion>(said);
    EXPECT_EQ(made.finish_reason, data::FinishReason::kRepetition);
    EXPECT_EQ(*made.token_ids,
              std::vector<int32_t>(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(end)));
    EXPECT_EQ(made.text, std::string(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(end)));
  }
}

// llama-server's answer to a prompt, as it says it.
Json whole_answer(const std::vector<int32_t>& prompt, const std::string& text,
                  const std::vector<int32_t>& ids, const std::string& end, bool full = false) {
  return {{"content", text},
          {"tokens", ids},
          {"stop", true},
          {"model", "m"},
          {"stop_type", end},
          {"stopping_word", ""},
          {"truncated", full},
          {"tokens_evaluated", prompt.size()},
          {"tokens_predicted", ids.size()}};
}

TEST_F(FleetOfOthers, WhatLlamaServerEndsAtAnotherEndGoesOnBehindIt) {
  constexpr int32_t kOtherEnd = 258;
  std::vector<std::vector<int32_t>> prompts;
  const auto said = answer_by([&](const std::vector<int32_t>& prompt) {
    prompts.push_back(prompt);
    if (prompts.size() == 1) return whole_answer(prompt, "so", {'s', 'o', kOtherEnd}, "eos");
    return whole_answer(prompt, "on", {'o', 'n', kEndToken}, "eos");
  });
  ASSERT_TRUE(std::holds_alternative<data::Completion>(said))
      << std::get<rollout::Failure>(said).message;
  const auto& made = std::get<data::Completion>(said);
  EXPECT_EQ(*made.token_ids, (std::vector<int32_t>{'s', 'o', kOtherEnd, 'o', 'n', kEndToken}));
  EXPECT_EQ(made.text, "so<|im_start|>on");
  EXPECT_EQ(made.finish_reason, data::FinishReason::kStop);
  EXPECT_EQ(prompts, (std::vector<std::vector<int32_t>>{{'a', 's', 'k'},
                                                        {'a', 's', 'k', 's', 'o', kOtherEnd}}));
}

TEST_F(FleetOfOthers, AContextIsFullWhereTokensAreMissing) {
  for (const int missing : {0, 1}) {
    const auto said = answer_by([&](const std::vector<int32_t>& prompt) {
      std::vector<int32_t> ids;
      for (int i = 0; i < kMostTokens - missing; ++i) ids.push_back('a' + i);
      const std::string text(ids.begin(), ids.end());
      return whole_answer(prompt, text, ids, "limit", true);
    });
    if (missing == 0) {
      ASSERT_TRUE(std::holds_alternative<data::Completion>(said))
          << std::get<rollout::Failure>(said).message;
      EXPECT_EQ(std::get<data::Completion>(said).finish_reason, data::FinishReason::kLength);
    } else {
      ASSERT_TRUE(std::holds_alternative<rollout::Failure>(said));
      EXPECT_NE(std::get<rollout::Failure>(said).message.find(
                    "context ended before the answer; start it with a longer one (-c)"),
                std::string::npos)
          << std::get<rollout::Failure>(said).message;
    }
  }
}

TEST_F(FleetOfOthers, AForeignEndTokenIsAnErrorByName) {
  for (const ServerKind kind : {ServerKind::kVllm, ServerKind::kSglang}) {
    const auto said = answer_of(kind, {'s', 'o', 'z'}, "stop");
    ASSERT_TRUE(std::holds_alternative<rollout::Failure>(said));
    EXPECT_NE(std::get<rollout::Failure>(said).message.find(
                  "stopped at token 122 (\"z\"), which is no end token of the model"),
              std::string::npos)
        << std::get<rollout::Failure>(said).message;
  }
}

// Of a server that lets requests wait, as vLLM does: how much waits is asked while it works, and its window follows. One
// without metrics is asked once.
TEST_F(FleetOfOthers, AWindowFollowsWhatWaitsAtTheServer) {
  for (const auto& expected : std::vector<std::pair<std::string, int64_t>>{
           {"vllm:num_requests_waiting 1.0\nvllm:num_preemptions_total 5.0\n", 16},
           {"vllm:num_requests_waiting 2.0\nvllm:num_preemptions_total 5.0\n", 14},
           {"vllm:num_requests_waiting 0.0\nvllm:num_preemptions_total COUNT\n", 11},
           {"", 16}}) {
    const std::string& metrics = expected.first;
    std::atomic<int> num_asked = 0;
    std::atomic<bool> go = false;
    const testing::ScriptedServer server([&](testing::ScriptedConnection& c) {
      for (std::string request; !(request = c.read_request()).empty();) {
        if (request.starts_with("GET /metrics")) {
          const int asked = ++num_asked;
          std::string text = metrics;
          if (const size_t at = text.find("COUNT"); at != text.npos)
            text.replace(at, 5, std::to_string(asked));
          metrics.empty() ? c.answer(404, "{}") : c.answer(200, text);
        } else if (request.starts_with("GET ")) {
          c.answer(200, R"({"data":[{"id":"m"}]})");
        } else {
          while (!go) std::this_thread::sleep_for(milliseconds(5));
          return;
        }
      }
    });
    FleetOptions options = options_of({server.url()});
    options.kind = ServerKind::kVllm;
    options.served_model = "m";
    options.load_every = Time(20);
    options.rules.first_window = 16;
    Fleet fleet(&tokenizer_, options, monitor_);
    rollout::CompletionRequest asked = request("p0", 0, 4);
    asked.want_logprobs = false;
    fleet.submit(asked);
    const int enough = metrics.empty() ? 1 : 4;
    for (int i = 0; i < 1000 && num_asked < enough; ++i)
      EXPECT_TRUE(fleet.poll(milliseconds(5)).empty());
    for (int i = 0; i < 20; ++i) fleet.poll(milliseconds(5));
    EXPECT_EQ(fleet.report()["servers"][0]["window"], expected.second) << metrics;
    EXPECT_EQ(num_asked == 1, metrics.empty()) << metrics;
    go = true;
  }
}

}  // namespace
}  // namespace ponder::fleet
