#include "pipeline/plan_context.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "data/askable.h"
#include "model/checkpoint.h"
#include "ops/bf16_matmul.h"
#include "ops/peak.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"

namespace ponder::pipeline {
namespace {

// Shares of the measured peak of the instruction that multiplies, as `ponder bench` shows them for
// small models on this code.
struct Shares {
  double train, decode;
};
Shares shares_of(tensor::Precision precision) {
  if (precision == tensor::Precision::kF32) return {0.5, 0.22};
  switch (ops::bf16_support().path) {
    case ops::Bf16Path::kFma:
      return {0.42, 0.2};
    case ops::Bf16Path::kAvx512Bf16:
      return {0.4, 0.2};
    case ops::Bf16Path::kAmx:
      break;
  }
  return {0.1, 0.05};  // what the products alone let expect
}
// A rollout in run.db: ids and log-probabilities (8 bytes a token) and its text, with the row's
// own fields.
constexpr int64_t kRowBytes = 1200, kTokenBytes = 12;

// Adds the rows that can be trained on to `lengths`; the others go into the account.
void count(const ReadSource& read, const data::RowBuilder& builder, const Recipe& recipe,
           data::RowAccount& account, RowLengths& lengths) {
  data::RowVisitor visitor;
  visitor.rejected = [&](size_t, const data::Rejection& why) {
    lengths.too_long += why.reason == "too_long";
  };
  visitor.row = [&](size_t i, const data::TokenRow& row) {
    const size_t place = i % read.demonstrations.size();
    lengths.mix.add(read.demonstrations[place].domain, pool::teacher_of(read.demonstrations[place]),
                    row.num_tokens());
    lengths.responses.push_back(row.num_loss_tokens());
    ++lengths.units;
    lengths.tokens += row.num_tokens();
    lengths.trained += row.num_loss_tokens();
    lengths.longest = std::max(lengths.longest, row.num_tokens());
  };
  if (read.repeated == 0)
    return data::visit_rows(builder, read.demonstrations, recipe.system, account, visitor);
  std::vector<data::Demonstration> rows;
  for (const size_t place : read.order()) rows.push_back(read.demonstrations[place]);
  data::visit_rows(builder, rows, recipe.system, account, visitor);
}

// For each problem, whether it can be asked; the others go into the account.
std::vector<bool> askable(const ReadSource& read, const data::ModelText& text,
                          const data::PromptSpec& spec, data::RowAccount& account) {
  std::vector<bool> askable;
  for (const data::Problem& problem : read.problems) {
    const auto prompt = data::prompt_of(text, problem, spec);
    askable.push_back(static_cast<bool>(prompt));
    if (prompt) continue;
    --account.kept;
    account.reject({prompt.why(), problem.file, problem.line, 0, problem.id});
  }
  return askable;
}

// How many of them can be asked; Error when there are some and none can.
int64_t count_askable(std::vector<bool>::const_iterator begin,
                      std::vector<bool>::const_iterator end, const std::string& where,
                      const std::string& limits) {
  const auto count = std::count(begin, end, true);
  if (count == 0 && begin != end) {
    throw Error(where,
                fmt::format("none of its {} problems can be asked with {}", end - begin, limits),
                "lower max_tokens where prompts are too long, or take another base: `ponder data "
                "check --tokenizer BASE --explain` says why");
  }
  return count;
}

}  // namespace

int64_t rollout_bytes(int64_t trajectories, int64_t tokens) {
  return trajectories * kRowBytes + tokens * kTokenBytes;
}

PlanContext::PlanContext(const Recipe& recipe, std::span<const ReadSource> sources,
                         ThreadPool& threads)
    : recipe_(&recipe),
      peak_gflops_(recipe.precision == tensor::Precision::kBf16
                       ? ops::measured_bf16_peak_gflops(threads)
                       : ops::measured_peak_gflops(threads)),
      decoder_(model::load_config(recipe.base), threads, recipe.precision) {
  const model::ModelConfig& config = decoder_.config();
  const data::ModelText text(recipe.base,
                             {recipe.chat_template, config.vocab_size, config.eos_token_ids,
                              recipe.add_tokens, recipe.thought_form});
  if (recipe.evaluate.thinking && !text.chat().has_thinking_switch()) {
    throw Error("evaluate.thinking",
                fmt::format("the chat template of {} ({}) does not read enable_thinking",
                            recipe.base.string(), text.chat().name()),
                "leave it out");
  }
  const data::RowBuilder builder(text, recipe.max_length);
  rows_.resize(recipe.imitation.size());
  std::vector<bool> problems;  // of all rounds, whether they can be asked
  const auto limits = [&](const char* section, int64_t max_tokens) {
    return fmt::format("{}.max_tokens = {} of {} positions", section, max_tokens,
                       config.max_position_embeddings);
  };
  for (const ReadSource& read : sources) {
    data::RowAccount& account =
        sources_.emplace_back(SourcePlan{source_name(*read.source), read.report}).account;
    for (size_t set = 0; set < rows_.size(); ++set) {
      if (recipe.imitation[set].name == read.set) count(read, builder, recipe, account, rows_[set]);
    }
    const bool benchmark = read.role == pool::SourceRecord::Role::kBenchmark;
    const std::vector<bool> asked =
        askable(read, text,
                {.system = recipe.system,
                 .max_tokens = benchmark ? recipe.evaluate.max_tokens : recipe.explore.max_tokens,
                 .max_positions = config.max_position_embeddings},
                account);
    if (benchmark) {
      benchmark_problems_ += count_askable(asked.begin(), asked.end(), read.set,
                                           limits("evaluate", recipe.evaluate.max_tokens));
    } else {
      problems.insert(problems.end(), asked.begin(), asked.end());
    }
  }
  if (recipe.explore.rounds > 0 && problems.empty()) {
    throw Error("explore.problems", "no problem is left in its sources",
                "`ponder data check --kind problems` says why");
  }
  for (int t = 1; t <= recipe.explore.rounds; ++t) {
    const auto [begin, end] = round_of(recipe.explore, t, static_cast<int64_t>(problems.size()));
    problems_of_round_.push_back(count_askable(problems.begin() + begin, problems.begin() + end,
                                               fmt::format("explore-{}", t),
                                               limits("explore", recipe.explore.max_tokens)));
  }
  for (const RowLengths& rows : rows_) {
    if (rows.longest <= config.max_position_embeddings) continue;
    throw Error("max_length",
                fmt::format("a demonstration has {} tokens, the model positions for {}",
                            rows.longest, config.max_position_embeddings),
                fmt::format("set max_length = {}, which leaves longer ones out",
                            config.max_position_embeddings));
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
      static_cast<int64_t>(std::filesystem::file_size(recipe_->base / "tokenizer.json", absent));
  stage.kept_bytes = decoder_.config().num_parameters() * tensor::size_bytes(recipe_->dtype) +
                     (absent ? 0 : tokenizer);
  stage.disk_bytes = std::max(train.disk_bytes, stage.kept_bytes);
  if (recipe_->trainer.outside()) {
    // Here: the starting weights and the trained ones, and a forward of a row; on disk what the
    // trainer saves, two checkpoints with their moments and its model.
    const int64_t parameters = decoder_.config().num_parameters();
    stage.trainer = trainers::to_string(recipe_->trainer.kind);
    stage.memory = decoder_.step_memory(workload.longest_row, workload.longest_row);
    stage.memory.emplace_back("weights, starting and trained", 8 * parameters);
    stage.disk_bytes = stage.kept_bytes + 28 * parameters;
    return stage;
  }
  stage.expect(train_seconds(train.flops), 1, 1);
  return stage;
}

void PlanContext::measure(ThreadPool& threads) {
  const model::ModelConfig& config = decoder_.config();
  speed_ = measure_speed(config,
                         {.train = recipe_->sft,
                          .row_tokens = mean_row_,
                          .max_batch = recipe_->engine.max_batch,
                          .prompt_tokens = mean_prompt_,
                          .response_tokens = mean_response_,
                          .narrow_weights = recipe_->precision == tensor::Precision::kBf16},
                         peak_gflops_, threads);
}

double PlanContext::train_seconds(double flops) const {
  const double usual = shares_of(recipe_->precision).train * peak_gflops_ * 1e9;
  return flops / (faster_ * (speed_.train > 0 ? speed_.train : usual));
}

double PlanContext::sample_seconds(double flops) const {
  const double usual = shares_of(recipe_->precision).decode * peak_gflops_ * 1e9;
  return flops / (faster_ * (speed_.sample > 0 ? speed_.sample : usual));
}

StagePlan PlanContext::rollouts(const Stage& of, int64_t problems, int64_t samples,
                                int64_t max_tokens) const {
  const model::ModelConfig& config = decoder_.config();
  const int64_t response = std::min(max_tokens, mean_response_);
  // Sampling in f32 holds bf16 weights as they are and anything else in f32; the base and what is
  // trained may differ.
  const bool narrow =
      recipe_->precision == tensor::Precision::kBf16 ||
      (config.dtype == tensor::DType::kBF16 && recipe_->dtype == tensor::DType::kBF16);
  const int64_t batch = recipe_->engine.max_batch;
  const int64_t pages = batch * model::KvCache::pages_for(mean_prompt_ + max_tokens);
  const int64_t cache = std::min(recipe_->engine.kv_cache_bytes, pages * decoder_.kv_page_bytes());
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
  // How long completions are is not known before there are any.
  constexpr double kDoubt = 1.4;
  double seconds = sample_seconds(stage.flops);
  const FleetSettings& fleet = recipe_->fleet;
  if (fleet.samples(of.kind->name)) {
    stage.servers = fleet::to_string(fleet.kind);
    stage.time_known = server_rate_ > 0;
    if (stage.time_known)
      seconds = static_cast<double>(problems * samples * response) / server_rate_;
    // Where they prove their weights by what they answer, this process answers too.
    if (!fleet.samples_otherwise(of.kind->name)) stage.memory.clear();
  }
  stage.expect(kDoubt * seconds, 1 / kDoubt, 1 / (kDoubt * kDoubt));
  return stage;
}

}  // namespace ponder::pipeline
