// ponder pool export: a run's rows for other programs.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <tuple>

#include "base/error.h"
#include "cli/number_option.h"
#include "cli/pool_command.h"
#include "cli/printing.h"
#include "exchange/export_rows.h"
#include "pipeline/candidates.h"
#include "pipeline/pair_choice.h"

namespace ponder::cli {
namespace {

struct ExportFlags {
  std::string run, verdict, stage, out = "-", layout, selected, thought_form;
  int64_t per_problem = 1, max_rows = 0;
  bool problems = false, pairs = false, demonstrations = false, allow_direct = false;
};

// Rows as they are written, and what became of the rest.
class ExportedRows {
 public:
  ExportedRows(const ExportFlags& flags) : out_(flags.out, {flags.run}) {}

  void write(const Json& row) {
    out_.write(dump_json(row));
    ++rows_;
  }
  void leave_out(const std::string& reason) { ++left_out_[reason]; }
  void take(const data::Accepted<Json>& row) { row ? write(*row) : leave_out(row.why().reason); }

  void close(const ExportFlags& flags, const CommonOptions& common, const char* what) {
    out_.close();
    const bool to_file = !flags.out.empty() && flags.out != "-";
    if (common.json && to_file) {
      Json json = {{"rows", rows_}, {"left_out", Json::object()}};
      for (const auto& [reason, count] : left_out_) json["left_out"][reason] = count;
      print_json(json);
    }
    if (common.quiet) return;
    std::string text = fmt::format("{} {} exported", rows_, what), reasons;
    for (const auto& [reason, count] : left_out_)
      reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", reason, count);
    if (!reasons.empty()) text += "; left out: " + reasons;
    tell(text);
  }

 private:
  LineOutput out_;
  uint64_t rows_ = 0;
  std::map<std::string, uint64_t> left_out_;
};

void check_stage(const pool::Pool& pool, const ExportFlags& flags) {
  if (flags.stage.empty() || pool.stage(flags.stage)) return;
  std::string known;
  for (const pool::StageRecord& stage : pool.stages())
    known += (known.empty() ? "" : ", ") + stage.name;
  throw Error(flags.run, fmt::format("no stage \"{}\"", flags.stage), "the run has: " + known);
}

// The rollouts that the strategy chooses.
std::set<int64_t> chosen_by(const pool::Pool& pool, const ExportFlags& flags, uint64_t seed) {
  pipeline::SelectionOptions options;
  const auto strategy = pipeline::strategy_from_string(flags.selected);
  if (!strategy) {
    throw Error(ErrorKind::kUsage, "--selected " + flags.selected, "no such strategy",
                pipeline::strategy_advice(flags.selected));
  }
  options.strategy = *strategy;
  options.per_problem = flags.per_problem;
  options.max_rows = flags.max_rows;
  options.seed = seed;
  const std::vector<pipeline::Candidate> candidates =
      flags.stage.empty() ? pipeline::all_candidates(pool)
                          : pipeline::candidates_of(pool, flags.stage);
  options = pipeline::fitting(options, candidates);
  const auto decisions = pipeline::select(candidates, options);
  std::set<int64_t> chosen;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (pipeline::selected(decisions[i])) chosen.insert(candidates[i].id);
  }
  return chosen;
}

// Of one that was imported: what nobody said is not there.
void put_origin(Json& json, const data::Origin& origin, const data::Completion& made) {
  json.erase("seed");
  json["sampling"] = origin.sampling;
  if (origin.sampling.contains("seed")) json["seed"] = origin.sampling["seed"];
  if (!origin.model.empty()) json["model"] = origin.model;
  if (!origin.system.empty()) json["system"] = origin.system;
  if (!made.token_ids && made.num_tokens() > 0) json["tokens"] = made.num_tokens();
}

Json trajectory_row(const pool::Pool& pool, const pool::StoredRollout& stored) {
  const data::Completion& made = stored.rollout.completion;
  Json json = data::to_json(stored.rollout);
  if (stored.rollout.origin) put_origin(json, *stored.rollout.origin, made);
  if (const auto problem = pool.problem(stored.rollout.problem_id, stored.benchmark))
    data::put_problem(json, *problem);
  json["stage"] = stored.stage;
  json["round"] = stored.round;
  if (!stored.benchmark.empty()) json["benchmark"] = stored.benchmark;
  if (made.logprob_source != data::LogprobSource::kEngine)
    json["logprob_source"] = data::to_string(made.logprob_source);
  if (!made.endpoint.empty()) json["endpoint"] = made.endpoint;
  return json;
}

template <class Part>
Part still_there(std::optional<Part> part) {
  if (!part) throw Error("run.db", "a row is gone that another names", "restore it from a copy");
  return std::move(*part);
}

exchange::ExportForm form_of(const ExportFlags& flags) {
  return {flags.allow_direct, data::thought_form_from_string(flags.thought_form)};
}

// By problem, so that an import numbers and orders them alike.
void export_training_rows(const pool::Pool& pool, const ExportFlags& flags,
                          const std::optional<std::set<int64_t>>& chosen, ExportedRows& out) {
  std::map<std::string, size_t> place;  // of problems to train on
  for (const data::Problem& problem : pool.problems()) place.emplace(problem.id, place.size());
  pool::RolloutQuery query{.stage = flags.stage, .with_tokens = false};
  if (!flags.verdict.empty()) query.verdict = judge::verdict_from_string(flags.verdict);
  std::vector<std::tuple<size_t, size_t, int64_t>> rows;  // of the problem, in pool order; id
  pool.for_each_rollout(query, [&](const pool::StoredRollout& stored) {
    if (chosen && chosen->count(stored.id) == 0) return out.leave_out("not_selected");
    // Rows to learn from are right, where nothing else is asked for.
    const auto& verdict = stored.rollout.verdict;
    if (!query.verdict && verdict != judge::Verdict::kCorrect)
      return out.leave_out(verdict ? std::string(judge::to_string(*verdict)) : "unjudged");
    const auto found = place.find(stored.rollout.problem_id);
    rows.emplace_back(stored.benchmark.empty() && found != place.end() ? found->second : 0,
                      rows.size(), stored.id);
  });
  std::sort(rows.begin(), rows.end());
  const exchange::RowLayout layout = *exchange::row_layout_from_string(flags.layout);
  for (const auto& [problem_place, ordinal, id] : rows) {
    const pool::StoredRollout stored = still_there(pool.rollout(id));
    const data::Problem problem =
        still_there(pool.problem(stored.rollout.problem_id, stored.benchmark));
    out.take(exchange::training_row(problem, stored.rollout, layout, form_of(flags)));
  }
}

// Those that were trained on or, where none was, those of the rule that the dpo stage goes by.
void export_pairs(const pool::Pool& pool, const ExportFlags& flags, uint64_t seed,
                  ExportedRows& out) {
  std::vector<std::pair<int64_t, int64_t>> pairs;
  for (const pool::StageRecord& stage : pool.stages()) {
    for (const pool::PairRow& pair : pool.pairs(stage.name))
      pairs.emplace_back(pair.chosen, pair.rejected);
  }
  if (pairs.empty()) {
    const std::vector<pipeline::Candidate> candidates = pipeline::all_candidates(pool);
    pipeline::require_one_arithmetic(candidates);
    for (const pipeline::PairChoice& choice :
         pipeline::choose_pairs(candidates, {.max_pairs = flags.max_rows, .seed = seed}).pairs)
      pairs.emplace_back(candidates[choice.chosen].id, candidates[choice.rejected].id);
  }
  const exchange::PairLayout layout =
      *exchange::pair_layout_from_string(flags.layout.empty() ? "trl" : flags.layout);
  for (const auto& [chosen, rejected] : pairs) {
    const pool::StoredRollout good = still_there(pool.rollout(chosen)),
                              bad = still_there(pool.rollout(rejected));
    const data::Problem problem =
        still_there(pool.problem(good.rollout.problem_id, good.benchmark));
    out.take(exchange::preference_row(problem, good.rollout, bad.rollout, layout, form_of(flags)));
  }
}

void export_demonstrations(const pool::Pool& pool, const ExportFlags& flags, ExportedRows& out) {
  std::set<int64_t> seen;  // a row may be of several sets
  for (const pool::SourceRecord& source : pool.sources()) {
    if (source.role != pool::SourceRecord::Role::kDemonstrations) continue;
    for (const int64_t id : pool.demonstrations_of(source.id)) {
      if (!seen.insert(id).second) continue;
      const data::Demonstration demonstration = pool.demonstration(id);
      if (flags.layout.empty()) {
        out.write(data::to_json(demonstration));
      } else {
        out.take(exchange::training_row(
            demonstration, *exchange::row_layout_from_string(flags.layout), form_of(flags)));
      }
    }
  }
}

void check_flags(const ExportFlags& flags) {
  const auto refuse = [&](const char* problem, const char* advice) {
    throw Error(ErrorKind::kUsage, "--as " + flags.layout, problem, advice);
  };
  if (flags.pairs && !flags.layout.empty() && !exchange::pair_layout_from_string(flags.layout))
    refuse("is no layout of pairs", "those are trl, sharegpt and alpaca");
  if (!flags.pairs && flags.layout == "trl")
    refuse("is a layout of pairs", "add --pairs, or name prompt-completion");
}

void export_rows(const ExportFlags& flags, const CommonOptions& common) {
  check_flags(flags);
  const pool::Pool pool = open_pool(flags.run);
  check_stage(pool, flags);
  std::optional<std::set<int64_t>> chosen;
  if (!flags.selected.empty()) chosen = chosen_by(pool, flags, common.seed);
  ExportedRows out(flags);
  const char* what = "rows";
  if (flags.pairs) {
    export_pairs(pool, flags, common.seed, out);
    what = "pairs";
  } else if (flags.demonstrations) {
    export_demonstrations(pool, flags, out);
    what = "demonstrations";
  } else if (flags.problems) {
    for (const data::Problem& problem : pool.problems()) out.write(data::to_json(problem));
    what = "problems";
  } else if (!flags.layout.empty()) {
    export_training_rows(pool, flags, chosen, out);
  } else {
    pool::RolloutQuery query{.stage = flags.stage};
    if (!flags.verdict.empty()) query.verdict = judge::verdict_from_string(flags.verdict);
    pool.for_each_rollout(query, [&](const pool::StoredRollout& stored) {
      if (!chosen || chosen->count(stored.id) > 0) out.write(trajectory_row(pool, stored));
    });
    what = "trajectories";
  }
  out.close(flags, common, what);
}

}  // namespace

PoolPart register_pool_export(CLI::App& pool) {
  auto flags = std::make_shared<ExportFlags>();
  CLI::App* command = pool.add_subcommand(
      "export", "trajectories, or rows that other trainers read, as JSON lines in a fixed order");
  auto* layout =
      command
          ->add_option("--as", flags->layout,
                       "rows to train on, in the layout of other trainers: still, sharegpt, "
                       "messages, prompt-completion or alpaca; of --pairs trl, sharegpt or alpaca "
                       "(default: trajectories)")
          ->check(one_of({"still", "sharegpt", "messages", "prompt-completion", "alpaca", "trl"}));
  auto* verdict = command
                      ->add_option("--verdict", flags->verdict,
                                   "only correct, incorrect or undecided ones (default: all; with "
                                   "--as correct ones)")
                      ->check(one_of({"correct", "incorrect", "undecided"}));
  auto* stage = command->add_option("--stage", flags->stage,
                                    "only those of this stage (default: of all but evaluations)");
  auto* selected =
      command->add_option("--selected", flags->selected,
                          "only those that a strategy chooses: " + pipeline::strategy_names());
  add_number_option(*command, "--per-problem", flags->per_problem, 1, kMany,
                    "rows of each problem that it chooses, at most (default: 1)")
      ->needs(selected);
  add_number_option(*command, "--max-rows", flags->max_rows, 0, kMany,
                    "rows (or pairs) that are chosen in all, at most (0: no limit)");
  auto* pairs = command
                    ->add_flag("--pairs", flags->pairs,
                               "pairs of a right and a wrong response: those that were trained on, "
                               "or one a problem")
                    ->excludes(verdict)
                    ->excludes(stage)
                    ->excludes(selected);
  auto* demonstrations = command
                             ->add_flag("--demonstrations", flags->demonstrations,
                                        "the demonstrations instead of the trajectories")
                             ->excludes(verdict)
                             ->excludes(stage)
                             ->excludes(selected)
                             ->excludes(pairs);
  command->add_flag("--problems", flags->problems, "the problems instead of the trajectories")
      ->excludes(verdict)
      ->excludes(stage)
      ->excludes(selected)
      ->excludes(pairs)
      ->excludes(demonstrations)
      ->excludes(layout);
  command->add_flag("--allow-direct", flags->allow_direct, "with --as: rows without a thought too")
      ->needs(layout);
  command
      ->add_option("--thought-form", flags->thought_form,
                   "with --as: how thoughts are written: still, think or as-written (default: as "
                   "they were sampled; in --as still its own tags)")
      ->check(one_of({"still", "think", "as-written"}));
  command->add_option("--out", flags->out, "file (default: standard output)");
  command->fallthrough();  // --json, --quiet and the like may stand behind `export`, and RUN too
  command->footer(
      "Examples:\n"
      "  ponder pool export runs/quickstart --as messages --selected shortest --out rows.jsonl\n"
      "  ponder pool export runs/quickstart --pairs --as trl --out pairs.jsonl\n"
      "  ponder pool export runs/quickstart --demonstrations --as sharegpt --out demos.jsonl\n"
      "  ponder pool runs/quickstart export --problems --out problems.jsonl");
  return [flags](const std::string& run, const CommonOptions& common) {
    ExportFlags given = *flags;
    given.run = run;
    export_rows(given, common);
  };
}

}  // namespace ponder::cli
