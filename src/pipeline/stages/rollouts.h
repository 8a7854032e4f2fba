// What the stages that sample share: the model, rolling out problems into the pool, counting what
// is there. Internal to pipeline.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/judging.h"
#include "generate/engine.h"
#include "generate/inference_model.h"
#include "pipeline/exploration_budget.h"
#include "pipeline/stage.h"
#include "pool/stage_result.h"

namespace ponder::pipeline {

// The stage's input model; `thinking` as tokenizer::TemplateChoice has it.
generate::InferenceModel open_model(const StageContext& context,
                                    std::optional<bool> thinking = std::nullopt);

struct RolloutWork {
  std::vector<data::Problem> problems;  // those that cannot be asked leave it
  std::string benchmark = {};           // they are of, "" for problems to train on
  data::SamplingSettings sampling;
  int samples = 1;  // of each problem
  eval::JudgeStrictness strictness;
  std::function<bool(std::span<const data::Rollout>)> group_complete = nullptr;  // see RolloutHooks
  // Each sample made now, verdict and proof filled in; those the pool has were judged before.
  std::function<void(const data::Rollout&, const judge::Judgement&)> on_judged = nullptr;
  // Lengths of completions by problem id, where they are known.
  std::map<std::string, int64_t> expected_tokens = {};
  std::map<std::string, uint64_t> rejected = {};  // problems that were not asked, by reason
  // Instead of all samples: which problems get one more each, given what there is of every problem
  // (in their order); none: it is enough. A function of that alone. See exploration_budget.h.
  std::function<std::vector<size_t>(std::span<const ProblemTally>)> next_wave = nullptr;
  // With next_wave: whether no wave may begin any more that would sample anything.
  std::function<bool()> out_of_time = nullptr;
  int64_t waves = 0;  // that were made
};

// Whether a response can be trained on or stand in a pair: finished, with thought and solution.
bool is_usable(const data::Rollout& rollout);

// Rolls out the problems, judges and keeps every finished sample in the pool, and every ten seconds
// (and when stopped) also what there is of the others: that is what a kill can cost. Samples the pool
// has are not made again; those that have begun go on, also where more tokens are allowed than when
// they were cut off.
// Problems that cannot be asked are left out, counted and told by id; Error when none is left.
// False when stopped.
bool roll_out(StageContext& context, generate::InferenceModel& model, RolloutWork& work);

// A stage's rollouts, counted.
pool::RolloutResult rollouts_of(const pool::Pool& pool, const std::string& stage,
                                const RolloutWork& work);

}  // namespace ponder::pipeline
