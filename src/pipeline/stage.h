// A stage of a run: its name, what it reads and makes, and what its kind does. Each kind is one
// file of stages/, with plan and run side by side; stage_list.h says which stages a recipe has.
// Kinds are told apart nowhere else.
#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/monitor.h"
#include "base/thread_pool.h"
#include "pipeline/recipe.h"
#include "pipeline/server_commands.h"
#include "pipeline/sources.h"
#include "pool/pool.h"
#include "pool/stage_result.h"

namespace ponder::pipeline {

class PlanContext;
struct StageKind;
struct StagePlan;

struct Stage {
  std::string name;         // "imitate", "imitate-large", "screen-1", "improve-1", "evaluate-M1"
  const StageKind* kind;    // one of stages/kinds.h
  int round = 0;            // of exploration, from 1
  size_t set = 0;           // imitate, dpo: index into Recipe::imitation, Recipe::dpo
  std::string input = {};   // the model it starts from or runs
  std::string output = {};  // the model it makes, "" for none
  // The model that stands for the output where there was nothing to make it from, "" for none.
  std::string instead = {};
  bool only_its_input = false;          // a model that stands for its input will not do
  std::vector<std::string> reads = {};  // the stages whose rows it reads
};

// What a running stage may use. It reads the recipe and the pool, and writes its results to both
// the pool and the run directory.
struct StageContext {
  const Recipe& recipe;
  const Stage& stage;
  pool::Pool& pool;
  ThreadPool& threads;
  Monitor& monitor;
  std::vector<ReadSource>& sources;  // of the recipe; ingest takes them, afterwards there are none
  ServerCommands& servers;
  const std::atomic<bool>* stop;
  std::filesystem::path folder;  // of the run

  std::filesystem::path checkpoint(const std::string& model) const {
    return model == "M0" ? recipe.base : folder / "checkpoints" / model;
  }
  bool stopping() const { return stop && stop->load(); }
};

struct StageOutcome {
  bool finished = true;          // false: the stop flag ended it early; what it has is kept
  int64_t rows = 0;              // made: rollouts, training rows, pairs or scores
  Json result = Json::object();  // what `ponder status` and the report show

  static StageOutcome stopped() { return {.finished = false}; }
  // An end, not an error: there was nothing to do, and no output. `why`: a sentence without a stop.
  static StageOutcome nothing(std::string_view why) { return {.result = pool::nothing(why)}; }
};

struct StageKind {
  std::string_view name;  // "imitate", "explore", …
  // What its result depends on beside its input model and the stages it reads: the version of its
  // code (raised whenever the same inputs would give another result), the recipe's keys or tables of
  // keys ("-explore.problems": not these), and the ingested sources of a role.
  int version;
  std::vector<std::string_view> keys;
  std::optional<pool::SourceRecord::Role> sources;
  // What the stage will cost, its name and the program's own memory left out.
  StagePlan (*plan)(const PlanContext& context, const Stage& stage);
  // Begins the stage, or goes on with what the pool and the run directory hold of it. Throws Error
  // where it cannot be done; a stop is an outcome.
  StageOutcome (*run)(StageContext& context);
};

}  // namespace ponder::pipeline
