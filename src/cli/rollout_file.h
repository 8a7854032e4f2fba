// Rollouts as a command's rows: those of `generate` and `eval`, which go on where they stopped.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/row_file.h"
#include "generate/inference_model.h"
#include "rollout/run_rollouts.h"

namespace ponder::cli {

// For RowFile: what a model computes with, by file, and its arithmetic. `folder` is the model's.
Json job_of_model(const std::filesystem::path& folder, const generate::InferenceModel& model);
// What the rollouts of these problems depend on beside the model; requests[i] is for problems[i].
Json job_of_rollouts(const std::vector<data::Problem>& problems,
                     const std::vector<rollout::RolloutRequest>& requests);

// The rollouts of some requests, as rows of the file from place (first, 0) on: a set a request.
class RolloutFile {
 public:
  // Gives each request the rollouts that are there already, done or begun. Borrows the rows and
  // `problems`, of which requests[i] asks problems[i]. With `how_judged` its rows hold that and what
  // their problem is (problem_sha256), for later comparisons.
  RolloutFile(RowFile& rows, int64_t first, std::span<const data::Problem> problems,
              std::vector<rollout::RolloutRequest>& requests, std::optional<Json> how_judged = {});
  void add(const data::Rollout& rollout);
  void save(std::span<const rollout::NewTokens> begun);

 private:
  RowFile& rows_;
  int64_t first_;
  std::span<const data::Problem> problems_;
  std::optional<Json> how_judged_;
  std::map<std::string, int64_t> set_of_;  // of each problem
};

}  // namespace ponder::cli
