// What a real vLLM was asked and said: tests/golden/vllm.
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
#include "testing/folders.h"

namespace ponder::fleet {
namespace {

constexpr ServerKind kKind = ServerKind::kVllm;

class Vllm : public ::testing::Test {
 protected:
  const Json& request(const std::string& name) { return rows_.at(name).at("request"); }
  // A stream's, a byte at a time: events may be cut anywhere.
  Answer answer(const std::string& name) {
    AnswerReader reader(kKind, true);
    for (const char byte : rows_.at(name).at("answer").get<std::string>()) reader.push({&byte, 1});
    reader.end();
    EXPECT_TRUE(reader.is_done());
    return reader.answer();
  }
  // What check_tokens finds wrong.
  std::string problem(const std::string& name, const Answer& answer, std::string model = "nano") {
    const std::vector<int32_t> prompt = request(name)["prompt"];
    const auto wrong = check_tokens(
        answer, {kKind, std::move(model), prompt, text_.stop_ids(), &text_.tokenizer()});
    return wrong ? wrong->what() : "";
  }

  const std::map<std::string, Json> rows_ = recorded_exchanges("tests/golden/vllm/exchanges.jsonl");
  const data::ModelText text_{testing::source_dir() / "models/nano-base"};
};

// A change of what is asked is to be recorded anew.
TEST_F(Vllm, IsAskedWhatWasRecorded) {
  rollout::CompletionRequest asked;
  asked.prompt_ids = text_.prompt_ids("What is 12 + 30?");
  asked.stop_ids = text_.stop_ids();
  asked.sampling.temperature = 0;
  asked.sampling.max_tokens = 16;
  asked.seed_key = {1, "probe", 0};
  EXPECT_EQ(parse_json(dump_json(ask_tokens(kKind, asked, {}, "nano").body), "asked"),
            request("rollout"));
  const std::vector<int32_t> prompt = request("likeliest")["prompt"];
  EXPECT_EQ(parse_json(dump_json(ask_likeliest(kKind, prompt, "nano").body), "asked"),
            request("likeliest"));
}

TEST_F(Vllm, RolloutsThatEndAndAreCut) {
  const Answer ended = answer("ended");
  EXPECT_EQ(answer_end(ended.finish), AnswerEnd::kStop);
  EXPECT_EQ(ended.token_ids.back(), text_.stop_ids().front());
  EXPECT_EQ(ended.model, "nano");
  EXPECT_EQ(problem("ended", ended), "");
  const Answer cut = answer("rollout");
  EXPECT_EQ(problem("rollout", cut), "");
  EXPECT_LE(cut.token_ids.size(), 16u);
  EXPECT_NE(problem("ended", ended, "ponder-0123").find("of model \"nano\", asked was"),
            std::string::npos);
  Answer other = ended;
  other.token_ids[0] += 1;
  EXPECT_NE(problem("ended", other).find("another tokenizer"), std::string::npos);
  Answer another_prompt = ended;
  another_prompt.prompt_ids->back() += 1;
  EXPECT_NE(problem("ended", another_prompt), "");
}

// It stopped within a character, of which its text has nothing.
TEST_F(Vllm, ACharacterThatIsNotWhole) {
  const Answer withheld = answer("withheld");
  EXPECT_EQ(answer_end(withheld.finish), AnswerEnd::kStop);
  std::vector<int32_t> ids = withheld.token_ids;
  ids.pop_back();
  EXPECT_TRUE(text_.tokenizer().decode(ids).ends_with("\xef\xbf\xbd"));
  EXPECT_FALSE(withheld.text.ends_with("\xef\xbf\xbd"));
  EXPECT_EQ(problem("withheld", withheld), "");
  Answer other = withheld;
  other.text.pop_back();
  EXPECT_NE(problem("withheld", other).find("another tokenizer"), std::string::npos);
}

// An answer of which the end is missing is none.
TEST_F(Vllm, AStreamThatIsCut) {
  const auto text = rows_.at("ended")["answer"].get<std::string>();
  AnswerReader reader(kKind, true);
  reader.push(text.substr(0, text.find("finish_reason\":\"stop")));
  EXPECT_THROW(reader.end(), AnswerFailure);
}

TEST_F(Vllm, NamesTheLikeliestTokensByTheirIds) {
  const Likeliest likeliest = read_likeliest(kKind, rows_.at("likeliest")["answer"]);
  EXPECT_GE(likeliest.logprobs.size(), 5u);
  for (const auto& [token, logprob] : likeliest.logprobs) {
    EXPECT_LE(logprob, likeliest.logprobs.at(likeliest.token)) << token;
    EXPECT_GE(token, 0);
    EXPECT_LT(token, 512);
  }
}

TEST_F(Vllm, SaysItsModelsAndWhatItDoesNotSample) {
  const ServedModel model =
      find_model(rows_.at("models")["answer"], {kKind, "nano", "", "f32"}, "here");
  EXPECT_EQ(model.name, "nano");
  EXPECT_EQ(model.max_model_len, 1024);
  const Json& refused = rows_.at("refused");
  const HttpFailure failure = http_failure(
      refused["status"], {{"content-type", refused["content_type"].get<std::string>()}},
      dump_json(refused["answer"]), 0);
  EXPECT_NE(failure.message.find("temperature must be in [0, 2]"), std::string::npos)
      << failure.message;
  EXPECT_EQ(failure.kind, FailureClass::kNever);
}

}  // namespace
}  // namespace ponder::fleet
