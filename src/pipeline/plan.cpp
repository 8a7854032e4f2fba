#include "pipeline/plan.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "base/error.h"
#include "base/machine.h"
#include "base/text.h"
#include "generate/sampling_defaults.h"
#include "pipeline/fit.h"
#include "pipeline/lengths.h"
#include "pipeline/plan_context.h"
#include "pipeline/stage_list.h"
#include "pool/pool.h"

namespace ponder::pipeline {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kProcessBytes = int64_t{24} << 20;  // code, tokenizer, database cache

int64_t folder_bytes(const fs::path& folder) {
  int64_t bytes = 0;
  std::error_code gone;
  for (const auto& entry : fs::recursive_directory_iterator(folder, gone)) {
    const auto size = entry.is_regular_file() ? entry.file_size(gone) : 0;
    if (!gone) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

}  // namespace

int64_t RecipePlan::peak_memory_bytes() const {
  int64_t peak = 0;
  for (const StagePlan& stage : stages) peak = std::max(peak, stage.peak_memory_bytes);
  return peak;
}

int64_t RecipePlan::disk_bytes() const {
  int64_t kept = 0, beside = 0;
  for (const StagePlan& stage : stages) {
    kept += stage.kept_bytes;
    beside = std::max(beside, stage.disk_bytes - stage.kept_bytes);
  }
  return kept + beside;
}

int64_t disk_to_come(const RecipePlan& plan, const fs::path& out) {
  const fs::path file = out / "run.db";
  const auto holds_nothing = [&] {
    std::error_code absent;
    return fs::file_size(file, absent) == 0 || absent;
  };
  if (holds_nothing()) return plan.disk_bytes();
  std::optional<pool::Pool> opened;
  try {
    opened.emplace(pool::Pool::open_read_only(file));
  } catch (const Error&) {
    if (holds_nothing()) return plan.disk_bytes();  // killed when it was made: that was undone
    throw;
  }
  const pool::Pool& pool = *opened;
  RecipePlan rest;
  for (StagePlan stage : plan.stages) {
    const std::optional<pool::StageRecord> record = pool.stage(stage.name);
    if (record && record->state == pool::StageState::kDone) continue;
    if (record) {
      const pool::PoolCounts::Stage counts = pool.counts_of(stage.name);
      const int64_t there = rollout_bytes(counts.rollouts, counts.tokens);
      // A model under way is replaced whole, so beside it there is room for less.
      const int64_t model =
          record->outputs.empty() ? 0 : folder_bytes(out / "checkpoints" / record->outputs[0]);
      stage.disk_bytes = std::max<int64_t>(0, stage.disk_bytes - there - model);
      stage.kept_bytes = std::max<int64_t>(0, stage.kept_bytes - there - model);
    }
    rest.stages.push_back(std::move(stage));
  }
  return rest.disk_bytes();
}

double RecipePlan::seconds_low() const {
  double sum = 0;
  for (const StagePlan& stage : stages) sum += stage.time_known ? stage.seconds_low : 0;
  return sum * own_share;
}

double RecipePlan::seconds() const {
  double sum = 0;
  for (const StagePlan& stage : stages) sum += stage.time_known ? stage.seconds : 0;
  return sum;
}

double RecipePlan::seconds_high() const {
  double sum = 0;
  for (const StagePlan& stage : stages) sum += stage.time_known ? stage.seconds_high : 0;
  return sum;
}

RecipePlan plan_recipe(const Recipe& recipe, std::span<const ReadSource> sources,
                       ThreadPool& threads, const PlanOptions& options) {
  PlanContext context(recipe, sources, threads);
  if (options.measure) context.measure(threads);
  context.set_server_rate(options.server_tokens_per_second);
  RecipePlan plan;
  plan.peak_gflops = context.peak_gflops();
  plan.layers_measured = context.speed().layers;
  plan.machine = options.machine;
  if (plan.machine.memory_bytes == 0) plan.machine.memory_bytes = machine_memory().available_bytes;
  if (options.machine.gflops > 0)
    context.set_faster(options.machine.gflops / plan.peak_gflops);
  else if (options.machine.cores > 0)
    context.set_faster(options.machine.cores / threads.num_threads());
  else
    std::tie(plan.other_cores, plan.own_share) =
        std::pair(context.speed().other_cores, context.speed().own_share);
  plan.sources = context.sources();
  plan.warnings = length_warnings(context);
  if (std::string unused = generate::sampling_defaults_unused(recipe.base); !unused.empty())
    plan.warnings.push_back(std::move(unused));
  for (size_t set = 0; set < recipe.imitation.size(); ++set)
    plan.mixes.push_back({recipe.imitation[set].name, context.rows(set).mix.parts()});
  const auto replan = [&](const Recipe& changed) {
    context.try_settings(changed);
    std::vector<StagePlan> stages;
    for (const Stage& stage : stages_of(changed)) {
      StagePlan& out = stages.emplace_back(stage.kind->plan(context, stage));
      out.name = stage.name;
      out.memory.emplace_back("program", kProcessBytes);
      out.peak_memory_bytes = tensor::total_bytes(out.memory);
    }
    return stages;
  };
  plan.stages = replan(recipe);
  plan.verdict = conclude(plan.stages, recipe, plan.machine.memory_bytes, replan);
  return plan;
}

Json to_json(const RecipePlan& plan) {
  Json stages = Json::array();
  for (const StagePlan& s : plan.stages) {
    Json memory = Json::object();
    for (const auto& [purpose, bytes] : s.memory) memory[purpose] = bytes;
    Json& stage =
        stages.emplace_back(Json{{"name", s.name},
                                 {"tokens", s.tokens},
                                 {"flops", s.flops},
                                 {"peak_memory_bytes", s.peak_memory_bytes},
                                 {"memory", memory},
                                 {"disk_bytes", s.disk_bytes},
                                 {"kept_bytes", s.kept_bytes},
                                 {"fits", plan.machine.memory_bytes <= 0 ||
                                              s.peak_memory_bytes <= plan.machine.memory_bytes},
                                 {"seconds_low", s.seconds_low},
                                 {"seconds", s.seconds},
                                 {"seconds_high", s.seconds_high}});
    if (!s.note.empty()) stage["note"] = s.note;
    if (!s.trainer.empty()) stage["trainer"] = s.trainer;
    if (!s.servers.empty()) stage["servers"] = s.servers;
    if (!s.time_known)
      for (const char* key : {"seconds_low", "seconds", "seconds_high"}) stage[key] = nullptr;
  }
  Json sources = Json::array();
  for (const SourcePlan& source : plan.sources) {
    Json& json = sources.emplace_back(Json{{"name", source.name}});
    json.update(data::to_json(source.account, true));
  }
  Json mixes = Json::array();
  for (const MixPlan& mix : plan.mixes)
    mixes.push_back({{"set", mix.set}, {"parts", pool::to_json(mix.parts)}});
  return {{"stages", stages},
          {"warnings", plan.warnings},
          {"mixes", mixes},
          {"sources", sources},
          {"peak_memory_bytes", plan.peak_memory_bytes()},
          {"disk_bytes", plan.disk_bytes()},
          {"verdict", plan.verdict.fits ? "fits" : "does not fit"},
          {"reason", plan.verdict.reason},
          {"change", plan.verdict.change.empty() ? Json() : Json(plan.verdict.change)},
          {"seconds_low", plan.seconds_low()},
          {"seconds", plan.seconds()},
          {"seconds_high", plan.seconds_high()},
          {"other_cores", plan.other_cores},
          {"memory_available_bytes", plan.machine.memory_bytes},
          {"peak_gflops", plan.peak_gflops}};
}

void require_fit(const RecipePlan& plan, const fs::path& out) {
  if (!plan.verdict.fits) throw Error("memory", plan.verdict.reason, plan.verdict.advice());
  fs::path existing = fs::absolute(out);
  while (!fs::exists(existing)) existing = existing.parent_path();
  const auto space = static_cast<int64_t>(fs::space(existing).available);
  const int64_t needed = disk_to_come(plan, out);
  if (needed > space) {
    throw Error(out.string(),
                fmt::format("needs {} of disk for what is still to come, {} are free",
                            bytes_text(needed), bytes_text(space)),
                "free some space or choose another --out");
  }
}

}  // namespace ponder::pipeline
