#include "pipeline/plan_context.h"

#include <algorithm>

#include "base/error.h"
#include "model/checkpoint.h"
#include "ops/peak.h"
#include "pipeline/sources.h"

namespace ponder::pipeline {
namespace {

// Shares of the measured f32 peak, as `ponder bench` shows them for small models on this code.
constexpr double kTrainShare = 0.5, kDecodeShare = 0.22;
// A rollout in run.db: ids and log-probabilities (8 bytes a token) and its text, with the row's
// own fields.
constexpr int64_t kRowBytes = 1200, kTokenBytes = 12;

void count(const ReadSource& read, const data::RowBuilder& builder, const Recipe& recipe,
           RowLengths& lengths) {
  data::RowAccount report = read.report;
  data::RowVisitor visitor;
  visitor.row = [&](size_t, const data::TokenRow& row) {
    ++lengths.units;
    lengths.tokens += row.num_tokens();
    lengths.trained += row.num_loss_tokens();
    lengths.longest = std::max(lengths.longest, row.num_tokens());
  };
  data::visit_rows(builder, read.demonstrations, recipe.system, report, visitor);
}

}  // namespace

int64_t rollout_bytes(int64_t trajectories, int64_t tokens) {
  return trajectories * kRowBytes + tokens * kTokenBytes;
}

PlanContext::PlanContext(const Recipe& recipe, std::span<const ReadSource> sources,
                         ThreadPool& threads)
    : recipe_(recipe),
      peak_gflops_(ops::measured_peak_gflops(threads)),
      decoder_(model::load_config(recipe.base), threads) {
  const model::ModelConfig& config = decoder_.config();
  const data::ModelText text(recipe.base,
                             {recipe.chat_template, config.vocab_size, config.eos_token_ids});
  const data::RowBuilder builder(text, recipe.max_length);
  rows_.resize(recipe.imitation.size());
  int64_t problems = 0;
  for (const ReadSource& read : sources) {
    for (size_t set = 0; set < rows_.size(); ++set) {
      if (recipe.imitation[set].name == read.set) count(read, builder, recipe, rows_[set]);
    }
    (read.role == pool::SourceRecord::Role::kBenchmark ? benchmark_problems_ : problems) +=
        static_cast<int64_t>(read.problems.size());
  }
  for (int t = 1; t <= recipe.explore.rounds; ++t) {
    const auto [begin, end] = round_of(recipe.explore, t, problems);
    problems_of_round_.push_back(end - begin);
  }
  const RowLengths& main = rows_[0];
  if (main.units == 0)
    throw Error(recipe.name, "no demonstration can be trained on", "see `ponder data check`");
  mean_row_ = std::max<int64_t>(1, main.tokens / main.units);
  mean_response_ = std::max<int64_t>(1, main.trained / main.units);
  mean_prompt_ = std::max<int64_t>(1, mean_row_ - mean_response_);
}

StagePlan PlanContext::training(const train::TrainWorkload& workload,
                                const train::TrainOptions& options) const {
  const train::TrainPlan train = train::plan_training(decoder_, workload, options);
  StagePlan stage;
  stage.tokens = train.total_tokens;
  stage.flops = train.flops;
  stage.memory = train.memory_bytes;
  // Of the checkpoint its weights and what is copied beside them stay.
  std::error_code absent;
  const auto tokenizer =
      static_cast<int64_t>(std::filesystem::file_size(recipe_.base / "tokenizer.json", absent));
  stage.kept_bytes = decoder_.config().num_parameters() * tensor::size_bytes(recipe_.dtype) +
                     (absent ? 0 : tokenizer);
  stage.disk_bytes = std::max(train.disk_bytes, stage.kept_bytes);
  stage.seconds = train.flops / (kTrainShare * peak_gflops_ * 1e9);
  return stage;
}

StagePlan PlanContext::rollouts(int64_t problems, int64_t samples, int64_t max_tokens) const {
  const model::ModelConfig& config = decoder_.config();
  const int64_t response = std::min(max_tokens, mean_response_);
  // Sampling holds bf16 weights as they are and anything else in f32; the base and what is trained
  // may differ.
  const bool narrow = config.dtype == tensor::DType::kBF16 && recipe_.dtype == tensor::DType::kBF16;
  const int64_t batch = recipe_.engine.max_batch;
  const int64_t pages = batch * model::KvCache::pages_for(mean_prompt_ + max_tokens);
  const int64_t cache = std::min(recipe_.engine.kv_cache_bytes, pages * decoder_.kv_page_bytes());
  StagePlan stage;
  stage.tokens = problems * (mean_prompt_ + samples * response);
  stage.flops = config.forward_flops(stage.tokens, mean_prompt_ + response);
  stage.memory = {{"weights", config.num_parameters() * (narrow ? 2 : 4)},
                  {"keys and values", cache},
                  {"logits", batch * config.vocab_size * 4}};
  for (auto& entry : decoder_.step_memory(512 + batch, batch))
    stage.memory.push_back(std::move(entry));
  stage.disk_bytes = stage.kept_bytes =
      rollout_bytes(problems * samples, problems * samples * response);
  stage.seconds = stage.flops / (kDecodeShare * peak_gflops_ * 1e9);
  return stage;
}

}  // namespace ponder::pipeline
