// Whole runs in bf16 arithmetic: every stage computes in it, the pool knows it, and numbers of two
// arithmetics are not taken for one another.
#include <map>

#include "generate/scorer.h"
#include "model/decoder.h"
#include "pipeline/candidates.h"
#include "pipeline/plan.h"
#include "pipeline/run_fixture.h"
#include "pipeline/stage_inputs.h"
#include "testing/error_text.h"
#include "testing/same_bits.h"

namespace ponder::pipeline {
namespace {

using tensor::Precision;

const std::vector<std::string> kBf16 = {"precision=bf16"};

TEST_F(RunTest, InBf16EveryStageComputesInIt) {
  const Recipe r = recipe(kBf16);
  run(r);
  const pool::Pool pool = this->pool();
  int64_t rollouts = 0;
  for (const pool::StageRecord& stage : pool.stages()) {
    pool.for_each_rollout({.stage = stage.name}, [&](const pool::StoredRollout& stored) {
      ++rollouts;
      const data::Rollout& t = stored.rollout;
      EXPECT_EQ(t.completion.precision, Precision::kBf16);
      EXPECT_EQ(t.perplexity_precision, Precision::kBf16);
      // What was recorded is what a scorer, and the trainer, compute in bf16: to the bit.
      const pool::ModelRecord model = *pool.model(t.completion.model_sha256);
      const model::Checkpoint checkpoint = model::load_checkpoint(
          model.name == "M0" ? folder_ / "base" : folder_ / "out" / model.path);
      for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
        model::Decoder decoder(checkpoint.config, threads_, precision);
        decoder.set_parameters(checkpoint.parameters);
        generate::ScoreRow row{t.prompt_ids, static_cast<int64_t>(t.prompt_ids.size())};
        row.tokens.insert(row.tokens.end(), t.completion.token_ids->begin(),
                          t.completion.token_ids->end());
        const auto scores = generate::score_rows(decoder, std::vector{row}, 4096);
        const bool same(testing::same_bits(*t.completion.logprobs, scores.at(0).logprobs));
        EXPECT_EQ(same, precision == Precision::kBf16) << stored.stage;
      }
    });
  }
  EXPECT_GT(rollouts, 10);
  const Json made = read_json_file(folder_ / "out/checkpoints/M1/ponder.json");
  EXPECT_EQ(made.at("training").at("precision"), "bf16-3") << made.dump();
  // Other weights than those of f32.
  run(recipe(), "imitate", nullptr, "f32");
  EXPECT_NE(pool.model_named("M1")->sha256, this->pool("f32").model_named("M1")->sha256);
}

TEST_F(RunTest, ARunOfTheOtherArithmeticIsRefused) {
  run(recipe(), "imitate");
  const std::string error = testing::error_text([&] { run(recipe(kBf16)); });
  EXPECT_NE(error.find("precision: absent then, 'bf16-3' now"), std::string::npos) << error;
  EXPECT_NE(error.find("precision = \"f32\""), std::string::npos) << error;
}

// One that was begun in bf16 before its definition changed: refused, and done again when asked.
TEST_F(RunTest, ARunOfAnEarlierBf16IsRefusedAndDoneAgain) {
  const Recipe r = recipe(kBf16);
  run(r, "imitate");
  const auto saved = folder_ / "out/recipe.toml";
  const std::string text = read_file(saved);
  const size_t at = text.find("'bf16-3'");
  ASSERT_NE(at, std::string::npos) << text;
  for (const std::string former : {"'bf16-2'", "'bf16'"}) {
    write_file_atomic(saved, std::string(text).replace(at, 8, former));
    const std::string error = testing::error_text([&] { run(r, "imitate"); });
    for (const std::string& part : {"precision: " + former + " then, 'bf16-3' now",
                                    std::string("with the ponder that began it"),
                                    std::string("another --out"), std::string("--redo")})
      EXPECT_NE(error.find(part), std::string::npos) << part << "\n" << error;
  }
  EXPECT_TRUE(
      PipelineRun(r, read_sources(r), folder_ / "out", threads_, monitor_, &stop_, Changes::kRedone)
          .execute("imitate", [](const pool::StageRecord&) {}));
  EXPECT_NE(read_file(saved).find("'bf16-3'"), std::string::npos);
  run(r, "imitate");
  EXPECT_NE(testing::error_text([&] { run(recipe(), "imitate"); }).find("undo the change"),
            std::string::npos);
}

TEST_F(RunTest, TheArithmeticDecidesTheHashOfWhatComputes) {
  const Recipe r = recipe(), other = recipe(kBf16);
  run(r, "explore-1");
  const pool::Pool pool = this->pool();
  for (const Stage& stage : stages_of(r)) {
    if (!pool.stage(stage.name)) continue;
    EXPECT_EQ(inputs_sha256(stage, r, pool) == inputs_sha256(stage, other, pool),
              stage.name == "ingest")
        << stage.name;
  }
}

TEST_F(RunTest, ThePlanOfBf16HasTheRoundedWeights) {
  const auto memory = [&](const Recipe& r, const std::string& name, const std::string& purpose) {
    for (const StagePlan& stage : plan_recipe(r, read_sources(r), threads_).stages) {
      if (stage.name != name) continue;
      for (const auto& [what, bytes] : stage.memory) {
        if (what == purpose) return bytes;
      }
    }
    return int64_t{0};
  };
  const Recipe f32 = recipe(), bf16 = recipe(kBf16);
  EXPECT_EQ(memory(f32, "imitate", "weights rounded to bf16"), 0);
  EXPECT_GT(memory(bf16, "imitate", "weights rounded to bf16"), 0);
  EXPECT_EQ(memory(f32, "imitate", "weights"), memory(bf16, "imitate", "weights"));
  EXPECT_EQ(memory(f32, "explore-1", "weights"), 2 * memory(bf16, "explore-1", "weights"));
  // Heads of 16 elements: rounded they take a block of 32.
  EXPECT_GT(memory(bf16, "explore-1", "keys and values"), 0);
  EXPECT_EQ(memory(f32, "explore-1", "keys and values"),
            memory(bf16, "explore-1", "keys and values"));
}

TEST(Candidates, PerplexitiesOfTwoArithmeticsAreNotRanked) {
  std::vector<Candidate> candidates(3);
  for (Candidate& c : candidates) {
    c.verdict = judge::Verdict::kCorrect;
    c.num_tokens = 5;
    c.perplexity = 1.5;
  }
  SelectionOptions options;
  options.strategy = Strategy::kLowestPerplexity;
  fitting(options, candidates);
  candidates[1].perplexity_precision = Precision::kBf16;
  const std::string error = testing::error_text([&] { fitting(options, candidates); });
  EXPECT_NE(error.find("found 2 of f32 and 1 of bf16"), std::string::npos) << error;
  for (Candidate& c : candidates) c.perplexity_precision = Precision::kBf16First;
  fitting(options, candidates);
  candidates[0].perplexity_precision = Precision::kBf16;
  const std::string two = testing::error_text([&] { fitting(options, candidates); });
  EXPECT_NE(two.find("1 of bf16 and 2 of bf16 (first definition)"), std::string::npos) << two;
  options.strategy = Strategy::kLongest;
  fitting(options, candidates);
  for (Candidate& c : candidates) c.perplexity_precision = Precision::kBf16;
  options.strategy = Strategy::kLowestPerplexity;
  fitting(options, candidates);
}

}  // namespace
}  // namespace ponder::pipeline
