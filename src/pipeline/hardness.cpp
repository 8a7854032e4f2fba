#include "pipeline/hardness.h"

#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "pipeline/sources.h"
#include "pipeline/toml_section.h"

namespace ponder::pipeline {

std::string_view to_string(Pick pick) {
  switch (pick) {
    case Pick::kAll:
      return "all";
    case Pick::kHard:
      return "hard";
    case Pick::kNotHard:
      return "not-hard";
    case Pick::kBand:
      return "band";
  }
  return "";
}

void read_hardness(TomlSection& explore, ExploreOptions& options) {
  if (explore.has("pick") && explore.has("hard_only"))
    explore.fail("pick", "stands in the place of hard_only", "leave hard_only out");
  if (explore.has("pick")) {
    const std::string name = explore.choice("pick", "hard", {"all", "hard", "not-hard", "band"});
    for (const Pick pick : {Pick::kAll, Pick::kHard, Pick::kNotHard, Pick::kBand})
      if (name == to_string(pick)) options.pick = pick;
  } else {
    options.pick = explore.boolean("hard_only", true) ? Pick::kHard : Pick::kAll;
  }
  options.hard_only = options.pick != Pick::kAll;
  if (explore.has("hard_below"))
    options.hard_below = explore.number("hard_below", options.hard_below, 0, 1);
  if (explore.has("pass_rate")) {
    TomlSection band = explore.section("pass_rate");
    options.lowest_pass_rate = band.number("min", 0, 0, 1);
    options.highest_pass_rate = band.number("max", 1, 0, 1);
    band.finish();
    if (options.lowest_pass_rate > options.highest_pass_rate) {
      explore.fail("pass_rate",
                   fmt::format("the band is upside down: min {} is above max {}",
                               options.lowest_pass_rate, options.highest_pass_rate),
                   fmt::format("pass_rate = {{ min = {}, max = {} }}", options.highest_pass_rate,
                               options.lowest_pass_rate));
    }
    if (options.pick != Pick::kBand)
      explore.fail("pass_rate", "is the band of pick = \"band\"", "add pick = \"band\"");
  } else if (options.pick == Pick::kBand) {
    explore.fail("pick", "a band needs its limits", "e.g. pass_rate = { min = 0.1, max = 0.6 }");
  }
  if (explore.has("screen")) {
    TomlSection screen = explore.section("screen");
    options.screen_samples = screen.integer("samples", 8, 1, 100000);
    options.screen_temperature = screen.number("temperature", 1.0, 0, 100);
    options.screen_top_p = screen.number("top_p", 0.95, 1e-6, 1);
    if (options.screen_samples > 1 && options.screen_temperature == 0)
      screen.fail("temperature", "of 0 makes all samples of a problem the same",
                  "leave samples at 1, or give a temperature");
    screen.finish();
    if (options.pick == Pick::kAll)
      explore.fail("screen", "nothing is screened where all problems are explored",
                   "leave it out, or pick = \"hard\"");
  }
  if (explore.has("retry_unsolved"))
    options.retry_unsolved = explore.boolean("retry_unsolved", false);
}

double pass_rate(const PassCount& count) {
  return (static_cast<double>(count.correct) + 1) / (static_cast<double>(count.samples) + 2);
}

std::map<std::string, PassCount> pass_counts(const pool::Pool& pool, const std::string& stage) {
  std::map<std::string, PassCount> counts;
  pool.for_each_rollout({.stage = stage, .with_tokens = false},
                        [&](const pool::StoredRollout& stored) {
                          PassCount& count = counts[stored.rollout.problem_id];
                          ++count.samples;
                          count.correct += stored.rollout.verdict == judge::Verdict::kCorrect;
                          count.tokens += stored.rollout.completion.num_tokens();
                        });
  return counts;
}

Picked pick_problems(const std::vector<data::Problem>& problems,
                     const std::map<std::string, PassCount>& counts, const ExploreOptions& options,
                     const std::string& model) {
  Picked picked;
  size_t unknown = 0, below = 0, above = 0;
  for (const data::Problem& problem : problems) {
    const auto count = counts.find(problem.id);
    if (count == counts.end()) {
      ++unknown;
      picked.problems.push_back(problem);
      continue;
    }
    const double rate = pass_rate(count->second);
    const bool hard = rate < options.hard_below;
    bool taken = true;
    if (options.pick == Pick::kHard) {
      taken = hard;
      above += !taken;
    } else if (options.pick == Pick::kNotHard) {
      taken = !hard;
      below += !taken;
    } else if (options.pick == Pick::kBand) {
      below += rate < options.lowest_pass_rate;
      above += rate > options.highest_pass_rate;
      taken = rate >= options.lowest_pass_rate && rate <= options.highest_pass_rate;
    }
    picked.by_rate += taken;
    if (taken) picked.problems.push_back(problem);
  }
  if (picked.by_rate > 0) return picked;
  picked.problems.clear();
  const bool greedy = options.screen_samples == 1 && options.screen_temperature == 0;
  if (options.pick == Pick::kHard && greedy && unknown == 0) {
    picked.nothing = fmt::format(
        "{} solves every problem of this round greedily; harder ones, or explore.hard_only = "
        "false, "
        "would leave some to explore",
        model);
    return picked;
  }
  picked.nothing = fmt::format(
      "pick = \"{}\" leaves none of the {} problems: of {} {} is too hard for it, {} too easy{}",
      to_string(options.pick), problems.size() - unknown, model, below, above,
      unknown == 0 ? "" : fmt::format(", {} could not be asked", unknown));
  return picked;
}

std::vector<data::Problem> problems_to_explore(const pool::Pool& pool, const Recipe& recipe,
                                               int round) {
  std::vector<data::Problem> problems = problems_of_round(pool, recipe, round);
  if (!recipe.explore.retry_unsolved) return problems;
  std::set<std::string> there, solved;
  for (const data::Problem& problem : problems) there.insert(problem.id);
  std::vector<std::map<std::string, PassCount>> rounds;
  for (int t = 1; t < round; ++t) rounds.push_back(pass_counts(pool, fmt::format("explore-{}", t)));
  for (const auto& counts : rounds) {
    for (const auto& [id, count] : counts) {
      if (count.correct > 0) solved.insert(id);
    }
  }
  for (int t = 1; t < round; ++t) {
    const auto& explored = rounds[static_cast<size_t>(t - 1)];
    for (data::Problem& problem : problems_of_round(pool, recipe, t)) {
      const bool again = explored.contains(problem.id) && !solved.contains(problem.id);
      if (again && there.insert(problem.id).second) problems.push_back(std::move(problem));
    }
  }
  return problems;
}

}  // namespace ponder::pipeline
