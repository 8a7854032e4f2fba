// What the plans of all stages are worked out from: the recipe's rows, counted once, the model's
// shape and the machine's speed. Internal to pipeline.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/decoder.h"
#include "pipeline/model_speed.h"
#include "pipeline/plan.h"
#include "pipeline/recipe.h"
#include "pipeline/stage.h"
#include "pool/stage_result.h"
#include "train/training_job.h"

namespace ponder::pipeline {

// What so many trajectories take in run.db.
int64_t rollout_bytes(int64_t trajectories, int64_t tokens);

struct RowLengths {
  int64_t units = 0, tokens = 0, trained = 0, longest = 0;
  std::vector<int64_t> responses = {};  // of each row, the trained tokens
  int64_t too_long = 0;                 // rows left out as longer than max_length
  pool::MixTable mix = {};
};

class PlanContext {
 public:
  // Throws Error when no demonstration can be trained on, when there is no problem to explore, or
  // when none of a round or of a benchmark can be asked.
  PlanContext(const Recipe& recipe, std::span<const ReadSource> sources, ThreadPool& threads);

  const Recipe& recipe() const { return *recipe_; }
  // From now on plans are those of this recipe, which differs in settings of memory alone; it must
  // outlive them.
  void try_settings(const Recipe& recipe) { recipe_ = &recipe; }
  // Measures this model on this machine; without, speeds are shares of its peak.
  void measure(ThreadPool& threads);
  // From now on seconds are those of a machine so many times as fast.
  void set_faster(double times) { faster_ = times; }
  // What servers sample, tokens a second of all of them together; 0: not known.
  void set_server_rate(double tokens_per_second) { server_rate_ = tokens_per_second; }
  const ModelSpeed& speed() const { return speed_; }
  double peak_gflops() const { return peak_gflops_; }  // of this machine, measured now
  // The training rows of an imitation set, counted. Their means, of the main set.
  const RowLengths& rows(size_t set) const { return rows_[set]; }
  int64_t mean_row() const { return mean_row_; }
  int64_t mean_response() const { return mean_response_; }
  // 0: none is left.
  int64_t problems_of_round(int round) const {
    return problems_of_round_[static_cast<size_t>(round - 1)];
  }
  int64_t benchmark_problems() const { return benchmark_problems_; }
  int64_t max_positions() const { return decoder_.config().max_position_embeddings; }
  // What becomes of the rows of each source: read, trained on or asked.
  const std::vector<SourcePlan>& sources() const { return sources_; }

  StagePlan training(const train::TrainWorkload& workload,
                     const train::TrainOptions& options) const;
  StagePlan rollouts(const Stage& stage, int64_t problems, int64_t samples,
                     int64_t max_tokens) const;

 private:
  double train_seconds(double flops) const;
  double sample_seconds(double flops) const;

  const Recipe* recipe_;
  ModelSpeed speed_ = {};  // zeros: not measured
  double faster_ = 1, server_rate_ = 0;
  double peak_gflops_ = 0;
  model::Decoder decoder_;
  std::vector<RowLengths> rows_;
  int64_t mean_row_ = 1, mean_response_ = 1, mean_prompt_ = 1;
  std::vector<int64_t> problems_of_round_;
  int64_t benchmark_problems_ = 0;
  std::vector<SourcePlan> sources_;
};

}  // namespace ponder::pipeline
