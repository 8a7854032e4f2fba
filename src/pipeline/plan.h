// What a recipe will do and cost, before it starts. Training tokens are counted on the real rows;
// rollout tokens are estimated from the demonstrations' lengths; seconds come from half a second of this
// model's training step and sampling on this machine.
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
  std::string trainer =
      {};  // who trains, "" for ponder; its time and its devices are not known here
  std::string servers = {};  // the kind of those that sample, "" where this process does
  bool time_known = true;    // else its seconds are those of this process, and in no sum
  int64_t tokens = 0;        // trained, or sampled and prefilled
  double flops = 0;
  tensor::MemoryTable memory = {};  // what it holds at its peak, by purpose
  int64_t peak_memory_bytes = 0;    // of the whole process during the stage
  int64_t disk_bytes = 0;           // at its peak, what it writes for a while included
  int64_t kept_bytes = 0;           // of these, what stays
  double seconds_low = 0, seconds = 0, seconds_high = 0;  // at least, likely, at most

  // Seconds of all that it may have to do, and what shares of that are likely and the least.
  void expect(double most, double likely, double least) {
    seconds_high = most;
    seconds = most * likely;
    seconds_low = most * least;
  }
  // Of what it may have to do now, likely and at least these shares are left.
  void expect_less(double likely, double least) {
    seconds *= likely;
    seconds_low *= least;
  }
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

// A machine that a recipe is to run on; 0: not known.
struct Machine {
  double cores = 0;
  int64_t memory_bytes = 0;  // that are available
  double gflops = 0;         // of its peak in the recipe's arithmetic
};
// "64 cores, 256 GB, 900 GFLOP/s": parts in any order, each at most once. Throws Error (usage).
Machine machine_from_string(const std::string& text);

// Whether the memory is enough, and if not, why and what to change.
struct Verdict {
  bool fits = true;
  std::string reason = {};  // "imitate needs 126 GiB of memory, 22 GiB are available"
  // The smallest change of the recipe that fits, e.g. "sft.recompute = true"; "": no setting does.
  std::string change = {};
  std::string lower_bound = {};  // where none does: what no setting makes smaller
  std::string advice() const;    // the last two in a sentence
};

struct RecipePlan {
  std::vector<StagePlan> stages;
  std::vector<SourcePlan> sources;
  std::vector<std::string> warnings;  // of limits that cost rows or answers, and settings not used
  std::vector<MixPlan> mixes;         // of each imitation set, what goes in
  double peak_gflops = 0;             // of this machine, measured now
  Machine machine = {};               // that it was held against
  Verdict verdict = {};
  double other_cores = 0, own_share = 1;  // while it was measured (ModelSpeed)
  int64_t layers_measured = 0;            // 0: seconds are of shares of the peak
  int64_t peak_memory_bytes() const;
  double seconds_low() const;   // of all stages; if the machine is busy, as if it were not
  double seconds() const;       // likely, as busy as it is now
  double seconds_high() const;  // as busy as it is now
  int64_t disk_bytes() const;   // what all stages keep, and the most that one needs beside that
};

struct PlanOptions {
  bool measure = false;  // half a second of training and of sampling; else shares of the peak
  Machine machine = {};  // zeros: this one
  double server_tokens_per_second = 0;  // of all servers together; 0: not known
};
RecipePlan plan_recipe(const Recipe& recipe, std::span<const ReadSource> sources,
                       ThreadPool& threads, const PlanOptions& options = {});
Json to_json(const RecipePlan& plan);

// The disk that is still to come for a run in the folder `out`, which may have begun: stages that are
// done need none, the others what they have not written yet.
int64_t disk_to_come(const RecipePlan& plan, const std::filesystem::path& out);

// Throws Error saying what to change when the machine has not the memory, or the folder's disk not
// the space for what is still to come.
void require_fit(const RecipePlan& plan, const std::filesystem::path& out);

}  // namespace ponder::pipeline
