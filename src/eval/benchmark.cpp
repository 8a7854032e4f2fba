#include "eval/benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "tokenizer/thought_format.h"

namespace ponder::eval {
namespace {

bool is_correct(const SampleResult& sample) { return sample.verdict == judge::Verdict::kCorrect; }

bool majority_is_correct(const data::Problem& problem, const ProblemResult& result,
                         const JudgeStrictness& strictness) {
  std::vector<std::string> answers;
  for (const SampleResult& sample : result.samples) answers.push_back(sample.extracted);
  const int winner = majority_vote(answers, judge_options(problem, strictness));
  return winner >= 0 && is_correct(result.samples[static_cast<size_t>(winner)]);
}

// The likeliest of the finished samples, of equals the earlier; nullptr where one has no log-probability.
const SampleResult* likeliest(const ProblemResult& result) {
  const SampleResult* best = nullptr;
  for (const SampleResult& sample : result.samples) {
    if (!sample.logprob_per_token) return nullptr;
    if (!best || std::pair(sample.finished, *sample.logprob_per_token) >
                     std::pair(best->finished, *best->logprob_per_token))
      best = &sample;
  }
  return best;
}

}  // namespace

int ProblemResult::num_correct() const {
  return static_cast<int>(std::count_if(samples.begin(), samples.end(), is_correct));
}

double ProblemResult::share_correct() const {
  return samples.empty() ? 0
                         : static_cast<double>(num_correct()) / static_cast<double>(samples.size());
}

Json to_json(const BenchmarkScore& score) {
  Json json;
  json["benchmark"] = score.benchmark;
  json["n"] = score.n;
  json["samples"] = score.samples;
  json["accuracy"] = score.accuracy;
  json["interval_95"] = {score.interval_95.low, score.interval_95.high};
  json["pass_at_k"] = score.pass_at_k;
  json["maj_at_k"] = score.maj_at_k;
  Json& pass_at = json["pass_at"] = Json::object();
  for (const auto& [k, value] : score.pass_at) pass_at[std::to_string(k)] = value;
  if (score.samples > 1) {  // of one sample they are the accuracy's
    Json& intervals = json["pass_at_interval_95"] = Json::object();
    for (size_t i = 0; i < score.pass_at_95.size(); ++i)
      intervals[std::to_string(score.pass_at[i].first)] = {score.pass_at_95[i].low,
                                                           score.pass_at_95[i].high};
    json["maj_at_k_interval_95"] = {score.maj_at_k_95.low, score.maj_at_k_95.high};
    if (score.best_of_k) {
      json["best_of_k"] = score.best_of_k->mean;
      json["best_of_k_interval_95"] = {score.best_of_k->interval_95.low,
                                       score.best_of_k->interval_95.high};
    }
  }
  json["finished"] = score.finished;
  json["format_failures"] = score.format_failures;
  json["mean_tokens"] = score.mean_tokens > 0 ? Json(score.mean_tokens) : Json(nullptr);
  json["undecided"] = score.undecided;
  json["missing"] = score.missing;
  if (score.unreadable > 0) json["unreadable"] = score.unreadable;
  json["rejected"] = score.rejected;
  return json;
}

SampleResult judge_sample(const data::Problem& problem, std::string_view text,
                          data::FinishReason finish_reason, int64_t tokens,
                          const JudgeStrictness& strictness) {
  return sample_result(judge_completion(problem, strictness, text, finish_reason), text,
                       finish_reason, tokens);
}

SampleResult sample_result(judge::Judgement judgement, std::string_view text,
                           data::FinishReason finish_reason, int64_t tokens) {
  SampleResult sample;
  sample.finished = finish_reason == data::FinishReason::kStop;
  sample.tokens = tokens;
  sample.verdict = judgement.verdict;
  sample.extracted = std::move(judgement.extracted);
  sample.proof = std::move(judgement.proof);
  using tokenizer::ThoughtFault;
  const ThoughtFault fault = tokenizer::parse_thought(text).fault;
  // An empty block is how models that think in <think> answer directly.
  const bool direct = fault == ThoughtFault::kNoTags || (fault == ThoughtFault::kEmptyThought &&
                                                         trimmed(text).starts_with("<think>"));
  const bool broken = fault != ThoughtFault::kNone && !direct;
  sample.format_failure = sample.finished && (broken || sample.extracted.empty());
  return sample;
}

BenchmarkScore aggregate(const std::string& benchmark, std::span<const data::Problem> problems,
                         std::span<const ProblemResult> results,
                         const JudgeStrictness& strictness) {
  if (problems.size() != results.size() || results.empty()) {
    throw Error(benchmark,
                fmt::format("{} problems and results of {}", problems.size(), results.size()));
  }
  BenchmarkScore score;
  score.benchmark = benchmark;
  score.n = static_cast<int64_t>(results.size());
  const size_t k = results.front().samples.size();
  score.samples = static_cast<int>(k);
  std::vector<double> shares;
  for (int j = 1; j < score.samples; j *= 2) score.pass_at.emplace_back(j, 0.0);
  score.pass_at.emplace_back(score.samples, 0.0);
  std::vector<std::vector<double>> passes(score.pass_at.size());  // of each k, a value a problem
  std::vector<double> majorities, bests;
  for (size_t i = 0; i < results.size(); ++i) {
    const ProblemResult& result = results[i];
    if (result.samples.size() != k || k == 0) {
      throw Error(benchmark,
                  fmt::format("problem {} has {} samples, others have {}",
                              excerpt(result.problem_id), result.samples.size(), k),
                  "give every problem the same number of responses");
    }
    shares.push_back(result.share_correct());
    for (size_t j = 0; j < passes.size(); ++j)
      passes[j].push_back(pass_at_k(score.samples, result.num_correct(), score.pass_at[j].first));
    majorities.push_back(majority_is_correct(problems[i], result, strictness) ? 1 : 0);
    if (const SampleResult* best = likeliest(result)) bests.push_back(is_correct(*best) ? 1 : 0);
    for (const SampleResult& sample : result.samples) {
      score.finished += sample.finished;
      score.format_failures += sample.format_failure;
      score.mean_tokens += static_cast<double>(sample.tokens);
      score.undecided += sample.verdict == judge::Verdict::kUndecided;
    }
  }
  const double n = static_cast<double>(results.size());
  const double all = n * static_cast<double>(k);
  score.finished /= all;
  score.format_failures /= all;
  score.mean_tokens /= all;
  for (size_t j = 0; j < passes.size(); ++j) {
    const Accuracy pass = accuracy_of(passes[j], static_cast<double>(k));
    score.pass_at[j].second = pass.mean;
    score.pass_at_95.push_back(pass.interval_95);
  }
  const Accuracy majority = accuracy_of(majorities, 1);
  score.maj_at_k = majority.mean;
  score.maj_at_k_95 = majority.interval_95;
  if (k > 1 && bests.size() == results.size()) score.best_of_k = accuracy_of(bests, 1);
  score.pass_at_k = score.pass_at.back().second;
  const Accuracy accuracy = accuracy_of(shares, static_cast<double>(k));
  score.accuracy = accuracy.mean;
  score.interval_95 = accuracy.interval_95;
  return score;
}

std::optional<BenchmarkResult> evaluate(rollout::Generator& generator, const std::string& benchmark,
                                        std::span<const data::Problem> problems,
                                        std::span<const rollout::RolloutRequest> requests,
                                        const BenchmarkOptions& options,
                                        const std::atomic<bool>* stop) {
  BenchmarkResult result;
  result.strictness = options.strictness;
  std::map<std::string_view, size_t> place;
  const auto judge = [&](const data::Rollout& rollout) -> const SampleResult& {
    const data::Completion& made = rollout.completion;
    const size_t i = place.at(rollout.problem_id);
    SampleResult& sample = result.problems[i].samples.at(static_cast<size_t>(rollout.sample));
    sample = judge_sample(problems[i], made.text, made.finish_reason, made.num_tokens(),
                          options.strictness);
    if (made.logprobs && !made.logprobs->empty())
      sample.logprob_per_token = made.logprob() / static_cast<double>(made.logprobs->size());
    return sample;
  };
  for (const rollout::RolloutRequest& request : requests) {
    place.emplace(request.problem_id, result.problems.size());
    ProblemResult& slot = result.problems.emplace_back();
    slot.problem_id = request.problem_id;
    slot.samples.resize(static_cast<size_t>(std::max(0, request.num_samples)));
    for (const data::Rollout& done : request.done) {
      if (done.sample >= 0 && done.sample < request.num_samples) judge(done);
    }
  }

  rollout::RolloutHooks hooks;
  hooks.judge = [&](data::Rollout& rollout) {
    const SampleResult& sample = judge(rollout);
    rollout.verdict = sample.verdict;
    rollout.proof = sample.proof;
  };
  hooks.on_completion = options.on_completion;
  hooks.save = options.save;
  const rollout::RolloutOptions settings{
      .in_order = options.in_order, .monitor = options.monitor, .task = benchmark};
  if (rollout::run_rollouts(generator, requests, hooks, settings, stop).interrupted)
    return std::nullopt;
  result.score = aggregate(benchmark, problems, result.problems, options.strictness);
  return result;
}

}  // namespace ponder::eval
