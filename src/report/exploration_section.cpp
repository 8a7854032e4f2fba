#include <fmt/format.h>

#include <map>
#include <optional>

#include "pool/stage_result.h"
#include "report/sections.h"

namespace ponder::report {
namespace {

struct Round {
  std::optional<pool::RolloutResult> screen, explore;
  std::optional<pool::RefineResult> refine;
  const pool::StageRecord* exploring = nullptr;
};

std::optional<double> number(const auto& result, auto member) {
  return result ? std::optional(static_cast<double>((*result).*member)) : std::nullopt;
}

std::optional<double> share(std::optional<double> part, std::optional<double> whole) {
  return part && whole && *whole > 0 ? std::optional(100 * *part / *whole) : std::nullopt;
}

}  // namespace

std::string taken_by(const std::string& filter) {
  static const std::map<std::string, std::string> kWords = {
      {"correct", "not correct"},
      {"finished", "not finished"},
      {"well_formed", "badly formed"},
      {"repetition", "repeating themselves"},
      {"agreement", "too few right ones of their problem"},
      {"length_band", "too short or too long"},
      {"perplexity_band", "perplexity out of its band"},
      {"per_domain", "beyond their domain's rows"},
      {"max_rows", "beyond the rows of a round"},
      {"longest", "not the longest of their problem"},
      {"shortest", "not the shortest of their problem"},
      {"highest-perplexity", "not the highest perplexity of their problem"},
      {"lowest-perplexity", "not the lowest perplexity of their problem"},
      {"random", "not drawn"}};
  const auto words = kWords.find(filter);
  return words == kWords.end() ? "taken by " + filter : words->second;
}

namespace {

std::string dropped_words(const pool::RefineResult& refine) {
  std::string words;
  for (const auto& [filter, count] : refine.dropped) {
    words += fmt::format("{}{} {}", words.empty() ? "" : ", ", counted(static_cast<double>(count)),
                         taken_by(filter));
  }
  return words;
}

}  // namespace

Markup exploration_section(const pool::Pool& pool, const pool::PoolCounts& counts) {
  const std::vector<pool::StageRecord> stages = pool.stages();
  std::map<int, Round> rounds;
  for (const pool::StageRecord& stage : stages) {
    if (stage.kind == pool::stage_kind::kScreen) {
      rounds[stage.round].screen = pool::result_of<pool::RolloutResult>(stage);
    } else if (stage.kind == pool::stage_kind::kExplore) {
      rounds[stage.round].explore = pool::result_of<pool::RolloutResult>(stage);
      rounds[stage.round].exploring = &stage;
    } else if (stage.kind == pool::stage_kind::kRefine) {
      rounds[stage.round].refine = pool::result_of<pool::RefineResult>(stage);
    }
  }
  if (rounds.empty()) return {};
  Markup body, notes;
  for (const auto& [t, round] : rounds) {
    std::optional<double> tried, samples, solved, correct;
    if (round.exploring) {  // counted, so that a round under way shows what it has
      for (const pool::PoolCounts::Stage& c : counts.stages) {
        if (c.stage != round.exploring->name) continue;
        tried = static_cast<double>(c.problems);
        samples = static_cast<double>(c.rollouts);
        solved = static_cast<double>(c.problems_solved);
        correct = static_cast<double>(c.correct);
      }
    }
    std::optional<double> problems = number(round.screen, &pool::RolloutResult::problems);
    if (!problems) problems = tried;
    std::optional<double> hard;
    if (round.screen && round.screen->hard) hard = static_cast<double>(*round.screen->hard);
    body += element(
        "tr",
        element("th", {{"scope", "row"}}, text(std::to_string(t))) + number_cell(problems) +
            number_cell(hard) + number_cell(samples) + number_cell(solved) +
            number_cell(share(correct, samples), 1) +
            number_cell(share(number(round.explore, &pool::RolloutResult::undecided), samples), 1) +
            number_cell(share(number(round.explore, &pool::RolloutResult::unfinished), samples),
                        1) +
            number_cell(number(round.refine, &pool::RefineResult::rows)) +
            number_cell(number(round.refine, &pool::RefineResult::mean_tokens), 1) +
            number_cell(number(round.refine, &pool::RefineResult::mean_perplexity), 3));
    if (const std::string nothing = round.exploring ? pool::nothing_of(*round.exploring) : "";
        !nothing.empty()) {
      notes += element("li", text(fmt::format("Round {}: {}.", t, nothing)));
    }
    if (round.exploring && round.exploring->state != pool::StageState::kDone) {
      notes += element("li", text(fmt::format("Round {} is not finished ({}).", t,
                                              pool::to_string(round.exploring->state))));
    }
    if (!round.refine) continue;
    const std::string dropped = dropped_words(*round.refine);
    notes +=
        element("li", text(fmt::format("Round {}: strategy {}; of {} candidates {} selected, {}.",
                                       t, round.refine->strategy,
                                       counted(static_cast<double>(round.refine->candidates)),
                                       counted(static_cast<double>(round.refine->rows)),
                                       dropped.empty() ? "none left out" : dropped)));
    if (round.refine->checked_right) {
      const auto share_of = [](const std::optional<int64_t>& part,
                               const std::optional<int64_t>& whole) {
        const int64_t n = whole.value_or(0);
        return n == 0 ? std::string("none")
                      : fmt::format(
                            "{} of {} ({:.1f} %)", part.value_or(0), n,
                            100.0 * static_cast<double>(part.value_or(0)) / static_cast<double>(n));
      };
      notes += element(
          "li", text(fmt::format("Round {}: thoughts that an independent check of the synthetic "
                                 "world finds true: {} of the right rollouts, {} of the selected "
                                 "rows; it has no say in the selection.",
                                 t, share_of(round.refine->true_right, round.refine->checked_right),
                                 share_of(round.refine->true_rows, round.refine->checked_rows))));
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

}  // namespace ponder::report
