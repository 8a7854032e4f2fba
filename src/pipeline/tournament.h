// What strategies of refinement are worth: each selects from the same rollouts, the first round's of a
// run, a model is trained on D0 and its selection as the run's recipe says, and evaluated.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "base/monitor.h"
#include "base/thread_pool.h"
#include "pool/pool.h"
#include "pool/stage_result.h"

namespace ponder::pipeline {

struct TournamentEntry {
  std::string strategy;
  pool::RefineResult refine = {};
  std::vector<pool::ScoreRecord> scores = {};  // of its model
  std::string nothing = {};                    // why there is no model, "" where there is
  bool stopped = false;                        // the stop flag ended it here
};

// In the order of strategy_names(). Each is a run of its own, RUN/tournament/STRATEGY, which begins with
// a copy of the run's pool (files of checkpoints are links) and goes on when asked again. The run's
// other keys of [refine] count for all. `recipe_file`: the run's, RUN/recipe.toml where its sources are
// no files of relative paths. Throws Error when the run has not explored, is running, or has another
// recipe.
std::vector<TournamentEntry> hold_tournament(const std::filesystem::path& run,
                                             const std::filesystem::path& recipe_file,
                                             ThreadPool& threads, Monitor& monitor,
                                             const std::atomic<bool>* stop);

}  // namespace ponder::pipeline
