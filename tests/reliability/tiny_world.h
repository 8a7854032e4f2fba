// A run of every kind of stage, small enough to be repeated thousands of times, and what a run must
// end with however often it was disturbed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "e2e/ponder.h"

namespace ponder::reliability {

namespace fs = std::filesystem;

// Base, sources and recipe in a folder of their own. A try has a place there of its own.
class TinyWorld {
 public:
  TinyWorld();

  const fs::path& folder() const { return folder_.path(); }
  fs::path base() const { return folder_ / "base"; }

  // Two rounds, a comparison set, DPO and two benchmarks; sources from files and made. A fifth of a
  // second of one core. The run directory is `place`/run.
  std::vector<std::string> run(const fs::path& place,
                               const std::vector<std::string>& more = {"--threads", "1"}) const;
  // A job of four steps that saves after each. The model becomes `place`/model.
  std::vector<std::string> sft(const fs::path& place) const;

 private:
  testing::TemporaryFolder folder_;
};

// What must be the same, by name: every file with a hash of what it holds, training logs without
// times, every row of every table of run.db without times. Of logs of progress, reports and locks
// only the name counts.
using Results = std::map<std::string, std::string>;
Results results_of(const fs::path& place);
// Without the run's recipe.toml, which keeps the settings of speed that the run was begun with.
Results without_recipe(Results results);

// The first differences, a line each; "" where there is none.
std::string differences(const Results& expected, const Results& found);

}  // namespace ponder::reliability
