#include "eval/thought_budget.h"

#include <fmt/format.h>

#include <algorithm>

namespace ponder::eval {

ThoughtEnd thought_end(const data::ModelText& text) {
  ThoughtEnd end;
  if (text.thought_form() == data::ThoughtForm::kThink ||
      text.response_prefix().find("<think>") != std::string::npos) {
    end = {"<think>", "</think>", "\n</think>\n\n", {}};
  } else {
    end = {"<|begin_of_thought|>",
           "<|end_of_thought|>",
           "\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n",
           {}};
  }
  end.ids = text.tokenizer().encode(end.text);
  return end;
}

std::vector<ForcedAnswer> forced_answers(std::span<const rollout::RolloutRequest> requests,
                                         std::span<const data::Rollout> rollouts, int64_t budget,
                                         int64_t answer_tokens, int64_t positions,
                                         const ThoughtEnd& end,
                                         const tokenizer::Tokenizer& tokenizer) {
  std::map<std::string_view, size_t> place;
  for (size_t i = 0; i < requests.size(); ++i) place.emplace(requests[i].problem_id, i);
  std::vector<ForcedAnswer> forced;
  for (const data::Rollout& rollout : rollouts) {
    const auto at = place.find(rollout.problem_id);
    if (at == place.end() || !rollout.completion.token_ids) continue;
    const std::vector<int32_t>& ids = *rollout.completion.token_ids;
    const auto made = static_cast<int64_t>(ids.size());
    const bool cut = rollout.completion.finish_reason == data::FinishReason::kLength;
    if (made < budget || (made == budget && !cut)) continue;  // it ended by itself
    const rollout::RolloutRequest& asked = requests[at->second];
    const std::span<const int32_t> thought(ids.data(), static_cast<size_t>(budget));
    ForcedAnswer answer;
    answer.problem = at->second;
    answer.sample = rollout.sample;
    answer.head = asked.response_prefix + tokenizer.decode(thought);
    if (answer.head.find(end.open) == std::string::npos ||
        answer.head.find(end.close) != std::string::npos)
      continue;
    answer.head += end.text;
    answer.request = asked;
    answer.request.problem_id = fmt::format("{}#{}", asked.problem_id, rollout.sample);
    answer.request.messages.clear();
    answer.request.prompt_ids.insert(answer.request.prompt_ids.end(), thought.begin(),
                                     thought.end());
    answer.request.prompt_ids.insert(answer.request.prompt_ids.end(), end.ids.begin(),
                                     end.ids.end());
    const int64_t room = positions - static_cast<int64_t>(answer.request.prompt_ids.size());
    if (room < 1) continue;
    answer.request.num_samples = 1;
    answer.request.sampling.max_tokens = static_cast<int>(std::min(answer_tokens, room));
    answer.request.response_prefix.clear();
    answer.request.done.clear();
    answer.request.begun.clear();
    answer.request.expected_tokens = 0;
    forced.push_back(std::move(answer));
  }
  return forced;
}

Json to_json(const BudgetScore& score) {
  return {{"thought_tokens", score.budget},
          {"forced", score.forced},
          {"accuracy", score.accuracy.mean},
          {"interval_95", {score.accuracy.interval_95.low, score.accuracy.interval_95.high}}};
}

std::optional<BudgetScore> score_at_budget(rollout::Generator& generator,
                                           std::span<const data::Problem> problems,
                                           const BenchmarkResult& full, int64_t budget,
                                           std::vector<ForcedAnswer> forced,
                                           const BenchmarkOptions& options,
                                           const std::atomic<bool>* stop) {
  std::vector<ProblemResult> results = full.problems;
  std::map<std::string, const ForcedAnswer*> answers;
  std::vector<rollout::RolloutRequest> requests;
  for (const ForcedAnswer& answer : forced) {
    answers.emplace(answer.request.problem_id, &answer);
    requests.push_back(answer.request);
  }
  rollout::RolloutHooks hooks;
  hooks.judge = [&](data::Rollout& rollout) {
    const ForcedAnswer& answer = *answers.at(rollout.problem_id);
    const data::Completion& made = rollout.completion;
    results[answer.problem].samples[static_cast<size_t>(answer.sample)] =
        judge_sample(problems[answer.problem], answer.head + made.text, made.finish_reason,
                     budget + made.num_tokens(), options.strictness);
  };
  const rollout::RolloutOptions settings{
      .monitor = options.monitor,
      .task = fmt::format("{}, {} tokens of thought", full.score.benchmark, budget)};
  if (!requests.empty() &&
      rollout::run_rollouts(generator, requests, hooks, settings, stop).interrupted)
    return std::nullopt;
  std::vector<double> shares;
  for (const ProblemResult& result : results) shares.push_back(result.share_correct());
  return BudgetScore{budget, static_cast<int64_t>(forced.size()),
                     accuracy_of(shares, static_cast<double>(full.score.samples))};
}

}  // namespace ponder::eval
