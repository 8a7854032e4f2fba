// ponder eval of a model that somebody serves: any OpenAI-compatible chat endpoint.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/rollout_file.h"
#include "cli/row_file.h"
#include "cli/sampling_flags.h"
#include "cli/server_flags.h"
#include "eval/benchmark.h"

namespace ponder::cli {

struct ServedFlags {
  std::string max_tokens_field = "max_tokens";
  bool own_sampling = false;       // no temperature and top-p are sent
  std::vector<std::string> extra;  // KEY=JSON, fields of every request
};
// Adds --max-tokens-field, --own-sampling and --extra.
void add_served_flags(CLI::App& command, ServedFlags& flags);
// Whether one of them was given.
bool any_given(const ServedFlags& flags);

// The fields of --extra KEY=JSON. Throws Error (usage) for what is no JSON and for fields that ponder itself sends.
Json extra_fields(const std::vector<std::string>& flags);

struct ServedEvaluationOptions {
  std::string url;  // --model
  const SamplingFlags& sampling;
  const ServerFlags& servers;
  const ServedFlags& served;
  int samples = 1;
  uint64_t seed = 1;
  std::string out;
  eval::JudgeStrictness strictness;
};

// Benchmarks, one after the other. Every answer becomes a row of OUT.part, and durable, before it
// counts; a command that ended early goes on from there.
class ServedEvaluation {
 public:
  // `job`: what decides how answers are judged. Throws Error (usage) for flags that an endpoint cannot
  // heed and where there is no --out; and what Fleet throws.
  ServedEvaluation(const ServedEvaluationOptions& options,
                   std::span<const std::vector<data::Problem>> benchmarks,
                   const std::vector<std::filesystem::path>& reads, Json job, Monitor& monitor);
  // Throws Error where answers are missing at the end: there is no score then.
  eval::BenchmarkResult run(const std::string& name, std::span<const data::Problem> problems,
                            size_t index);
  void finish();

 private:
  std::vector<rollout::RolloutRequest> requests_of(std::span<const data::Problem> problems) const;

  ServedEvaluationOptions options_;
  Monitor& monitor_;
  std::vector<std::vector<rollout::RolloutRequest>> requests_;  // of each benchmark
  std::unique_ptr<fleet::Fleet> fleet_;
  std::unique_ptr<RowFile> rows_;
  int64_t first_ = 0;  // place of the next benchmark's rows
};

}  // namespace ponder::cli
