#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pool/stage_result.h"
#include "report/sections.h"

namespace ponder::report {
namespace {

constexpr size_t kOfEach = 5;

// Every index below n once, far ones first: steps of about the golden section, coprime to n.
std::vector<size_t> spread_order(size_t n) {
  const auto gcd = [](size_t a, size_t b) {
    while (b != 0) a = std::exchange(b, a % b);
    return a;
  };
  size_t step = std::max<size_t>(1, static_cast<size_t>(0.618034 * static_cast<double>(n)));
  while (gcd(step, n) > 1) ++step;
  std::vector<size_t> order;
  for (size_t i = 0, at = n / 2; i < n; ++i, at = (at + step) % n) order.push_back(at);
  return order;
}

struct Example {
  data::Problem problem;
  pool::StoredRollout stored;
};

// The first sample with this verdict.
std::optional<pool::StoredRollout> first_of(const pool::Pool& pool, const std::string& stage,
                                            const std::string& problem, judge::Verdict verdict) {
  std::optional<pool::StoredRollout> first;
  pool.for_each_rollout({stage, problem, verdict, false}, [&](const pool::StoredRollout& stored) {
    if (!first) first = stored;
  });
  return first;
}

// Up to five right and five wrong rollouts, no problem twice, rounds taking turns. A function of
// the pool's contents alone.
void pick(const pool::Pool& pool, std::vector<Example>& right, std::vector<Example>& wrong) {
  std::vector<pool::PoolCounts::Stage> stages;
  for (const pool::PoolCounts::Stage& c : pool.counts().stages) {
    if (const auto stage = pool.stage(c.stage); stage && stage->kind == pool::stage_kind::kExplore)
      stages.push_back(c);
  }
  if (stages.empty()) return;
  const std::vector<data::Problem> problems = pool.problems();
  const std::vector<size_t> order = spread_order(problems.size());
  std::vector<size_t> next(stages.size(), 0);  // place in `order`
  const auto take = [&](size_t s) {            // one more example of the stage, if it has any
    while (next[s] < order.size()) {
      const data::Problem& problem = problems[order[next[s]++]];
      const auto known = [&](const Example& e) { return e.problem.id == problem.id; };
      if (std::any_of(right.begin(), right.end(), known) ||
          std::any_of(wrong.begin(), wrong.end(), known)) {
        continue;
      }
      const bool right_first = right.size() <= wrong.size();
      for (const bool want_right : {right_first, !right_first}) {
        std::vector<Example>& list = want_right ? right : wrong;
        const int64_t there = want_right ? stages[s].correct : stages[s].incorrect;
        if (list.size() == kOfEach || there == 0) continue;
        const auto found =
            first_of(pool, stages[s].stage, problem.id,
                     want_right ? judge::Verdict::kCorrect : judge::Verdict::kIncorrect);
        if (!found) continue;
        list.push_back({problem, *found});
        return true;
      }
    }
    return false;
  };
  bool any = true;
  while (any && (right.size() < kOfEach || wrong.size() < kOfEach)) {
    any = false;
    for (size_t s = 0; s < stages.size(); ++s) any = take(s) || any;
  }
  for (std::vector<Example>* list : {&right, &wrong}) {
    std::stable_sort(list->begin(), list->end(), [](const Example& a, const Example& b) {
      return a.stored.round < b.stored.round;
    });
  }
}

Markup folded(const std::string& title, const std::string& words) {
  return element("details", element("summary", text(title)) + element("pre", text(words)));
}

Markup entry(std::string_view name, const Markup& value) {
  return element("dt", text(name)) + element("dd", value);
}

Markup shown(const Example& example) {
  const data::Rollout& t = example.stored.rollout;
  const data::Problem& p = example.problem;
  std::string where = fmt::format("{}, sample {}", p.id, t.sample);
  if (!p.domain.empty())
    where = p.domain + (p.level.empty() ? "" : " level " + p.level) + ": " + where;
  Markup facts =
      entry("question", element("pre", text(p.question))) +
      entry("gold answer", element("pre", text(p.answer))) +
      entry("verdict", text(fmt::format("{}: {}", t.verdict ? judge::to_string(*t.verdict) : "none",
                                        t.proof)));
  std::string ended =
      fmt::format("finish reason {}, temperature {:g}", data::to_string(t.completion.finish_reason),
                  t.sampling.temperature);
  if (t.perplexity) ended += fmt::format(", perplexity {:.3f}", *t.perplexity);
  facts += entry("sampled", text(fmt::format("round {}, {}", example.stored.round, ended)));
  Markup parts;
  if (!t.thought.empty()) parts += folded("thought", t.thought);
  if (!t.solution.empty()) parts += folded("solution", t.solution);
  if (parts.empty())
    parts = folded("response, without thought and solution tags", t.completion.text);
  return element("article", element("h4", text(where)) + element("dl", facts) + parts);
}

Markup listed(std::string_view title, const std::vector<Example>& examples) {
  Markup content = element("h3", text(title));
  if (examples.empty()) content += element("p", text("There is none."));
  for (const Example& example : examples) content += shown(example);
  return content;
}

}  // namespace

Markup rollouts_section(const pool::Pool& pool) {
  std::vector<Example> right, wrong;
  pick(pool, right, wrong);
  if (right.empty() && wrong.empty()) return {};
  return section("Rollouts to read",
                 element("p", {{"class", "note"}},
                         text("Taken by a fixed rule from all over the explored problems, rounds "
                              "taking turns, no problem twice, the first sample with the verdict; "
                              "not picked by how they look.")) +
                     listed("Right", right) + listed("Wrong", wrong));
}

}  // namespace ponder::report
