// A fleet of servers that are no ponder serve.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
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
    FleetOptions of_kind = options_of({server.url()});
    of_kind.kind = kind;
    of_kind.served_model = "m";
    Fleet fleet(&tokenizer_, of_kind, monitor_);
    rollout::CompletionRequest asked = request("p0", 0, static_cast<int>(ids.size()));
    asked.want_logprobs = false;
    fleet.submit(asked);
    while (true) {
      for (auto& event : fleet.poll(milliseconds(500))) {
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

}  // namespace
}  // namespace ponder::fleet
