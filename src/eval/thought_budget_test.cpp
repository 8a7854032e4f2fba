#include "eval/thought_budget.h"

#include <gtest/gtest.h>

#include <deque>

#include "testing/folders.h"

namespace ponder::eval {
namespace {

// Answers every request alike, and remembers what was asked.
class OneAnswer : public rollout::Generator {
 public:
  explicit OneAnswer(std::string text) : text_(std::move(text)) {}
  void announce(const rollout::CompletionRequest&, int64_t) override {}
  void submit(rollout::CompletionRequest request) override {
    data::Completion made;
    made.text = text_;
    made.token_ids = std::vector<int32_t>{1, 2, 3};
    made.logprobs = std::vector<float>{-1, -1, -1};
    events_.push_back({request.id, std::move(made)});
    asked.push_back(std::move(request));
  }
  void cancel(std::string_view) override {}
  std::vector<rollout::GeneratorEvent> poll(std::chrono::milliseconds) override {
    return std::exchange(events_, {});
  }
  data::Partial sampled(std::string_view, int64_t) const override { return {}; }
  int64_t room() const override { return 8; }
  rollout::GeneratorLoad load() const override { return {}; }

  std::deque<rollout::CompletionRequest> asked;

 private:
  std::string text_;
  std::vector<rollout::GeneratorEvent> events_;
};

class ThoughtBudget : public ::testing::Test {
 protected:
  ThoughtBudget() : text_(testing::source_dir() / "models/nano-base") {
    for (size_t i = 0; i < 3; ++i) {
      data::Problem problem;
      problem.id = "p" + std::to_string(i);
      problem.question = "Compute 7+8*3";
      problem.answer = "31";
      problem.answer_type = judge::AnswerType::kNumber;
      problems_.push_back(problem);
      rollout::RolloutRequest request;
      request.problem_id = problem.id;
      request.prompt_ids = {5, 6};
      request.sampling.max_tokens = 40;
      requests_.push_back(request);
    }
  }

  data::Rollout rollout(size_t problem, const std::string& text) const {
    data::Rollout made;
    made.problem_id = problems_[problem].id;
    made.completion.text = text;
    made.completion.token_ids = text_.tokenizer().encode(text);
    return made;
  }

  // What three samples of one response each score without a budget.
  BenchmarkResult full(const std::vector<data::Rollout>& rollouts) const {
    BenchmarkResult result;
    for (size_t i = 0; i < rollouts.size(); ++i) {
      result.problems.push_back({problems_[i].id,
                                 {judge_sample(problems_[i], rollouts[i].completion.text,
                                               data::FinishReason::kStop, 9)}});
    }
    result.score = aggregate("b", problems_, result.problems);
    return result;
  }

  const data::ModelText text_;
  std::vector<data::Problem> problems_;
  std::vector<rollout::RolloutRequest> requests_;
};

const char* const kLong =
    "<|begin_of_thought|>\n\n8*3=24, so 7+24\n7+24=31\n\n<|end_of_thought|>\n\n"
    "<|begin_of_solution|>\n\nThe answer is \\boxed{31}.\n\n<|end_of_solution|>";
const char* const kShort =
    "<|begin_of_thought|>\n\n1\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\nThe answer is "
    "\\boxed{30}.\n\n<|end_of_solution|>";
const char* const kDirect = "The answer is \\boxed{31}, said without any thought at all.";

TEST_F(ThoughtBudget, EndsThoughtsThatAreLongerAndNoOthers) {
  const std::vector<data::Rollout> rollouts = {rollout(0, kLong), rollout(1, kShort),
                                               rollout(2, kDirect)};
  const ThoughtEnd end = thought_end(text_);
  const std::vector<ForcedAnswer> forced =
      forced_answers(requests_, rollouts, 8, 10, 4096, end, text_.tokenizer());
  ASSERT_EQ(forced.size(), 1u);
  EXPECT_EQ(forced[0].problem, 0u);
  // The first eight tokens, and the tags; nothing of what was thought later.
  const std::vector<int32_t>& ids = *rollouts[0].completion.token_ids;
  const std::string thought = text_.tokenizer().decode(std::span(ids).first(8));
  EXPECT_TRUE(std::string(kLong).starts_with(thought));
  EXPECT_EQ(forced[0].head, thought + "\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n");
  std::vector<int32_t> prompt = {5, 6};
  prompt.insert(prompt.end(), ids.begin(), ids.begin() + 8);
  prompt.insert(prompt.end(), end.ids.begin(), end.ids.end());
  EXPECT_EQ(forced[0].request.prompt_ids, prompt);
  EXPECT_EQ(forced[0].request.sampling.max_tokens, 10);
  // A budget that every thought keeps; positions that leave fewer tokens, or none.
  EXPECT_TRUE(forced_answers(requests_, rollouts, 100, 10, 4096, end, text_.tokenizer()).empty());
  const auto size = static_cast<int64_t>(prompt.size());
  EXPECT_EQ(forced_answers(requests_, rollouts, 8, 10, size + 3, end, text_.tokenizer())[0]
                .request.sampling.max_tokens,
            3);
  EXPECT_TRUE(forced_answers(requests_, rollouts, 8, 10, size, end, text_.tokenizer()).empty());
}

// A thought that the token limit cut is not over, however large the budget.
TEST_F(ThoughtBudget, EndsThoughtsThatTheLimitCut) {
  data::Rollout whole = rollout(0, kLong);
  whole.completion.token_ids->resize(8);
  for (const auto& [reason, count] :
       {std::pair(data::FinishReason::kLength, 1u), std::pair(data::FinishReason::kStop, 0u)}) {
    whole.completion.finish_reason = reason;
    EXPECT_EQ(
        forced_answers(requests_, {&whole, 1}, 8, 10, 4096, thought_end(text_), text_.tokenizer())
            .size(),
        count);
  }
}

TEST_F(ThoughtBudget, WhatIsAnsweredThenCounts) {
  const std::vector<data::Rollout> rollouts = {rollout(0, kLong), rollout(1, kShort),
                                               rollout(2, kDirect)};
  const BenchmarkResult whole = full(rollouts);
  EXPECT_NEAR(whole.score.accuracy, 2.0 / 3, 1e-12);
  const auto at = [&](const std::string& answer) {
    OneAnswer generator(answer);
    return score_at_budget(generator, problems_, whole, 8,
                           forced_answers(requests_, rollouts, 8, 10, 4096, thought_end(text_),
                                          text_.tokenizer()),
                           {})
        .value();
  };
  const BudgetScore wrong = at("The answer is \\boxed{24}.\n\n<|end_of_solution|>"),
                    right = at("The answer is \\boxed{31}.\n\n<|end_of_solution|>");
  EXPECT_EQ(wrong.forced, 1);
  EXPECT_NEAR(wrong.accuracy.mean, 1.0 / 3, 1e-12);
  EXPECT_NEAR(right.accuracy.mean, 2.0 / 3, 1e-12);
  EXPECT_EQ(to_json(right)["thought_tokens"], 8);
}

}  // namespace
}  // namespace ponder::eval
