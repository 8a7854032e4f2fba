// What each kind of stage does. A stage function reads the recipe and the pool, writes its results
// to both the pool and the run directory, and returns what `ponder status` and the report show.
// Internal to this folder.
#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/thread_pool.h"
#include "data/readers.h"
#include "pipeline/recipe.h"
#include "pipeline/stage_list.h"
#include "pool/pool.h"

namespace ponder {

struct StageContext {
  const Recipe& recipe;
  const Stage& stage;
  Pool& pool;
  ThreadPool& threads;
  Log& log;
  const std::atomic<bool>* stop;
  std::filesystem::path folder;  // of the run

  std::filesystem::path checkpoint(const std::string& model) const {
    return model == "M0" ? recipe.base : folder / "checkpoints" / model;
  }
  bool stopping() const { return stop && stop->load(); }
};

struct StageOutcome {
  int64_t rows = 0;
  Json result = Json::object();
};

// Each returns nothing when the stop flag ended it early.
std::optional<StageOutcome> run_imitate(
    StageContext& context);  // kImitate and kImprove: SFT from M0
std::optional<StageOutcome> run_dpo(StageContext& context);
std::optional<StageOutcome> run_screen(
    StageContext& context);  // greedy attempts that say what is hard
std::optional<StageOutcome> run_explore(StageContext& context);
std::optional<StageOutcome> run_refine(StageContext& context);
std::optional<StageOutcome> run_evaluate(StageContext& context);

// The problems of a round of exploration, before screening. `log` is told what was left out.
std::vector<Problem> problems_of_round(const Recipe& recipe, int round, Log* log = nullptr);
// The account of a source, and an event for each row that was left out.
void log_rejected(Log& log, const Source& source, const ReadReport& report);
// Candidates of a stage's trajectories, in pool order.
struct Candidate;
std::vector<Candidate> candidates_of(const Pool& pool, const std::string& stage);

}  // namespace ponder
