// ponder refine: what a selection would choose from the rollouts of a run, and what strategies are worth
// on the same rollouts.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/pool_command.h"
#include "cli/printing.h"
#include "cli/stop_signals.h"
#include "pipeline/candidates.h"
#include "pipeline/tournament.h"

namespace ponder::cli {
namespace {

struct RefineFlags {
  CommonOptions common;
  std::string run, recipe;
  std::string strategy = "longest";
  pipeline::SelectionOptions selection;
  std::vector<double> length_band, perplexity_band;
  bool tournament = false;
};

pipeline::Band band_of(const char* flag, const std::vector<double>& ends) {
  if (ends.empty()) return {};
  const pipeline::Band band{ends[0], ends[1]};
  if (band.low >= 0 && band.high <= 1 && band.low < band.high) return band;
  throw Error(ErrorKind::kUsage, fmt::format("{} {:g} {:g}", flag, band.low, band.high),
              "expected two quantiles from 0 to 1, the lower one first",
              fmt::format("e.g. {} 0.1 0.9", flag));
}

pipeline::Strategy strategy_of(const std::string& name) {
  if (const auto strategy = pipeline::strategy_from_string(name)) return *strategy;
  throw Error(ErrorKind::kUsage, "--strategy " + name, "no such strategy",
              pipeline::strategy_advice(name));
}

Json share_of(const pipeline::ThoughtShare& share) {
  return {{"checked", share.checked}, {"true", share.is_true}};
}

std::string share_text(const pipeline::ThoughtShare& share) {
  return fmt::format("{} of {} ({:.1f} %)", share.is_true, share.checked,
                     100.0 * static_cast<double>(share.is_true) /
                         static_cast<double>(std::max<int64_t>(1, share.checked)));
}

void choose(const RefineFlags& flags) {
  const pool::Pool pool = open_pool(flags.run);
  pipeline::SelectionOptions selection = flags.selection;
  selection.strategy = strategy_of(flags.strategy);
  selection.seed = flags.common.seed;
  selection.length_band = band_of("--length-band", flags.length_band);
  selection.perplexity_band = band_of("--perplexity-band", flags.perplexity_band);
  const std::vector<pipeline::Candidate> candidates = pipeline::all_candidates(pool);
  selection = pipeline::fitting(selection, candidates);
  const auto decisions = pipeline::select(candidates, selection);
  int64_t rows = 0, length = 0;
  double perplexity = 0;
  bool all_known = true;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (!pipeline::selected(decisions[i])) continue;
    ++rows;
    length += selection.length_in_bytes ? candidates[i].num_bytes : candidates[i].num_tokens;
    perplexity += candidates[i].perplexity;
    all_known = all_known && candidates[i].perplexity > 0;
  }
  const double n = rows > 0 ? static_cast<double>(rows) : 1.0;
  const double mean_length = static_cast<double>(length) / n;
  const Json mean_perplexity = all_known ? Json(perplexity / n) : Json();
  const std::map<std::string, int64_t> dropped = pipeline::dropped_by(decisions);
  const pipeline::ThoughtShare right = pipeline::true_thoughts_of_right(candidates),
                               chosen = pipeline::true_thoughts_of_selected(candidates, decisions);
  if (flags.common.json) {
    Json result = {{"strategy", flags.strategy},
                   {"rows", rows},
                   {"candidates", candidates.size()},
                   {"dropped", dropped},
                   {"mean_tokens", selection.length_in_bytes ? Json() : Json(mean_length)},
                   {"mean_perplexity", mean_perplexity}};
    if (selection.length_in_bytes) result["mean_bytes"] = mean_length;
    if (right.checked > 0) {
      result["true_thoughts_of_right"] = share_of(right);
      result["true_thoughts_of_rows"] = share_of(chosen);
    }
    print_json(result);
    return;
  }
  print("{}: {} rows of {} candidates, {:.1f} {} and {} on average\n", flags.strategy, rows,
        candidates.size(), mean_length, selection.length_in_bytes ? "bytes" : "tokens",
        all_known ? fmt::format("perplexity {:.4f}", perplexity / n) : "unknown perplexity");
  if (!dropped.empty()) print("left out by: {}\n", pipeline::dropped_text(dropped));
  if (right.checked > 0) {
    print(
        "true thoughts, by the check of the synthetic world: {} of the right rollouts, {} of these "
        "rows\n",
        share_text(right), share_text(chosen));
  }
}

void print_entries(const std::vector<pipeline::TournamentEntry>& entries) {
  print("{:<20}{:>6}{:>9}{:>12}{:>9}", "strategy", "rows", "tokens", "perplexity", "true %");
  if (!entries.empty()) {
    for (const pool::ScoreRecord& score : entries.front().scores)
      print("  {:<22}", score.benchmark);
  }
  print("\n");
  for (const pipeline::TournamentEntry& entry : entries) {
    print("{:<20}{:>6}{:>9.1f}{:>12.4f}{:>9}", entry.strategy, entry.refine.rows,
          entry.refine.mean_tokens, entry.refine.mean_perplexity,
          entry.refine.checked_rows.value_or(0) == 0
              ? "-"
              : fmt::format("{:.1f}", 100.0 * static_cast<double>(*entry.refine.true_rows) /
                                          static_cast<double>(*entry.refine.checked_rows)));
    for (const pool::ScoreRecord& score : entry.scores) {
      print("  {:<22}", fmt::format("{:.1f} [{:.1f}, {:.1f}]", 100 * score.accuracy,
                                    100 * score.interval_low, 100 * score.interval_high));
    }
    print("{}\n", entry.nothing.empty() ? "" : "  nothing to do: " + entry.nothing);
  }
  print("one seed of training each: differences within the intervals say little\n");
}

void hold_tournament(const RefineFlags& flags) {
  ThreadPool threads(flags.common.threads);
  TerminalMonitor monitor(flags.common.quiet ? TerminalMonitor::Level::kWarning
                                             : TerminalMonitor::Level::kInfo);
  const std::vector<pipeline::TournamentEntry> entries = pipeline::hold_tournament(
      flags.run,
      flags.recipe.empty() ? std::filesystem::path(flags.run) / "recipe.toml"
                           : std::filesystem::path(flags.recipe),
      threads, monitor, stop_flag());
  if (entries.empty() || entries.back().stopped) throw Stopped{stop_signal()};
  if (!flags.common.json) return print_entries(entries);
  Json all = Json::array();
  for (const pipeline::TournamentEntry& entry : entries) {
    Json scores = Json::array();
    for (const pool::ScoreRecord& score : entry.scores) scores.push_back(pool::to_json(score));
    all.push_back({{"strategy", entry.strategy},
                   {"refine", pool::to_json(entry.refine)},
                   {"scores", scores}});
    if (!entry.nothing.empty()) all.back()["nothing"] = entry.nothing;
  }
  print_json({{"tournament", all}});
}

}  // namespace

void register_refine(CLI::App& app) {
  auto flags = std::make_shared<RefineFlags>();
  CLI::App* command = app.add_subcommand(
      "refine", "what a selection strategy would choose from a run's rollouts, or a pool's");
  command->add_option("run", flags->run, "run directory, or a pool's")->required();
  auto* strategy =
      command->add_option("--strategy", flags->strategy, "one of " + pipeline::strategy_names());
  pipeline::SelectionOptions& o = flags->selection;
  add_number_option(*command, "--per-problem", o.per_problem, 1, kMany,
                    "rows per problem, at most");
  add_number_option(*command, "--max-rows", o.max_rows, 0, kMany,
                    "rows in all, at most (0: no limit)");
  add_number_option(*command, "--agreement", o.agreement, 0, kMany,
                    "only problems with at least so many right rollouts");
  add_number_option(*command, "--per-domain", o.per_domain, 0, kMany,
                    "rows of a domain, at most (0: no limit)");
  command
      ->add_option("--length-band", flags->length_band,
                   "only lengths from one quantile to another, of all right rollouts")
      ->expected(2);
  command
      ->add_option("--perplexity-band", flags->perplexity_band,
                   "the same of perplexities; both are kept together")
      ->expected(2);
  auto* tournament =
      command
          ->add_flag(
              "--tournament", flags->tournament,
              "train on what each strategy chooses of the first round, otherwise as the run's "
              "recipe says, and evaluate: in RUN/tournament, where it goes on when it was stopped")
          ->excludes(strategy);
  command
      ->add_option("--recipe", flags->recipe,
                   "with --tournament: the file of the run's recipe, where its sources are files")
      ->needs(tournament);
  add_common_options(*command, flags->common);
  command->footer(
      "Examples:\n  ponder refine runs/quickstart --strategy shortest\n"
      "  ponder refine runs/quickstart --strategy lowest-perplexity --agreement 2 --length-band "
      "0.1 0.9");
  command->callback([flags] { flags->tournament ? hold_tournament(*flags) : choose(*flags); });
}

}  // namespace ponder::cli
