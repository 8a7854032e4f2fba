// What a recipe will do and cost, before it starts. Training tokens are counted on the real rows;
// rollout tokens are estimated from the demonstrations' lengths; seconds come from this machine's
// measured peak and measured shares of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "pipeline/recipe.h"
#include "pipeline/sources.h"
#include "pool/stage_result.h"
#include "tensor/arena.h"

namespace ponder::pipeline {

struct StagePlan {
  std::string name = {};
  std::string note = {};  // why there is nothing to do, "" where there is
  int64_t tokens = 0;     // trained, or sampled and prefilled
  double flops = 0;
  tensor::MemoryTable memory = {};  // what it holds at its peak, by purpose
  int64_t peak_memory_bytes = 0;    // of the whole process during the stage
  int64_t disk_bytes = 0;           // at its peak, what it writes for a while included
  int64_t kept_bytes = 0;           // of these, what stays
  double seconds = 0;
};

// What becomes of a source's rows: those that cannot be read, trained on or asked are left out.
struct SourcePlan {
  std::string name;
  data::RowAccount account;
};

// What is trained of a set, by domain and source (the teacher, where rows say it).
struct MixPlan {
  std::string set;  // "" for the main one
  std::vector<pool::MixPart> parts;
};

struct RecipePlan {
  std::vector<StagePlan> stages;
  std::vector<SourcePlan> sources;
  std::vector<std::string> warnings;  // of limits that cost rows or answers, and settings not used
  std::vector<MixPlan> mixes;         // of each imitation set, what goes in
  double peak_gflops = 0;             // of this machine, measured now
  int64_t peak_memory_bytes() const;
  int64_t disk_bytes() const;  // what all stages keep, and the most that one needs beside that
};

RecipePlan plan_recipe(const Recipe& recipe, std::span<const ReadSource> sources,
                       ThreadPool& threads);
Json to_json(const RecipePlan& plan);

// The disk that is still to come for a run in the folder `out`, which may have begun: stages that are
// done need none, the others what they have not written yet.
int64_t disk_to_come(const RecipePlan& plan, const std::filesystem::path& out);

// Throws Error saying what to change when the machine has not the memory, or the folder's disk not
// the space for what is still to come.
void require_fit(const RecipePlan& plan, const std::filesystem::path& out);

}  // namespace ponder::pipeline
