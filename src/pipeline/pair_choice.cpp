#include "pipeline/pair_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "base/philox.h"

namespace ponder::pipeline {
namespace {

struct Sides {
  std::vector<size_t> right, wrong;
};

// Whether it can be on a side at all, with the decisions that say so.
bool usable(const Candidate& c, const PairOptions& options, std::vector<Decision>& decisions) {
  const auto rule = [&](const char* name, bool kept, std::string_view detail) {
    decisions.push_back({name, kept, 0, std::string(detail)});
    return kept;
  };
  if (!rule("judged", c.verdict != judge::Verdict::kUndecided, judge::to_string(c.verdict)))
    return false;
  const bool finished = c.finish_reason == data::FinishReason::kStop;
  const bool may_be_cut = options.unfinished_rejected && c.verdict == judge::Verdict::kIncorrect;
  if (!rule("finished", finished || may_be_cut, data::to_string(c.finish_reason))) return false;
  // What is cut off lacks its last tags.
  return rule("well_formed", c.well_formed || !finished,
              c.well_formed ? "thought and solution" : "tags missing or out of order");
}

}  // namespace

bool may_be_paired(const Candidate& candidate, const PairOptions& options) {
  std::vector<Decision> decisions;
  return usable(candidate, options, decisions);
}

PairChoices choose_pairs(std::span<const Candidate> candidates, const PairOptions& options) {
  PairChoices result;
  result.decisions.resize(candidates.size());
  std::map<std::string, Sides> problems;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (!usable(candidates[i], options, result.decisions[i])) continue;
    Sides& sides = problems[candidates[i].problem_id];
    (candidates[i].verdict == judge::Verdict::kCorrect ? sides.right : sides.wrong).push_back(i);
  }
  const auto rank = [&](std::vector<size_t>& side, Strategy strategy) {
    std::sort(side.begin(), side.end(), [&](size_t a, size_t b) {
      const auto key = [&](size_t i) {
        const Candidate& c = candidates[i];
        return std::tuple(strategy_key(c, strategy, options.seed, options.length_in_bytes),
                          c.sample, c.id);
      };
      return key(a) < key(b);
    });
  };
  struct Placed {
    std::tuple<size_t, double, std::string> order;  // which of its problem, then the problem's
    PairChoice pair;
  };
  std::vector<Placed> placed;
  for (auto& [problem, sides] : problems) {
    rank(sides.right, options.chosen);
    rank(sides.wrong, options.rejected);
    const size_t rights = sides.right.size(), wrongs = sides.wrong.size();
    const size_t longer = std::max(rights, wrongs);
    const size_t count = std::min(rights * wrongs, static_cast<size_t>(options.per_problem));
    std::set<size_t> paired;
    for (size_t k = 0; k < count; ++k) {
      const size_t place = k % longer, shifted = place + k / longer;
      const PairChoice pair = rights < wrongs
                                  ? PairChoice{sides.right[shifted % rights], sides.wrong[place]}
                                  : PairChoice{sides.right[place], sides.wrong[shifted % wrongs]};
      placed.push_back({{k, problem_order(problem, options.seed), problem}, pair});
      paired.insert({pair.chosen, pair.rejected});
    }
    for (const auto* side : {&sides.right, &sides.wrong}) {
      const bool right = side == &sides.right;
      for (size_t r = 0; r < side->size(); ++r) {
        const size_t i = (*side)[r];
        std::vector<Decision>& decisions = result.decisions[i];
        const size_t others = right ? wrongs : rights;
        decisions.push_back(
            {"counterpart", others > 0, 0,
             fmt::format("{} {} of this problem", others, right ? "wrong ones" : "right ones")});
        if (others == 0) continue;
        decisions.push_back(
            {std::string(to_string(right ? options.chosen : options.rejected)), paired.contains(i),
             static_cast<int>(r) + 1,
             fmt::format("of {} {}: {}", side->size(), right ? "right ones" : "wrong ones",
                         measures_of(candidates[i], options.length_in_bytes))});
      }
    }
  }
  std::sort(placed.begin(), placed.end(),
            [](const Placed& a, const Placed& b) { return a.order < b.order; });
  const size_t limit =
      options.max_pairs > 0 ? static_cast<size_t>(options.max_pairs) : placed.size();
  std::vector<bool> in_pair(candidates.size()), in_late_pair(candidates.size());
  for (size_t p = 0; p < placed.size(); ++p) {
    const PairChoice& pair = placed[p].pair;
    if (p < limit) result.pairs.push_back(pair);
    std::vector<bool>& where = p < limit ? in_pair : in_late_pair;
    where[pair.chosen] = where[pair.rejected] = true;
  }
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (options.max_pairs == 0 || !(in_pair[i] || in_late_pair[i])) continue;
    result.decisions[i].push_back(
        {"max_pairs", in_pair[i], 0, fmt::format("at most {} of {}", limit, placed.size())});
  }
  return result;
}

std::vector<std::string> held_out_problems(std::vector<std::string> problem_ids, double share,
                                           uint64_t seed) {
  std::sort(problem_ids.begin(), problem_ids.end());
  problem_ids.erase(std::unique(problem_ids.begin(), problem_ids.end()), problem_ids.end());
  const size_t n = problem_ids.size();
  if (share <= 0 || n < 2) return {};
  const auto wanted = static_cast<size_t>(std::llround(share * static_cast<double>(n)));
  const size_t count = std::clamp<size_t>(wanted, 1, n - 1);
  const Random random(seed, stable_hash64("held-out pairs"));
  std::stable_sort(problem_ids.begin(), problem_ids.end(),
                   [&](const std::string& a, const std::string& b) {
                     return random.uniform(stable_hash64(a)) < random.uniform(stable_hash64(b));
                   });
  problem_ids.resize(count);
  std::sort(problem_ids.begin(), problem_ids.end());
  return problem_ids;
}

}  // namespace ponder::pipeline
