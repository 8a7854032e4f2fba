#include "pipeline/plan.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "generate/inference_model.h"
#include "model/checkpoint.h"
#include "ops/peak.h"
#include "pipeline/sources.h"
#include "pipeline/stage_list.h"
#include "pipeline/stages.h"
#include "train/training_job.h"

namespace ponder {
namespace {

// Shares of the measured f32 peak, as `ponder bench` shows them for small models on this code.
constexpr double kTrainShare = 0.5, kDecodeShare = 0.22;
constexpr int64_t kProcessBytes = int64_t{24} << 20;  // code, tokenizer, database cache
// A trajectory in run.db: ids and log-probabilities (8 bytes a token) and its text, with the row's
// own fields.
constexpr int64_t kRowBytes = 1200, kTokenBytes = 12;

struct RowLengths {
  int64_t units = 0, tokens = 0, trained = 0, longest = 0;
};

RowLengths lengths_of(const std::vector<Source>& sources, const RowBuilder& builder,
                      const Recipe& recipe, const ContaminationFilter& contaminated) {
  RowLengths lengths;
  for (const Source& source : sources) {
    ReadReport report;
    for (const Demonstration& d : demonstrations_of(source, report, &contaminated)) {
      std::string reason, detail;
      const auto row = builder.row("", d.system.empty() ? recipe.system : d.system, d.question,
                                   {d.response(), {}}, reason, detail, d.history);
      if (!row) continue;
      ++lengths.units;
      lengths.tokens += row->num_tokens();
      lengths.trained += row->num_trained();
      lengths.longest = std::max(lengths.longest, row->num_tokens());
    }
  }
  return lengths;
}

}  // namespace

int64_t RecipePlan::peak_memory_bytes() const {
  int64_t peak = 0;
  for (const StagePlan& stage : stages) peak = std::max(peak, stage.peak_memory_bytes);
  return peak;
}

int64_t RecipePlan::disk_bytes() const {
  int64_t sum = 0;
  for (const StagePlan& stage : stages) sum += stage.disk_bytes;
  return sum;
}

RecipePlan plan_recipe(const Recipe& recipe, ThreadPool& threads) {
  RecipePlan plan;
  plan.peak_gflops = measured_peak_gflops(threads);
  const double peak = plan.peak_gflops * 1e9;
  const ModelConfig config = load_config(recipe.base);
  const Tokenizer tokenizer = Tokenizer::load(recipe.base);
  const RowBuilder builder(tokenizer, template_for(recipe.base, tokenizer, recipe.chat_template),
                           recipe.max_length);
  const Decoder decoder(config, threads);
  // Sampling holds bf16 weights as they are and anything else in f32; the base and what is trained
  // may differ.
  const bool narrow = config.dtype == DType::kBF16 && recipe.dtype == DType::kBF16;
  const int64_t weights = config.num_parameters() * (narrow ? 2 : 4);

  std::vector<RowLengths> sets;
  const ContaminationFilter contaminated = contamination_filter_of(recipe);
  for (const ImitationSet& set : recipe.imitation)
    sets.push_back(lengths_of(set.demonstrations, builder, recipe, contaminated));
  const RowLengths& main = sets[0];
  if (main.units == 0)
    throw Error(recipe.name, "no demonstration can be trained on", "see `ponder data check`");
  const int64_t mean_row = std::max<int64_t>(1, main.tokens / main.units);
  const int64_t mean_response = std::max<int64_t>(1, main.trained / main.units);
  const int64_t mean_prompt = std::max<int64_t>(1, mean_row - mean_response);

  const auto training = [&](StagePlan& stage, const TrainWorkload& workload,
                            const TrainOptions& options) {
    const TrainPlan train = plan_training(decoder, workload, options);
    stage.tokens = train.total_tokens;
    stage.flops = train.flops;
    stage.memory = train.memory_bytes;
    stage.disk_bytes = train.disk_bytes;
    stage.seconds = train.flops / (kTrainShare * peak);
  };
  const auto rollouts = [&](StagePlan& stage, int64_t problems, int64_t samples,
                            int64_t max_tokens) {
    const int64_t response = std::min(max_tokens, mean_response);
    stage.tokens = problems * (mean_prompt + samples * response);
    stage.flops = config.forward_flops(stage.tokens, mean_prompt + response);
    const int64_t pages = recipe.engine.max_batch * KvCache::pages_for(mean_prompt + max_tokens);
    const int64_t cache =
        std::min(recipe.engine.kv_cache_bytes, pages * KvCache::page_bytes(config));
    const int64_t batch = recipe.engine.max_batch;
    stage.memory = {{"weights", weights},
                    {"keys and values", cache},
                    {"logits", batch * config.vocab_size * 4}};
    for (auto& entry : decoder.step_memory(512 + batch, batch))
      stage.memory.push_back(std::move(entry));
    stage.disk_bytes = problems * samples * (kRowBytes + kTokenBytes * response);
    stage.seconds = stage.flops / (kDecodeShare * peak);
  };

  const auto share =
      recipe.explore.rounds > 0 ? static_cast<int64_t>(problems_of_round(recipe, 1).size()) : 0;
  int64_t benchmark_problems = 0;
  for (const Source& source : recipe.evaluate.benchmarks) {
    ReadReport report;
    benchmark_problems += static_cast<int64_t>(problems_of(source, report).size());
  }
  for (const Stage& stage : stages_of(recipe)) {
    StagePlan& out = plan.stages.emplace_back();
    out.name = stage.name;
    switch (stage.kind) {
      case StageKind::kImitate: {
        const RowLengths& s = sets[stage.set];
        training(out, {s.units, s.tokens, s.trained, s.longest, s.longest, 0}, recipe.sft);
        break;
      }
      case StageKind::kImprove: {
        // At most per_problem rows of every problem so far, as long as a demonstration.
        int64_t rows = share * stage.round * recipe.refine.per_problem;
        if (recipe.refine.max_rows > 0) rows = std::min(rows, recipe.refine.max_rows * stage.round);
        training(
            out,
            {main.units + rows, main.tokens + rows * mean_row, main.trained + rows * mean_response,
             std::max(main.longest, mean_row), std::max(main.longest, mean_row), 0},
            recipe.sft);
        break;
      }
      case StageKind::kDpo: {
        int64_t pairs = share;
        if (recipe.dpo.max_pairs > 0) pairs = std::min(pairs, recipe.dpo.max_pairs);
        training(out,
                 {pairs, 2 * pairs * mean_row, 2 * pairs * mean_response, 2 * main.longest,
                  main.longest, 2 * pairs * mean_row},
                 recipe.dpo.train);
        break;
      }
      case StageKind::kScreen:
        rollouts(out, share, 1, recipe.explore.max_tokens);
        break;
      case StageKind::kExplore:
        rollouts(out, share, recipe.explore.samples, recipe.explore.max_tokens);
        break;
      case StageKind::kEvaluate:
        rollouts(out, benchmark_problems, recipe.evaluate.samples, recipe.evaluate.max_tokens);
        break;
      case StageKind::kRefine:
        break;
    }
    out.memory.emplace_back("program", kProcessBytes);
    out.peak_memory_bytes = total_bytes(out.memory);
  }
  return plan;
}

Json to_json(const RecipePlan& plan) {
  Json stages = Json::array();
  for (const StagePlan& s : plan.stages) {
    Json memory = Json::object();
    for (const auto& [purpose, bytes] : s.memory) memory[purpose] = bytes;
    stages.push_back({{"name", s.name},
                      {"tokens", s.tokens},
                      {"flops", s.flops},
                      {"peak_memory_bytes", s.peak_memory_bytes},
                      {"memory", memory},
                      {"disk_bytes", s.disk_bytes},
                      {"seconds", s.seconds}});
  }
  return {{"stages", stages},
          {"peak_memory_bytes", plan.peak_memory_bytes()},
          {"disk_bytes", plan.disk_bytes()},
          {"peak_gflops", plan.peak_gflops}};
}

void require_fit(const RecipePlan& plan, const std::filesystem::path& out) {
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  int64_t kib = 0, available = 0;
  while (meminfo >> key >> kib) {
    std::getline(meminfo, unit);
    if (key == "MemAvailable:") available = kib * 1024;
  }
  for (const StagePlan& stage : plan.stages) {
    if (available > 0 && stage.peak_memory_bytes > available) {
      throw Error(stage.name,
                  fmt::format("needs {:.1f} GiB of memory, {:.1f} GiB are available",
                              static_cast<double>(stage.peak_memory_bytes) / 1073741824.0,
                              static_cast<double>(available) / 1073741824.0),
                  "lower sft.micro_batch_tokens or engine.kv_cache_bytes, set sft.recompute = "
                  "true, or take a smaller model");
    }
  }
  std::filesystem::path existing = std::filesystem::absolute(out);
  while (!std::filesystem::exists(existing)) existing = existing.parent_path();
  const auto space = static_cast<int64_t>(std::filesystem::space(existing).available);
  if (plan.disk_bytes() > space) {
    throw Error(out.string(),
                fmt::format("needs {:.1f} GiB of disk, {:.1f} GiB are free",
                            static_cast<double>(plan.disk_bytes()) / 1073741824.0,
                            static_cast<double>(space) / 1073741824.0),
                "free some space or choose another --out");
  }
}

}  // namespace ponder
