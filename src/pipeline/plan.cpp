#include "pipeline/plan.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/machine.h"
#include "pipeline/plan_context.h"
#include "pipeline/stage_list.h"

namespace ponder::pipeline {
namespace {

constexpr int64_t kProcessBytes = int64_t{24} << 20;  // code, tokenizer, database cache

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

RecipePlan plan_recipe(const Recipe& recipe, std::span<const ReadSource> sources,
                       ThreadPool& threads) {
  const PlanContext context(recipe, sources, threads);
  RecipePlan plan;
  plan.peak_gflops = context.peak_gflops();
  for (const Stage& stage : stages_of(recipe)) {
    StagePlan& out = plan.stages.emplace_back(stage.kind->plan(context, stage));
    out.name = stage.name;
    out.memory.emplace_back("program", kProcessBytes);
    out.peak_memory_bytes = tensor::total_bytes(out.memory);
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
  const int64_t available = machine_memory().available_bytes;
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

}  // namespace ponder::pipeline
