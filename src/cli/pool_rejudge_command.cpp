// ponder pool rejudge: what today's judge would say otherwise than the verdicts a pool has. Changes
// nothing.
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "cli/number_option.h"
#include "cli/pool_command.h"
#include "cli/printing.h"
#include "eval/judging.h"
#include "pipeline/run.h"

namespace ponder::cli {
namespace {

struct RejudgeFlags {
  std::string units, order, forms;  // "": as the run's recipe says, else lenient and exact
  int64_t show = 10;
};

struct Change {
  std::string stage, problem_id, then, now, proof_then, proof_now;
  int sample = 0;
};

// Of one stage.
struct StageChanges {
  int64_t rollouts = 0, changed = 0;
  std::map<std::string, int64_t> kinds = {};  // "incorrect to correct"
  std::set<std::string> solved_then = {}, solved_now = {};
};

struct Rejudged {
  std::vector<std::pair<std::string, StageChanges>> stages;
  std::vector<Change> changes;
  std::set<int64_t> no_more_correct, no_more_incorrect;  // rollouts
  std::map<std::string, int64_t> rows, pairs;            // of a stage, that stand on one of these
};

eval::JudgeStrictness with_flags(eval::JudgeStrictness strictness, const RejudgeFlags& flags) {
  if (!flags.units.empty()) strictness.units = eval::strictness_of(flags.units);
  if (!flags.order.empty()) strictness.order = eval::strictness_of(flags.order);
  if (!flags.forms.empty()) strictness.forms = eval::forms_of(flags.forms);
  return strictness;
}

// How the run's recipe has problems judged, and benchmarks.
struct RunStrictness {
  eval::JudgeStrictness explore, evaluate;
};

RunStrictness strictness_of_run(const std::filesystem::path& run, const RejudgeFlags& flags) {
  RunStrictness strictness;
  const std::filesystem::path recipe =
      std::filesystem::is_directory(run) ? run / "recipe.toml" : run.parent_path() / "recipe.toml";
  if (std::filesystem::exists(recipe)) {
    const pipeline::Recipe read = pipeline::load_recipe(recipe, {}, pipeline::RecipeFiles::kOfARun);
    strictness = {read.explore.strictness, read.evaluate.strictness};
  }
  return {with_flags(strictness.explore, flags), with_flags(strictness.evaluate, flags)};
}

Rejudged rejudge(const pool::Pool& pool, const RunStrictness& strictness) {
  Rejudged result;
  std::map<std::pair<std::string, std::string>, data::Problem> problems;  // by benchmark and id
  for (const pool::StageRecord& stage : pool.stages()) {
    StageChanges own;
    pool.for_each_rollout(
        {.stage = stage.name, .with_tokens = false}, [&](const pool::StoredRollout& stored) {
          if (!stored.rollout.verdict) return;
          const std::pair key(stored.benchmark, stored.rollout.problem_id);
          auto problem = problems.find(key);
          if (problem == problems.end()) {
            const auto there = pool.problem(key.second, key.first);
            if (!there) throw Error("run.db", "the problem " + excerpt(key.second) + " is gone");
            problem = problems.emplace(key, *there).first;
          }
          data::Rollout t = stored.rollout;
          eval::judge_rollout(problem->second,
                              stored.benchmark.empty() ? strictness.explore : strictness.evaluate,
                              t);
          ++own.rollouts;
          const judge::Verdict then = *stored.rollout.verdict, now = *t.verdict;
          if (then == judge::Verdict::kCorrect) own.solved_then.insert(key.second);
          if (now == judge::Verdict::kCorrect) own.solved_now.insert(key.second);
          if (then == now) return;
          ++own.changed;
          ++own.kinds[fmt::format("{} to {}", judge::to_string(then), judge::to_string(now))];
          if (then == judge::Verdict::kCorrect) result.no_more_correct.insert(stored.id);
          if (then == judge::Verdict::kIncorrect) result.no_more_incorrect.insert(stored.id);
          result.changes.push_back({stage.name, t.problem_id, std::string(judge::to_string(then)),
                                    std::string(judge::to_string(now)), stored.rollout.proof,
                                    t.proof, t.sample});
        });
    if (own.rollouts > 0) result.stages.emplace_back(stage.name, std::move(own));
    for (const pool::TrainingRow& row : pool.training_rows(stage.name)) {
      result.rows[stage.name] += row.origin.kind == pool::RowOrigin::Kind::kRollout &&
                                 result.no_more_correct.contains(row.origin.id);
    }
    for (const pool::PairRow& pair : pool.pairs(stage.name)) {
      result.pairs[stage.name] += result.no_more_correct.contains(pair.chosen) ||
                                  result.no_more_incorrect.contains(pair.rejected);
    }
  }
  std::erase_if(result.rows, [](const auto& entry) { return entry.second == 0; });
  std::erase_if(result.pairs, [](const auto& entry) { return entry.second == 0; });
  return result;
}

void print_rejudged(const Rejudged& result, int64_t show) {
  print("{:<22}{:>10}{:>9}{:>13}{:>12}  {}\n", "stage", "rollouts", "changed", "solved then",
        "solved now", "verdicts that change");
  for (const auto& [stage, own] : result.stages) {
    std::string kinds;
    for (const auto& [kind, count] : own.kinds)
      kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ", kind, count);
    print("{:<22}{:>10}{:>9}{:>13}{:>12}  {}\n", stage, own.rollouts, own.changed,
          own.solved_then.size(), own.solved_now.size(), kinds);
  }
  for (const auto& [stage, count] : result.rows)
    print("{}: {} trained rows are correct no more\n", stage, count);
  for (const auto& [stage, count] : result.pairs)
    print("{}: {} pairs have a side that is no more what it was\n", stage, count);
  for (size_t i = 0; i < std::min(result.changes.size(), static_cast<size_t>(show)); ++i) {
    const Change& change = result.changes[i];
    print_text(fmt::format("{} {} sample {}: {} ({}), now {} ({})\n", change.stage,
                           change.problem_id, change.sample, change.then, change.proof_then,
                           change.now, change.proof_now));
  }
}

Json json_of(const Rejudged& result) {
  Json stages = Json::array(), changes = Json::array();
  for (const auto& [stage, own] : result.stages) {
    stages.push_back({{"stage", stage},
                      {"rollouts", own.rollouts},
                      {"changed", own.changed},
                      {"verdicts", own.kinds},
                      {"solved_then", own.solved_then.size()},
                      {"solved_now", own.solved_now.size()}});
  }
  for (const Change& change : result.changes) {
    changes.push_back({{"stage", change.stage},
                       {"problem", change.problem_id},
                       {"sample", change.sample},
                       {"then", change.then},
                       {"proof_then", change.proof_then},
                       {"now", change.now},
                       {"proof_now", change.proof_now}});
  }
  return {{"stages", stages},
          {"changes", changes},
          {"trained_rows", result.rows},
          {"pairs", result.pairs}};
}

}  // namespace

PoolPart register_pool_rejudge(CLI::App& pool) {
  auto flags = std::make_shared<RejudgeFlags>();
  CLI::App* command =
      pool.add_subcommand("rejudge", "what today's judge would say otherwise; nothing is changed");
  const CLI::Validator strictness = one_of({"lenient", "strict"});
  command->add_option("--units", flags->units, "as the recipe's key; default: as it says")
      ->check(strictness);
  command->add_option("--order", flags->order, "as the recipe's key; default: as it says")
      ->check(strictness);
  command->add_option("--forms", flags->forms, "as the recipe's key; default: as it says")
      ->check(one_of({"exact", "evaluated"}));
  add_number_option(*command, "--show", flags->show, 0, kMany,
                    "verdicts that change, shown one by one, at most")
      ->capture_default_str();
  command->fallthrough();  // --json and RUN may stand behind it
  command->footer(
      "Examples:\n  ponder pool rejudge runs/quickstart\n"
      "  ponder pool rejudge runs/quickstart --units strict --json");
  return [flags](const std::string& run, const CommonOptions& common) {
    const Rejudged result = rejudge(open_pool(run), strictness_of_run(run, *flags));
    common.json ? print_json(json_of(result)) : print_rejudged(result, flags->show);
  };
}

}  // namespace ponder::cli
