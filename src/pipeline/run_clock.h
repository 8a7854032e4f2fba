// How long the rest of a run takes: what was planned for its stages, corrected by what those that are
// done took.
#pragma once

#include <optional>
#include <span>
#include <string>

namespace ponder::pipeline {

struct StageTime {
  std::string name;
  bool trains = false;              // else it samples, scores or sorts
  double planned = 0;               // seconds; only their proportions count once stages are done
  std::optional<double> took = {};  // of a stage that is done
};

// What the stage at `index` takes in all, and those behind it; nothing where nothing was planned.
struct ExpectedSeconds {
  double stage = 0, behind = 0;
};
std::optional<ExpectedSeconds> expected_seconds(std::span<const StageTime> stages, size_t index);

}  // namespace ponder::pipeline
