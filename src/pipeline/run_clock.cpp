#include "pipeline/run_clock.h"

namespace ponder::pipeline {
namespace {

// Seconds taken for one that was planned, of the stages that are done; of the other kind where none of
// this kind is, 1 where none at all is.
double slowness(std::span<const StageTime> stages, bool trains) {
  double took[2] = {}, planned[2] = {};
  for (const StageTime& stage : stages) {
    if (!stage.took || stage.planned <= 0) continue;
    took[stage.trains] += *stage.took;
    planned[stage.trains] += stage.planned;
  }
  for (const bool kind : {trains, !trains}) {
    if (planned[kind] > 0) return took[kind] / planned[kind];
  }
  return 1;
}

}  // namespace

std::optional<ExpectedSeconds> expected_seconds(std::span<const StageTime> stages, size_t index) {
  ExpectedSeconds expected;
  double planned = 0;
  for (size_t i = 0; i < stages.size(); ++i) {
    const StageTime& stage = stages[i];
    planned += stage.planned;
    if (i < index || stage.took) continue;
    (i == index ? expected.stage : expected.behind) +=
        stage.planned * slowness(stages, stage.trains);
  }
  if (planned <= 0) return std::nullopt;
  return expected;
}

}  // namespace ponder::pipeline
