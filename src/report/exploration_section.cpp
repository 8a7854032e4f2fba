#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "report/sections.h"

namespace ponder {
namespace {

// "explore-3" -> 3 for the prefix "explore-"; 0 for other names.
int round_of(const std::string& stage, std::string_view prefix) {
  if (!stage.starts_with(prefix) || stage.size() == prefix.size() ||
      stage.size() > prefix.size() + 6) {
    return 0;
  }
  const std::string digits = stage.substr(prefix.size());
  const bool number =
      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  return number ? std::stoi(digits) : 0;
}

struct Round {
  const StageRecord* screen = nullptr;
  const StageRecord* explore = nullptr;
  const StageRecord* refine = nullptr;
};

std::optional<double> field(const StageRecord* stage, std::string_view key) {
  return stage ? number_of(stage->result, key) : std::nullopt;
}

std::optional<double> share(std::optional<double> part, std::optional<double> whole) {
  return part && whole && *whole > 0 ? std::optional(100 * *part / *whole) : std::nullopt;
}

std::string dropped_words(const StageRecord& refine) {
  std::string words;
  const auto dropped = refine.result.find("dropped");
  if (dropped == refine.result.end() || !dropped->is_object()) return words;
  for (const auto& [filter, count] : dropped->items()) {
    if (count.is_number()) {
      words +=
          fmt::format("{}{} {}", words.empty() ? "" : ", ", filter, counted(count.get<double>()));
    }
  }
  return words;
}

}  // namespace

Markup exploration_section(const Pool& pool) {
  const std::vector<StageRecord> stages = pool.stages();
  std::map<int, Round> rounds;
  for (const StageRecord& stage : stages) {
    if (const int t = round_of(stage.name, "screen-")) rounds[t].screen = &stage;
    if (const int t = round_of(stage.name, "explore-")) rounds[t].explore = &stage;
    if (const int t = round_of(stage.name, "refine-")) rounds[t].refine = &stage;
  }
  if (rounds.empty()) return {};
  const PoolCounts counts = pool.counts();
  Markup body, notes;
  for (const auto& [t, round] : rounds) {
    std::optional<double> tried, samples, solved, correct;
    if (round.explore) {  // counted, so that a round under way shows what it has
      for (const PoolCounts::Stage& c : counts.stages) {
        if (c.stage != round.explore->name) continue;
        tried = static_cast<double>(c.problems);
        samples = static_cast<double>(c.trajectories);
        solved = static_cast<double>(c.problems_solved);
        correct = static_cast<double>(c.correct);
      }
    }
    std::optional<double> problems = field(round.screen, "problems");
    if (!problems) problems = tried;
    body += element("tr", element("th", {{"scope", "row"}}, text(std::to_string(t))) +
                              number_cell(problems) + number_cell(field(round.screen, "hard")) +
                              number_cell(samples) + number_cell(solved) +
                              number_cell(share(correct, samples), 1) +
                              number_cell(share(field(round.explore, "undecided"), samples), 1) +
                              number_cell(share(field(round.explore, "unfinished"), samples), 1) +
                              number_cell(field(round.refine, "rows")) +
                              number_cell(field(round.refine, "mean_tokens"), 1) +
                              number_cell(field(round.refine, "mean_perplexity"), 3));
    if (round.explore && round.explore->state != StageState::kDone) {
      notes += element("li", text(fmt::format("Round {} is not finished ({}).", t,
                                              to_string(round.explore->state))));
    }
    if (!round.refine) continue;
    const auto strategy = round.refine->result.find("strategy");
    const std::string dropped = dropped_words(*round.refine);
    if (strategy != round.refine->result.end() && strategy->is_string()) {
      notes +=
          element("li", text(fmt::format("Round {}: strategy {}; of {} candidates left out by: {}.",
                                         t, strategy->get<std::string>(),
                                         counted(field(round.refine, "candidates").value_or(0)),
                                         dropped.empty() ? "none" : dropped)));
    }
  }
  Markup content = wide_table(
      header_row({"round", "problems", "hard", "samples", "solved", "correct %", "undecided %",
                  "unfinished %", "selected rows", "mean tokens", "mean perplexity"}),
      body);
  if (!notes.empty()) content += element("ul", {{"class", "note"}}, notes);
  content +=
      element("p", {{"class", "note"}},
              text("Hard: problems that the round's model fails greedily, the only ones that are "
                   "then sampled (a dash: all are). Solved: at least one sample is correct. "
                   "Shares are of all samples; mean tokens and perplexity are those of the "
                   "selected rows."));
  return section("Exploration", content);
}

}  // namespace ponder
