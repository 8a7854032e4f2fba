#include "exchange/export_rows.h"

#include <gtest/gtest.h>

namespace ponder::exchange {
namespace {

data::Problem sum_problem() {
  data::Problem problem;
  problem.id = "7";
  problem.question = "Compute 1.5+1.5";
  problem.answer = "3";
  problem.answer_type = judge::AnswerType::kNumber;
  problem.tolerance = 0.25;
  return problem;
}

data::Rollout rollout_of(const std::string& text) {
  data::Rollout t;
  t.problem_id = "7";
  t.seed = 9;
  t.sampling = {0.5, 1, 0, 64};
  t.completion.text = text;
  t.completion.model_sha256 = "abc";
  t.completion.usage.completion_tokens = 11;
  t.perplexity = 1.25;
  t.perplexity_model_sha256 = "abc";
  return t;
}

const std::string kThink = "<think>\nhalves\n</think>\n\n\\boxed{3}";
const std::string kStillText =
    "<|begin_of_thought|>\n\nhalves\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n\\boxed{3}"
    "\n\n"
    "<|end_of_solution|>";

std::string reason_of(const data::Accepted<Json>& row) { return row ? "" : row.why().reason; }

// Whose rows they are, judged how, sampled how: what an import needs is there.
TEST(ExportRows, CarryWhatAnImportNeeds) {
  const auto row = training_row(sum_problem(), rollout_of(kThink), RowLayout::kAlpaca, {});
  ASSERT_TRUE(row) << row.why().detail;
  EXPECT_EQ((*row).dump(),
            R"({"instruction":"Compute 1.5+1.5","input":"","output":"<think>\nhalves\n</think>\n\n)"
            R"(\\boxed{3}","id":"7","domain":"","level":"","source":"","answer":"3",)"
            R"("answer_type":"number","ponder":"{\"tolerance\":0.25,\"sampling\":{)"
            R"(\"temperature\":0.5,\"top_p\":1.0,\"top_k\":0,\"max_tokens\":64,\"seed\":9},)"
            R"(\"model_sha256\":\"abc\",\"tokens\":11,\"perplexity\":1.25,)"
            R"(\"perplexity_model_sha256\":\"abc\"}"})");
}

TEST(ExportRows, WriteThoughtsInTheFormAskedFor) {
  using data::ThoughtForm;
  const auto output = [](const std::string& text, RowLayout layout,
                         std::optional<ThoughtForm> form) {
    const auto row = training_row(sum_problem(), rollout_of(text), layout, {false, form});
    EXPECT_TRUE(row);
    return (*row)[layout == RowLayout::kStill ? "combined_text" : "output"].get<std::string>();
  };
  EXPECT_EQ(output(kThink, RowLayout::kAlpaca, {}), kThink);
  EXPECT_EQ(output(kStillText, RowLayout::kAlpaca, {}), kStillText);
  EXPECT_EQ(output(kThink, RowLayout::kStill, {}), kStillText);
  EXPECT_EQ(output(kThink, RowLayout::kAlpaca, ThoughtForm::kStill), kStillText);
  EXPECT_EQ(output(kStillText, RowLayout::kAlpaca, ThoughtForm::kThink), kThink);
  EXPECT_EQ(output(kThink, RowLayout::kStill, ThoughtForm::kAsWritten), kThink);
}

TEST(ExportRows, AreThoseThatTheReadersKeep) {
  const auto reason = [](const std::string& text, bool allow_direct) {
    return reason_of(
        training_row(sum_problem(), rollout_of(text), RowLayout::kMessages, {allow_direct}));
  };
  EXPECT_EQ(reason(kThink, false), "");
  EXPECT_EQ(reason("\\boxed{3}", false), "no_thought");
  EXPECT_EQ(reason("\\boxed{3}", true), "");
  EXPECT_EQ(reason("<think>\nnever ends", true), "missing_tag");
  EXPECT_EQ(reason(kThink + "<think>", true), "repeated_tag");
  data::Rollout cut = rollout_of(kThink);
  cut.completion.finish_reason = data::FinishReason::kLength;
  EXPECT_EQ(reason_of(training_row(sum_problem(), cut, RowLayout::kMessages, {})), "unfinished");
}

TEST(ExportRows, DemonstrationsKeepTheirTurnsOrAreLeftOut) {
  data::Demonstration d;
  d.system = "Be brief.";
  d.history = {{false, "Hello"}, {true, "Hi"}};
  d.question = "6*7?";
  d.thought = "42";
  d.solution = "It is 42.";
  const auto row = training_row(d, RowLayout::kShareGpt, {false, data::ThoughtForm::kThink});
  ASSERT_TRUE(row);
  EXPECT_EQ((*row)["conversations"].dump(),
            R"([{"from":"system","value":"Be brief."},{"from":"human","value":"Hello"},)"
            R"({"from":"gpt","value":"Hi"},{"from":"human","value":"6*7?"},)"
            R"({"from":"gpt","value":"<think>\n42\n</think>\n\nIt is 42."}])");
  EXPECT_EQ(reason_of(training_row(d, RowLayout::kAlpaca, {})), "multi_turn");
  EXPECT_EQ(reason_of(training_row(d, RowLayout::kStill, {})), "multi_turn");
  d.history.clear();
  EXPECT_EQ(reason_of(training_row(d, RowLayout::kAlpaca, {})), "system_turn");
  EXPECT_EQ(reason_of(training_row(d, RowLayout::kStill, {})), "");
}

TEST(ExportRows, PairsTeachSomething) {
  const data::Rollout right = rollout_of(kThink),
                      wrong = rollout_of("<think>\nother\n</think>\n\n\\boxed{4}");
  const auto pair = [&](const data::Rollout& other, bool allow_direct = false) {
    return preference_row(sum_problem(), right, other, PairLayout::kTrl, {allow_direct});
  };
  const auto row = pair(wrong);
  ASSERT_TRUE(row) << row.why().detail;
  EXPECT_EQ((*row)["rejected"].dump(),
            R"([{"role":"assistant","content":"<think>\nother\n</think>\n\n\\boxed{4}"}])");
  EXPECT_EQ(reason_of(pair(rollout_of("<think>\nhalves\n</think>\n\n\\boxed{4}"))),
            "same_response");
  EXPECT_EQ(reason_of(pair(rollout_of("\\boxed{4}"))), "nothing_aligned");
  EXPECT_EQ(reason_of(pair(rollout_of("\\boxed{4}"), true)), "");
  data::Rollout asked_otherwise = wrong;
  asked_otherwise.origin.emplace().system = "Be brief.";
  EXPECT_EQ(reason_of(pair(asked_otherwise)), "prompts_differ");
}

TEST(ExportRows, LayoutsHaveTheirNames) {
  EXPECT_EQ(row_layout_from_string("prompt-completion"), RowLayout::kPromptCompletion);
  EXPECT_EQ(row_layout_from_string("trl"), std::nullopt);
  EXPECT_EQ(pair_layout_from_string("trl"), PairLayout::kTrl);
  EXPECT_EQ(pair_layout_from_string("messages"), std::nullopt);
}

}  // namespace
}  // namespace ponder::exchange
