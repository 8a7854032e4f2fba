// A model, or given responses, against a benchmark: every response judged, per-problem results and
// the aggregate score.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/readers.h"
#include "data/rows.h"
#include "eval/judging.h"
#include "eval/metrics.h"
#include "rollout/run_rollouts.h"

namespace ponder::eval {

struct SampleResult {
  judge::Verdict verdict = judge::Verdict::kUndecided;
  std::string extracted;  // final answer, "" where none was found
  std::string proof;
  bool finished = false;        // the model ended it: neither the token limit nor a loop
  bool format_failure = false;  // it finished, but has no final answer or faulty thought tags
  int64_t tokens = 0;
  // The model's own, a token on average; where the response came with log-probabilities.
  std::optional<double> logprob_per_token = {};
};

struct ProblemResult {
  std::string problem_id;
  std::vector<SampleResult> samples;
  int num_correct() const;
  double share_correct() const;
};

// The fields of `ponder eval --json`.
struct BenchmarkScore {
  std::string benchmark;
  int64_t n = 0;        // problems
  int samples = 1;      // per problem
  double accuracy = 0;  // mean over problems and samples
  Interval interval_95;
  double pass_at_k = 0, maj_at_k = 0;           // k = samples
  std::vector<std::pair<int, double>> pass_at;  // k = 1, 2, 4, … and samples
  std::vector<Interval> pass_at_95;             // of each, over the problems
  Interval maj_at_k_95;
  // Of several samples the finished one that the model finds likeliest, a token on average (any, where none
  // finished); where every sample has log-probabilities.
  std::optional<Accuracy> best_of_k;
  double finished = 0, format_failures = 0;  // shares of all responses
  double mean_tokens = 0;  // of all responses; 0 for given ones without token counts
  int64_t undecided = 0;   // responses
  int64_t unreadable = 0;  // rows of responses that are no JSON: they count as wrong
  int64_t missing = 0;     // problems no response was given for: they count as unfinished and wrong
  std::map<std::string, uint64_t> rejected;  // problems that were not asked, by reason: not among n
};
Json to_json(const BenchmarkScore& score);

struct BenchmarkResult {
  BenchmarkScore score;
  JudgeStrictness strictness;
  std::vector<ProblemResult> problems;  // in the benchmark's order
};

// A response that has been judged: `text` as parse_thought takes it.
SampleResult sample_result(judge::Judgement judgement, std::string_view text,
                           data::FinishReason finish_reason, int64_t tokens);
// Judges one response.
SampleResult judge_sample(const data::Problem& problem, std::string_view text,
                          data::FinishReason finish_reason, int64_t tokens,
                          const JudgeStrictness& strictness = {});

// Every problem must have the same number of samples (at least one).
BenchmarkScore aggregate(const std::string& benchmark, std::span<const data::Problem> problems,
                         std::span<const ProblemResult> results,
                         const JudgeStrictness& strictness = {});

struct BenchmarkOptions {
  JudgeStrictness strictness;
  Monitor* monitor = nullptr;  // told of the progress, if anybody watches
  // Each rollout, judged; those done before excepted.
  std::function<void(const data::Rollout&)> on_completion;
  std::function<void(std::span<const rollout::NewTokens>)> save;  // see RolloutHooks
  bool in_order = true;  // on_completion: in the order of problems and samples, else as they come
};

// Samples and judges `requests`: one for each problem, in their order, all with the same number of
// samples. Rollouts done before count as the others do. Nothing when *stop was set before the end.
std::optional<BenchmarkResult> evaluate(rollout::Generator& generator, const std::string& benchmark,
                                        std::span<const data::Problem> problems,
                                        std::span<const rollout::RolloutRequest> requests,
                                        const BenchmarkOptions& options,
                                        const std::atomic<bool>* stop = nullptr);

// Scores a JSONL file of responses: `response` (or `text`), optional `finish_reason` and
// `token_ids` or `tokens`. A row names its problem by `problem_id`, `id`, `question` or `problem`
// (its text), the first of these that the benchmark knows; if no row has any of them, rows are in
// the benchmark's order. Several rows of one problem are its samples. A row that is no JSON (a lone
// surrogate, bad UTF-8) is a wrong response. Throws Error naming the line for a row of no known
// problem and for unequal numbers of samples.
BenchmarkResult score_responses(const std::string& benchmark,
                                std::span<const data::Problem> problems,
                                const std::filesystem::path& file,
                                const JudgeStrictness& strictness = {});

}  // namespace ponder::eval
