// Lengths that follow the model, warnings of limits that cost something, and what stands around the
// question.
#include "pipeline/lengths.h"

#include "pipeline/plan.h"
#include "pipeline/run_fixture.h"
#include "pipeline/stage_inputs.h"
#include "pipeline/stages/kinds.h"
#include "testing/error_text.h"

namespace ponder::pipeline {
namespace {

TEST(Lengths, FollowTheModel) {
  EXPECT_EQ(usual_max_length(131072), 20000);
  EXPECT_EQ(usual_max_length(32768), 20000);
  EXPECT_EQ(usual_max_length(1024), 1024);
  EXPECT_EQ(usual_max_length(0), 20000) << "not known";
  EXPECT_EQ(usual_max_tokens(131072), 32768);
  EXPECT_EQ(usual_max_tokens(32768), 30720);
  EXPECT_EQ(usual_max_tokens(1024), 896);
  EXPECT_EQ(usual_max_tokens(0), 32768);
}

class LengthRuns : public RunTest {
 protected:
  RecipePlan plan(const std::vector<std::string>& set) {
    const Recipe r = recipe(set);
    return plan_recipe(r, read_sources(r), threads_);
  }
};

TEST_F(LengthRuns, ARecipeThatSaysNothingTakesTheModels) {
  std::string text = kRunRecipe;
  for (const char* line : {"max_length = 256\n", "max_tokens = 6\n", "max_tokens = 6\n"})
    text.erase(text.find(line), std::string(line).size());
  write_file_atomic(folder_ / "r.toml", text);
  const Recipe r = recipe();
  EXPECT_EQ(r.max_length, 1024);  // nano-base's positions
  EXPECT_EQ(r.explore.max_tokens, 896);
  EXPECT_EQ(r.evaluate.max_tokens, 896);
  EXPECT_TRUE(plan_recipe(r, read_sources(r), threads_).warnings.empty());
}

TEST_F(LengthRuns, LimitsThatCostSomethingAreWarnedOf) {
  // A demonstration of these teaches some 40 tokens.
  const std::vector<std::string> cut = plan({}).warnings;
  ASSERT_EQ(cut.size(), 2u);
  EXPECT_TRUE(cut[0].starts_with("explore.max_tokens = 6 is less than 6 of 6 demonstrations teach"))
      << cut[0];
  EXPECT_TRUE(cut[1].starts_with("evaluate.max_tokens = 6 is less than 6 of 6")) << cut[1];
  EXPECT_TRUE(plan({"explore.max_tokens=200", "evaluate.max_tokens=200"}).warnings.empty());

  std::string more;
  for (int i = 0; i < 60; ++i) more += "I count on and on. ";
  write_file_atomic(folder_ / "demonstrations.jsonl",
                    read_file(folder_ / "demonstrations.jsonl") +
                        dump_json({{"question", "Long?"}, {"thought", more}, {"solution", "5"}}) +
                        "\n");
  const std::vector<std::string> out =
      plan({"explore.max_tokens=200", "evaluate.max_tokens=200"}).warnings;
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0],
            "max_length = 256 leaves out 1 of 7 demonstrations, the longest ones; the model has "
            "positions for 1024");
}

TEST_F(LengthRuns, RowsLongerThanTheModelAreRefusedBeforeTheFirstStage) {
  std::string more;
  for (int i = 0; i < 400; ++i) more += "I count on and on. ";
  write_file_atomic(
      folder_ / "demonstrations.jsonl",
      dump_json({{"question", "Long?"}, {"thought", more}, {"solution", "5"}}) + "\n");
  const std::string error = testing::error_text([&] { plan({"max_length=20000"}); });
  EXPECT_NE(error.find("the model positions for 1024"), std::string::npos) << error;
  EXPECT_NE(error.find("set max_length = 1024"), std::string::npos) << error;
}

TEST_F(LengthRuns, SettingsOfTheModelThatAreNotUsedAreSaid) {
  write_file_atomic(folder_ / "base/generation_config.json",
                    R"({"temperature": 0.7, "top_p": 0.8, "repetition_penalty": 1.05})");
  const std::vector<std::string> warnings =
      plan({"explore.max_tokens=200", "evaluate.max_tokens=200"}).warnings;
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("temperature 0.7, top_p 0.8, repetition_penalty 1.05: not used"),
            std::string::npos)
      << warnings[0];
}

TEST_F(LengthRuns, WhatWentInIsInThePlanAndInTheResult) {
  const RecipePlan planned = plan({});
  ASSERT_EQ(planned.mixes.size(), 1u);
  ASSERT_EQ(planned.mixes[0].parts.size(), 1u);
  EXPECT_EQ(planned.mixes[0].parts[0].source, "demonstrations");
  EXPECT_EQ(planned.mixes[0].parts[0].rows, 6);
  run(recipe(), "imitate");
  const auto result = pool::result_of<pool::TrainResult>(*pool().stage("imitate"));
  ASSERT_TRUE(result);
  const std::vector<pool::MixPart> parts = pool::mix_from_json(result->mix);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].source, "demonstrations");
  EXPECT_EQ(parts[0].tokens, planned.mixes[0].parts[0].tokens);
  EXPECT_NE(read_file(folder_ / "out/report.html").find("What went in"), std::string::npos);
  EXPECT_NE(read_file(folder_ / "out/log.jsonl").find("imitate: no domain, demonstrations: 6 rows"),
            std::string::npos);
}

TEST_F(LengthRuns, AnInstructionStandsInThePromptOfEveryStage) {
  const Recipe plain = recipe(), own = recipe({"prompt_suffix=' Think.'"}),
               named = recipe({"instruction=still-2"});
  EXPECT_TRUE(named.chat_template.prompt_prefix.starts_with("Your role as an assistant"));
  EXPECT_TRUE(named.chat_template.prompt_prefix.ends_with("through the above guidelines:\n"));
  for (const StageKind* kind : {&kImitate, &kImprove, &kScreen, &kExplore, &kDpo, &kEvaluate}) {
    Stage stage;
    stage.kind = kind;
    EXPECT_NE(keys_of(stage, plain), keys_of(stage, own)) << kind->name;
    EXPECT_NE(keys_of(stage, own), keys_of(stage, named)) << kind->name;
  }
  run(own, "explore-1");
  const tokenizer::Tokenizer tokens = tokenizer::Tokenizer::load(folder_ / "base");
  int seen = 0;
  for (const char* stage : {"evaluate-M0", "screen-1", "explore-1"}) {
    pool().for_each_rollout({.stage = stage}, [&](const pool::StoredRollout& stored) {
      const std::string prompt = tokens.decode(stored.rollout.prompt_ids);
      EXPECT_NE(prompt.find(" Think.<|im_end|>"), std::string::npos) << prompt;
      ++seen;
    });
  }
  EXPECT_GE(seen, 12);
  EXPECT_NE(testing::error_text([&] { recipe({"instruction=still-3"}); }).find("still-2, boxed"),
            std::string::npos);
  EXPECT_NE(testing::error_text([&] {
              recipe({"instruction=boxed", "prompt_prefix=x"});
            }).find("in the place of"),
            std::string::npos);
}

}  // namespace
}  // namespace ponder::pipeline
