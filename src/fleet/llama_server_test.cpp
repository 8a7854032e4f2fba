// What a real llama-server was asked and said: tests/golden/llama_server.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "data/model_text.h"
#include "fleet/answer.h"
#include "fleet/canary.h"
#include "fleet/exchanges_fixture.h"
#include "fleet/models.h"
#include "fleet/server_check.h"
#include "testing/folders.h"
#include "testing/scripted_server.h"

namespace ponder::fleet {
namespace {

constexpr ServerKind kKind = ServerKind::kLlamaServer;

class LlamaServer : public ::testing::Test {
 protected:
  const Json& request(const std::string& name) { return rows_.at(name).at("request"); }
  const Json& said(const std::string& name) { return rows_.at(name).at("answer"); }
  Answer answer(const std::string& name) {
    AnswerReader reader(kKind, false);
    reader.push(dump_json(said(name)));
    reader.end();
    return reader.answer();
  }
  // What check_tokens finds wrong.
  std::string problem(const std::string& name, const Answer& answer, std::string model = "nano") {
    const std::vector<int32_t> prompt = request(name)["prompt"];
    const auto wrong =
        check_tokens(answer, {kKind, std::move(model), prompt, stop_ids_, &text_.tokenizer()});
    return wrong ? wrong->what() : "";
  }

  const std::map<std::string, Json> rows_ =
      recorded_exchanges("tests/golden/llama_server/exchanges.jsonl");
  const data::ModelText text_{testing::source_dir() / "models/nano-base"};
  const std::vector<int32_t>& stop_ids_ = text_.stop_ids();
};

// A change of what is asked is to be recorded anew.
TEST_F(LlamaServer, IsAskedWhatWasRecorded) {
  const Json& recorded = request("rollout");
  rollout::CompletionRequest asked;
  asked.prompt_ids = text_.prompt_ids("What is 12 + 30?");
  asked.sampling.temperature = 0;
  asked.sampling.max_tokens = 16;
  asked.seed_key = {1, "probe", 0};
  EXPECT_EQ(parse_json(dump_json(ask_tokens(kKind, asked, {}, "nano").body), "asked"), recorded);
  const Json& likeliest = request("likeliest");
  const std::vector<int32_t> prompt = likeliest["prompt"];
  EXPECT_EQ(parse_json(dump_json(ask_likeliest(kKind, prompt, "nano").body), "asked"), likeliest);
}

TEST_F(LlamaServer, RolloutsThatEndAndAreCut) {
  const Answer ended = answer("ended");
  EXPECT_EQ(answer_end(ended.finish), AnswerEnd::kStop);
  EXPECT_EQ(ended.token_ids.back(), stop_ids_.front());
  EXPECT_EQ(ended.model, "nano");
  EXPECT_EQ(problem("ended", ended), "");
  const Answer cut = answer("context full");
  EXPECT_EQ(answer_end(cut.finish), AnswerEnd::kLength);
  EXPECT_EQ(problem("context full", cut), "");
  EXPECT_EQ(problem("rollout", answer("rollout")), "");
  EXPECT_NE(problem("ended", ended, "ponder-0123").find("of model \"nano\", asked was"),
            std::string::npos);
  Answer other = ended;
  other.token_ids[0] += 1;
  EXPECT_NE(problem("ended", other).find("another tokenizer"), std::string::npos);
}

// They are not in its text: its ids say where they stand.
TEST_F(LlamaServer, ThoughtsInSpecialTokens) {
  const Answer thought = answer("thought in special tokens");
  EXPECT_EQ(thought.text.find("<|begin_of_thought|>"), std::string::npos);
  EXPECT_NE(text_.tokenizer().decode(thought.token_ids).find("<|begin_of_thought|>"),
            std::string::npos);
  EXPECT_EQ(problem("thought in special tokens", thought), "");
  // Started with --special it shows them, and the end token.
  Answer shown = thought;
  shown.text = text_.tokenizer().decode(thought.token_ids);
  EXPECT_EQ(problem("thought in special tokens", shown), "");
  Answer other = thought;
  other.text.pop_back();
  EXPECT_NE(problem("thought in special tokens", other), "");
}

// "<|endoftext|>", which is no end of this model.
TEST_F(LlamaServer, EndsThatAreNotTheModelsAreBelieved) {
  const Answer end = answer("another end");
  EXPECT_EQ(answer_end(end.finish), AnswerEnd::kStop);
  EXPECT_EQ(text_.tokenizer().token_bytes(end.token_ids.back()), "<|endoftext|>");
  EXPECT_EQ(problem("another end", end), "");
  Answer word = end;  // a stop string of the server's own
  word.finish = "word";
  word.stop_reason = "e";
  EXPECT_NE(problem("another end", word).find("stopped at \"e\", a stop string"),
            std::string::npos);
}

TEST_F(LlamaServer, AContextThatIsJustLongEnough) {
  const Answer full = answer("context full");
  EXPECT_EQ(full.stop_reason, "truncated");
  EXPECT_EQ(static_cast<int64_t>(full.token_ids.size()), request("context full")["n_predict"]);
  EXPECT_EQ(problem("context full", full), "");
  EXPECT_EQ(answer("ended").stop_reason, "");
}

TEST_F(LlamaServer, Errors) {
  const auto failure = [&](const std::string& name) {
    return http_failure(rows_.at(name)["status"], {}, dump_json(said(name)), 0);
  };
  EXPECT_EQ(failure("key").kind, FailureClass::kStop);
  EXPECT_EQ(failure("key").message, "status 401: Invalid API Key");
  EXPECT_EQ(failure("context too short").kind, FailureClass::kNever);
  EXPECT_NE(failure("context too short").message.find("exceeds the available context size"),
            std::string::npos);
}

TEST_F(LlamaServer, TheLikeliestTokens) {
  const Likeliest likeliest = read_likeliest(kKind, said("likeliest"));
  EXPECT_EQ(likeliest.logprobs.size(), 5u);
  for (const auto& [token, logprob] : likeliest.logprobs)
    EXPECT_LE(logprob, likeliest.logprobs.at(likeliest.token));
}

TEST_F(LlamaServer, ItsModelAndItsRoom) {
  const ServedModel model = find_model(said("models"), {kKind, "", ""}, "http://a");
  EXPECT_EQ(model.name, "nano");
  EXPECT_EQ(model.max_model_len, 1024);
}

// What `fleet check` says of a server that answers as recorded, but for its tokens of texts, which are ours.
std::map<std::string, CheckRow> checked(const data::ModelText& text,
                                        const std::map<std::string, Json>& rows, bool key) {
  const testing::ScriptedServer server([&](testing::ScriptedConnection& c) {
    for (std::string request; !(request = c.read_request()).empty();) {
      const size_t path = request.find(' ') + 1;
      const std::string name = request.substr(path, request.find(' ', path) - path);
      if (name == "/health") {
        c.answer(200, dump_json(rows.at("health")["answer"]));
      } else if (!key) {
        c.answer(401, dump_json(rows.at("key")["answer"]));
      } else if (name == "/v1/models") {
        c.answer(200, dump_json(rows.at("models")["answer"]));
      } else if (name == "/apply-template") {
        c.answer(200, dump_json(rows.at("apply-template")["answer"]));
      } else {
        const Json body = parse_json(request.substr(request.find("\r\n\r\n") + 4), "request");
        const std::string content = body["content"];
        c.answer(200, dump_json({{"tokens", text.tokenizer().encode(content)}}));
      }
    }
  });
  FleetOptions options;
  options.kind = kKind;
  std::map<std::string, CheckRow> found;
  for (const CheckRow& row : check_server(server.url(), options, &text)) found[row.check] = row;
  return found;
}

TEST_F(LlamaServer, IsCheckedKeyTokenizerAndTemplate) {
  const auto found = checked(text_, rows_, true);
  for (const char* name : {"reached", "key", "model", "tokenizer", "template"}) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_EQ(found.at(name).result, CheckRow::Result::kOk)
        << name << ": " << found.at(name).detail;
  }
  std::map<std::string, Json> other = rows_;
  other["apply-template"]["answer"]["prompt"] = "What is 12 + 30?";
  EXPECT_EQ(checked(text_, other, true).at("template").result, CheckRow::Result::kWarning);
}

// Its health is told without one.
TEST_F(LlamaServer, AKeyThatIsNotTakenIsSaid) {
  const auto found = checked(text_, rows_, false);
  EXPECT_EQ(found.at("reached").result, CheckRow::Result::kOk);
  EXPECT_EQ(found.at("key").result, CheckRow::Result::kFailed);
  EXPECT_FALSE(found.contains("model"));
}

}  // namespace
}  // namespace ponder::fleet
