#include "fleet/answer_excerpt.h"

#include <algorithm>

#include "base/json.h"
#include "fleet/fleet_fixture.h"

namespace ponder::fleet {
namespace {

TEST(AnswerExcerpt, HasWhatCame) {
  EXPECT_EQ(answer_excerpt({}), "");
  Answer answer;
  answer.text = "so";
  answer.token_ids = {7, 8};
  answer.prompt_ids = {1, 2, 3};
  answer.finish = "stop";
  answer.model = "m";
  answer.usage = {3, 2};
  EXPECT_EQ(answer_excerpt(answer),
            R"({"text":"so","token_ids":[7,8],"prompt_token_ids":[1,2,3],"finish_reason":"stop",)"
            R"("model":"m","usage":{"prompt_tokens":3,"completion_tokens":2}})");
}

TEST(AnswerExcerpt, OfLongOnesHasBothEnds) {
  Answer answer;
  for (int i = 0; i < 100'000; ++i) {
    answer.text += "\xE2\x88\x9A";  // of three bytes: ends fall within one
    answer.token_ids.push_back(i);
  }
  answer.text = "a" + answer.text + "z";
  const std::string excerpt = answer_excerpt(answer);
  EXPECT_LT(excerpt.size(), 20'000u);
  const Json json = parse_json(excerpt, "excerpt");
  const std::string text = json["text"];
  EXPECT_TRUE(text.starts_with("a\xE2\x88\x9A") && text.ends_with("\xE2\x88\x9Az"));
  const size_t mark = text.find("\n[... ");
  ASSERT_NE(mark, std::string::npos);
  const size_t behind = text.find(" bytes ...]\n");
  ASSERT_NE(behind, std::string::npos);
  const size_t left_out = std::stoul(text.substr(mark + 6));
  EXPECT_EQ(mark + left_out + text.size() - (behind + 12), answer.text.size());
  ASSERT_EQ(json["token_ids"].size(), 1024u);
  EXPECT_EQ(json["token_ids"][511], 511);
  EXPECT_EQ(json["token_ids"][512], 100'000 - 512);
  EXPECT_EQ(json["left_out"], Json({{"token_ids", 100'000 - 1024}}));
}

// Of those that will not be asked for again.
class Refusals : public AttemptKeeper {
 public:
  void sending(const rollout::CompletionRequest&, int64_t, const std::string&) override {}
  int64_t answered(const std::string&, const Answer&, int64_t) override { return 0; }
  void failed(const std::string&, const Failed& failure) override {
    EXPECT_EQ(failure.again, failure.answer.empty());
    if (!failure.again) answers.push_back(failure.answer);
  }
  void keep() override {}
  std::vector<std::string> answers;
};

class RefusedAnswers : public FleetTest {};

TEST_F(RefusedAnswers, AreToldOnceTheyAreNotAskedForAgain) {
  FakePonder server;
  for (const auto fault :
       {testing::Fault::kOneId, testing::Fault::kAnotherModel, testing::Fault::kCountOff}) {
    const testing::FaultProxy proxy(server.port(), always(fault));
    Refusals refusals;
    FleetOptions with = options(proxy);
    with.keeper = &refusals;
    Fleet fleet(&tokenizer_, with, monitor_);
    answers(fleet, 1, 1);
    ASSERT_EQ(refusals.answers.size(), 1u) << to_string(fault);
    const Json answer = parse_json(refusals.answers[0], "answer");
    EXPECT_EQ(answer["model"] != "ponder-0123456789abcdef", fault == testing::Fault::kAnotherModel);
    EXPECT_EQ(answer["prompt_token_ids"], Json({'a', 's', 'k'}));
    EXPECT_FALSE(answer["token_ids"].empty());
    EXPECT_EQ(answer["finish_reason"], "stop");
  }
}

}  // namespace
}  // namespace ponder::fleet
