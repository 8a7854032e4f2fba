// What a finished stage says about itself beside its rows: one struct for each sort of stage,
// written to `stages.result` by pipeline and read back by report and cli. A key that an older run
// lacks is nothing or zero here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "pool/mix_table.h"
#include "pool/records.h"

namespace ponder::pool {

// The kinds of stages.
namespace stage_kind {
inline constexpr std::string_view kIngest = "ingest", kImitate = "imitate", kScreen = "screen",
                                  kExplore = "explore", kRefine = "refine", kImprove = "improve",
                                  kDpo = "dpo", kEvaluate = "evaluate", kImport = "import";
}  // namespace stage_kind

// A training step; no loss where the step was skipped.
struct LossPoint {
  int64_t step = 0;
  std::optional<double> loss;
};

// ingest. Rows of all sources together.
struct IngestResult {
  int64_t sources = 0, demonstrations = 0, problems = 0, benchmark_problems = 0;  // kept
  int64_t duplicates = 0;
  std::map<std::string, int64_t> rejected;  // by reason
};

// Of more than 300 steps every k-th, and the last.
template <class Point>
std::vector<Point> thinned(const std::vector<Point>& steps) {
  const size_t stride = steps.size() / 300 + 1;
  std::vector<Point> kept;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (i % stride == 0 || i + 1 == steps.size()) kept.push_back(steps[i]);
  }
  return kept;
}

// imitate, improve and dpo.
struct TrainResult {
  std::string model, sha256;      // what was trained
  std::string label;              // on what, for people
  int64_t steps = 0, tokens = 0;  // of the optimiser; trained on, epochs included
  std::optional<double> last_loss;
  std::vector<LossPoint> loss_curve;                // thinned
  std::optional<int64_t> demonstrations, explored;  // SFT: rows
  std::optional<int64_t> pairs, held_out_pairs;     // DPO: trained on, and not
  std::optional<std::string> alarm;                 // why the job ended early
  // DPO, thinned: {"step", "chosen_logprob", "rejected_logprob", "margin", "accuracy"} of each step;
  // readings on the way: {"step", "values": {"held_out_accuracy", "probe_finished", …}}.
  std::optional<Json> preferences, probes;
  std::map<std::string, int64_t> rejected;  // rows or pairs, by reason
  Json mix = Json::array();                 // SFT: what went in, see MixTable
};

// screen and explore.
struct RolloutResult {
  int64_t problems = 0, solved = 0, samples = 0, correct = 0, incorrect = 0, undecided = 0,
          unfinished = 0, tokens = 0;
  std::optional<int64_t> hard;                   // screen: problems not solved
  std::map<std::string, int64_t> rejected = {};  // problems that were not asked, by reason
  std::optional<int64_t> waves = {};             // of an exploration with a budget
};

struct RefineResult {
  std::string strategy;
  int64_t candidates = 0, rows = 0;
  double mean_tokens = 0, mean_perplexity = 0;  // of the selected rows
  std::map<std::string, int64_t> dropped;       // candidates, by filter
  // Thoughts of right candidates and of selected rows that could be checked (those about synthetic
  // problems), and those that are true.
  std::optional<int64_t> checked_right = {}, true_right = {}, checked_rows = {}, true_rows = {};
  std::optional<std::string> perplexity_model = {};  // whose perplexities counted, if another's
};

struct EvaluateResult {
  std::string model;
  Json benchmarks = Json::array();  // each as `ponder eval --json` prints it
};

Json to_json(const IngestResult& result);
Json to_json(const TrainResult& result);
Json to_json(const RolloutResult& result);
Json to_json(const RefineResult& result);
Json to_json(const EvaluateResult& result);

// What a failed stage keeps in place of a result, and the message it then gives; "" of any other.
Json failure(std::string_view message);
std::string failure_of(const StageRecord& stage);

// What a stage that is done keeps in place of a result where there was nothing for it to do (no
// problem left, no row selected, no pair), and the sentence that says so; "" of any other.
Json nothing(std::string_view sentence);
std::string nothing_of(const StageRecord& stage);

// The stage's result; none if it is not done or had nothing to do, or its kind has another sort of result. Throws
// Error naming the stage and the key whose value has another type.
template <class Result>
std::optional<Result> result_of(const StageRecord& stage);

}  // namespace ponder::pool
