// DPO variants as a list: recipe, stages, pairs, probes and what the pool keeps of them.
#include <algorithm>

#include "pipeline/run_fixture.h"
#include "pipeline/stage_inputs.h"
#include "pipeline/stages/kinds.h"
#include "pool/stage_result.h"
#include "testing/error_text.h"

namespace ponder::pipeline {
namespace {

constexpr const char* kVariants = R"(
[[dpo]]
name = "a"
epochs = 2
batch_rows = 2
lr = 1e-3
per_problem = 4
held_out = 0.3
probe_problems = 3
probe_steps = 2
finish_drop = 1.0
[[dpo]]
name = "b"
from = "M1-a"
epochs = 1
align = "thought+end"
sft_weight = 1.0
sft_term = "token"
length_normalised = true
chosen = "random"
rejected = "longest"
unfinished_rejected = true
)";

class DpoTest : public RunTest {
 protected:
  void SetUp() override {
    RunTest::SetUp();
    write_file_atomic(folder_ / "list.toml", std::string(kRunRecipe) + kVariants);
  }
  Recipe list(const std::vector<std::string>& set = {}) const {
    return load_recipe(folder_ / "list.toml", set);
  }
  std::string error_of(const std::string& text) const {
    write_file_atomic(folder_ / "bad.toml", std::string(kRunRecipe) + text);
    return testing::error_text([&] { load_recipe(folder_ / "bad.toml", {}); });
  }
  // explore-1 with two right and two wrong answers to every problem, the last of these cut off.
  void explore_all(const Recipe& recipe) {
    run(recipe, "explore-1");
    pool::Pool writer = pool::Pool::open(folder_ / "out/run.db");
    std::vector<data::Rollout> first;
    writer.for_each_rollout({.stage = "explore-1"}, [&](const pool::StoredRollout& s) {
      if (s.rollout.sample == 0) first.push_back(s.rollout);
    });
    const tokenizer::Tokenizer tokens = tokenizer::Tokenizer::load(folder_ / "base");
    for (data::Rollout t : first) {
      for (int i = 0; i < 4; ++i) {
        const bool right = i < 2, cut = i == 3;
        t.sample = 10 + i;
        t.verdict = right ? judge::Verdict::kCorrect : judge::Verdict::kIncorrect;
        const std::string thought = (right ? "I count " : "I guess ") + std::to_string(i) + ".";
        t.completion.text = cut ? "<|begin_of_thought|>\n\n" + thought
                                : tokenizer::format_thought(thought, right ? "Right." : "Wrong.");
        t.completion.finish_reason = cut ? data::FinishReason::kLength : data::FinishReason::kStop;
        t.completion.token_ids = tokens.encode(t.completion.text);
        if (!cut) t.completion.token_ids->push_back(*tokens.token_id("<|im_end|>"));
        t.completion.logprobs.emplace(t.completion.token_ids->size(), -1.0f);
        t.perplexity = 2.5 + i;
        t.perplexity_model_sha256 = t.completion.model_sha256;
        writer.add_rollout("explore-1", 1, t);
      }
    }
  }
};

TEST_F(DpoTest, AListMakesAStageAndAModelOfEach) {
  std::vector<std::string> names;
  for (const Stage& stage : stages_of(list())) {
    if (stage.kind != &kDpo) continue;
    names.push_back(stage.name + " " + stage.input + " " + stage.output);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"dpo-a M1 M1-a", "dpo-b M1-a M1-a-b"}));
  const Recipe again = [&] {
    write_file_atomic(folder_ / "again.toml", list().resolved);
    return load_recipe(folder_ / "again.toml", {});
  }();
  EXPECT_EQ(again.resolved, list().resolved);
  EXPECT_EQ(again.dpo[1].options.sft_term, train::SftTerm::kToken);
  EXPECT_EQ(again.dpo[1].held_out, 0.1) << "of a list";
  EXPECT_EQ(recipe({"dpo.lr=1e-5"}).dpo[0].held_out, 0) << "of a table";
}

TEST_F(DpoTest, ATableResolvesToWhatItDidBeforeThereWereLists) {
  const std::string resolved = recipe({"dpo.max_pairs=5"}).resolved;
  for (const char* young : {"per_problem = 4", "held_out", "probe", "chosen", "sft_term", "from"})
    EXPECT_EQ(resolved.find(young), std::string::npos) << young;
  EXPECT_EQ(recipe({"dpo.held_out=0.2"}).dpo.at(0).held_out, 0.2);
}

TEST_F(DpoTest, MistakesAreNamedWithKeyAndLine) {
  const auto variant = [](const std::string& keys) { return "[[dpo]]\n" + keys; };
  const std::string twice = error_of(variant("name = \"a\"\n") + variant("name = \"a\"\n"));
  EXPECT_NE(twice.find("bad.toml:21: dpo[1].name: two DPO variants are named \"a\""),
            std::string::npos)
      << twice;
  const auto expect = [&](const std::string& text, const std::string& part) {
    const std::string error = error_of(text);
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  expect(variant(""), "dpo[0].name");
  expect(variant("name = \"a\"\nfrom = \"M7\"\n"), "there is no model \"M7\" before it");
  expect(variant("name = \"a\"\nrounds = 2\n"), "rounds of exploration from 1 to 1");
  expect(variant("name = \"a\"\nrounds = [2, 1]\n"), "[low, high]");
  expect(variant("name = \"a\"\nchosen = \"best\"\n"), "unknown strategy \"best\"");
  expect(variant("name = \"a\"\nsft_trem = \"pair\"\n"), "did you mean \"sft_term\"?");
  expect(variant("name = \"a\"\nheld_out = 1.5\n"), "held_out");
  expect(variant("name = \"b\"\n") + variant("name = \"a-b\"\n") + variant("name = \"a\"\n") +
             variant("name = \"c\"\nfrom = \"M1-x\"\n"),
         "there is no model \"M1-x\" before it");
}

TEST_F(DpoTest, AVariantIsItsOwnBusiness) {
  const Recipe one = list();
  const auto stage_of = [](const Recipe& recipe, const std::string& name) {
    const std::vector<Stage> stages = stages_of(recipe);
    return *std::find_if(stages.begin(), stages.end(),
                         [&](const Stage& stage) { return stage.name == name; });
  };
  const auto keys = keys_of(stage_of(one, "dpo-b"), one);
  EXPECT_EQ(keys.at("dpo.sft_term"), "'token'");
  EXPECT_FALSE(keys.contains("dpo.name"));
  EXPECT_EQ(keys.count("dpo[0].lr") + keys.count("dpo[1].lr"), 0u);
  EXPECT_EQ(keys_of(stage_of(one, "dpo-a"), one).at("dpo.per_problem"), "4");
}

TEST_F(DpoTest, TrainsAChainOfVariantsAndKeepsWhatItSaw) {
  const Recipe r = list();
  explore_all(r);
  EXPECT_EQ(run(r).back(), "evaluate-M1-a-b");
  const pool::Pool there = pool();
  const auto a = pool::result_of<pool::TrainResult>(*there.stage("dpo-a"));
  ASSERT_TRUE(a);
  // Per problem 2 right ones and 1 wrong one that is finished: 2 pairs. Of 6 problems 2 are held out.
  EXPECT_EQ(a->pairs, 8);
  EXPECT_EQ(a->held_out_pairs, 4);
  EXPECT_FALSE(a->alarm);
  ASSERT_TRUE(a->probes);
  ASSERT_GE(a->probes->size(), 3u);
  const Json& first = a->probes->front().at("values");
  EXPECT_EQ(a->probes->front().at("step"), 0);
  EXPECT_EQ(first.at("held_out_accuracy"), 0.5) << "the policy is the reference";
  EXPECT_EQ(first.at("held_out_margin"), 0.0);
  EXPECT_EQ(first.at("probe_finished"), 0.0) << "of random weights, in six tokens";
  EXPECT_EQ(first.at("probe_mean_tokens"), 6.0);
  EXPECT_NE(a->probes->back().at("values").at("held_out_margin"), 0.0);
  EXPECT_EQ(a->preferences->size(), static_cast<size_t>(a->steps));
  EXPECT_LT(a->preferences->front().at("chosen_logprob").get<double>(), 0);
  const auto b = pool::result_of<pool::TrainResult>(*there.stage("dpo-b"));
  ASSERT_TRUE(b);
  EXPECT_EQ(there.model_named("M1-a-b")->parent_sha256, there.model_named("M1-a")->sha256);
  // Held-out pairs are in no pair that is trained on, and say so.
  int held_out = 0, chosen = 0;
  for (const pool::Selection& s : there.selections("dpo-a")) {
    held_out += s.filter == "held_out";
    chosen += s.filter == "chosen";
  }
  EXPECT_EQ(held_out, 2 * 4);
  EXPECT_EQ(chosen, 8);
  EXPECT_EQ(there.pairs("dpo-a").size(), 8u);
  // Every rollout that stage looked at has its decision.
  int64_t undecided = 0;
  there.for_each_rollout({.stage = "explore-1"}, [&](const pool::StoredRollout& s) {
    const auto all = there.selections_of({pool::RowOrigin::Kind::kRollout, s.id});
    undecided +=
        std::none_of(all.begin(), all.end(), [](const auto& d) { return d.stage == "dpo-a"; });
  });
  EXPECT_EQ(undecided, 0);
  const Json why = there.lineage("dpo-a:0");
  EXPECT_NE(
      dump_json(why.at("chosen").at("decisions")).find("by highest-perplexity among the right"),
      std::string::npos);
}

// The reference of held-out pairs is computed in the arithmetic that trains: at the start it is the
// policy, to the bit.
TEST_F(DpoTest, InBf16TheReferenceOfHeldOutPairsIsThePolicyToo) {
  const Recipe r = list({"precision=bf16"});
  explore_all(r);
  run(r, "dpo-a");
  const auto a = pool::result_of<pool::TrainResult>(*pool().stage("dpo-a"));
  ASSERT_TRUE(a && a->probes);
  const Json& first = a->probes->front().at("values");
  EXPECT_EQ(first.at("held_out_margin"), 0.0);
  EXPECT_EQ(first.at("held_out_accuracy"), 0.5);
}

TEST_F(DpoTest, AJobWhoseFinishRateCollapsesKeepsTheLastGoodWeights) {
  // A drop that any reading is: more than -1 below the start.
  const Recipe r = list({});
  Recipe alarmed = r;
  alarmed.dpo.resize(1);
  alarmed.dpo[0].finish_drop = -0.5;  // raised by the first reading after the start
  explore_all(alarmed);
  run(alarmed);
  EXPECT_NE(pool::nothing_of(*pool().stage("dpo-a")).find("of 3 probe problems 0 % are finished"),
            std::string::npos)
      << pool::nothing_of(*pool().stage("dpo-a"));
  EXPECT_EQ(pool::nothing_of(*pool().stage("evaluate-M1-a")), "there is no M1-a");
}

}  // namespace
}  // namespace ponder::pipeline
