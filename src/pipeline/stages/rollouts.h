// What the stages that sample share: the model, rolling out problems into the pool, counting what
// is there. Internal to pipeline.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "generate/engine.h"
#include "generate/inference_model.h"
#include "pipeline/stage.h"

namespace ponder {

InferenceModel open_model(const StageContext& context);
Engine open_engine(const StageContext& context, InferenceModel& model);

// Rolls out `problems` and keeps every finished sample in the pool, a few hundred to a transaction:
// what a kill can cost is the last of these. `group_complete`: see RolloutHooks. `expected_tokens`:
// lengths of completions by problem id, where they are known. False when stopped.
bool roll_out(StageContext& context, InferenceModel& model, const std::vector<Problem>& problems,
              const SamplingSettings& sampling, int samples,
              const std::function<bool(std::span<const Trajectory>)>& group_complete,
              const std::map<std::string, int64_t>& expected_tokens = {});

// A stage's trajectories, counted.
struct Tally {
  int64_t samples = 0, correct = 0, incorrect = 0, undecided = 0, tokens = 0, unfinished = 0;
  std::set<std::string> problems, solved;
};
Tally tally_of(const Pool& pool, const std::string& stage);
Json to_json(const Tally& tally);

}  // namespace ponder
