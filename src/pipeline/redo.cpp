#include "pipeline/redo.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "pipeline/stage_inputs.h"
#include "pipeline/stage_list.h"
#include "pool/stage_result.h"

namespace ponder::pipeline {
namespace fs = std::filesystem;
namespace {

bool among(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string part(const char* what, const std::vector<std::string>& names) {
  return names.empty() ? "" : fmt::format("; {}: {}", what, fmt::join(names, ", "));
}

std::string benchmark_of(const ReadSource& read) {
  return read.role == pool::SourceRecord::Role::kBenchmark ? read.set : "";
}

// Problems that are another now, under an id that the pool has, and those that no source has any more.
void remove_changed_problems(std::span<const ReadSource> sources, pool::Pool& pool) {
  std::set<std::string> there;
  for (const ReadSource& read : sources) {
    for (const data::Problem& problem : read.problems) {
      if (read.role == pool::SourceRecord::Role::kProblems) there.insert(problem.id);
      const auto then = pool.problem(problem.id, benchmark_of(read));
      if (then && data::to_json(*then) != data::to_json(problem))
        pool.remove_problem(problem.id, benchmark_of(read));
    }
  }
  for (const data::Problem& problem : pool.problems())
    if (!there.contains(problem.id)) pool.remove_problem(problem.id, "");
}

// Of benchmarks that are not asked any more.
void remove_unasked_rollouts(const std::string& stage, const Recipe& recipe, pool::Pool& pool) {
  std::vector<std::string> benchmarks = {""};
  for (const DataSource& source : recipe.evaluate.benchmarks) benchmarks.push_back(source.name);
  pool.for_each_rollout({.stage = stage, .with_tokens = false},
                        [&](const pool::StoredRollout& stored) {
                          if (!among(benchmarks, stored.benchmark))
                            pool.remove_rollout(stage, stored.rollout, stored.benchmark);
                        });
}

}  // namespace

Redo plan_redo(const Recipe& recipe, std::span<const ReadSource> sources, const pool::Pool& pool) {
  Redo redo;
  KnownInputs known;
  if (const auto base = pool.model_named("M0")) known.models["M0"] = base->sha256;
  for (const ReadSource& read : sources) {
    known.sources.push_back(
        {read.role, read.set, rows_sha256(read), static_cast<int64_t>(read.report.kept)});
  }
  std::map<std::string, std::string> stands_for;  // models that were not made
  for (const Stage& planned : stages_of(recipe)) {
    Stage stage = planned;
    while (!stage.only_its_input && stands_for.contains(stage.input))
      stage.input = stands_for.at(stage.input);
    const std::string hash = inputs_sha256(stage, recipe, known);
    const std::optional<pool::StageRecord> record = pool.stage(stage.name);
    const bool nothing = record && !pool::nothing_of(*record).empty();
    const bool without_model = nothing && stands_for.contains(stage.input);
    if (!record) {
      redo.added.push_back(stage.name);
    } else if (without_model || (!hash.empty() && hash == record->inputs_sha256)) {
      redo.kept.push_back(stage.name);
      known.stages[stage.name] = hash;
      if (nothing && !stage.output.empty()) stands_for[stage.output] = stage.instead;
      const auto made = pool.model_named(stage.output);
      if (made) known.models[stage.output] = made->sha256;
    } else {
      redo.redone.push_back(stage.name);
    }
  }
  for (const pool::StageRecord& stage : pool.stages()) {
    if (!among(redo.kept, stage.name) && !among(redo.redone, stage.name))
      redo.dropped.push_back(stage.name);
  }
  return redo;
}

std::string describe(const Redo& redo) {
  return fmt::format("kept: {} stages{}{}{}", redo.kept.size(), part("done again", redo.redone),
                     part("new", redo.added), part("dropped", redo.dropped));
}

void take_back(const Redo& redo, const Recipe& recipe, std::span<const ReadSource> sources,
               pool::Pool& pool, const fs::path& run_folder) {
  // Files first: a run that is cut off here makes them again, by its old recipe.
  for (const auto* names : {&redo.redone, &redo.dropped}) {
    for (const std::string& name : *names) {
      const std::optional<pool::StageRecord> record = pool.stage(name);
      if (!record) continue;
      fs::remove(run_folder / "training" / (name + ".jsonl"));
      for (const std::string& model : record->outputs)
        fs::remove_all(run_folder / "checkpoints" / model);
      for (const pool::ScoreRecord& score : pool.scores()) {
        if (score.stage == name)
          fs::remove(run_folder / "evaluations" /
                     fmt::format("{}-{}.jsonl", score.model, score.benchmark));
      }
    }
  }
  pool::Pool::Transaction transaction(pool);
  pool.forget_stages(redo.redone, redo.dropped);
  for (const std::string& stage : redo.redone) remove_unasked_rollouts(stage, recipe, pool);
  remove_changed_problems(sources, pool);
  transaction.commit();
}

}  // namespace ponder::pipeline
