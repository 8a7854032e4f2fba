#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "report/sections.h"

namespace ponder::report {
namespace {

constexpr size_t kBenchmarks = 3;

struct Answerer {
  std::string model;
  std::vector<std::string> problems;              // of the benchmark, in the order of the pool
  std::map<std::string, judge::Verdict> verdict;  // of the first sample
  std::string stage;
};

// The verdicts alone: the texts of a whole benchmark may be long.
Answerer answerer(const pool::Pool& pool, const pool::ScoreRecord& score) {
  Answerer it;
  it.model = score.model;
  it.stage = score.stage;
  pool::RolloutQuery query;
  query.stage = score.stage;
  query.with_tokens = false;
  pool.for_each_rollout(query, [&](const pool::StoredRollout& stored) {
    if (stored.benchmark != score.benchmark || !stored.rollout.verdict) return;
    const std::string& id = stored.rollout.problem_id;
    if (it.verdict.emplace(id, *stored.rollout.verdict).second) it.problems.push_back(id);
  });
  return it;
}

std::optional<pool::StoredRollout> answer_of(const pool::Pool& pool, const Answerer& answerer,
                                             const std::string& benchmark,
                                             const std::string& problem) {
  std::optional<pool::StoredRollout> first;
  pool::RolloutQuery query;
  query.stage = answerer.stage;
  query.problem_id = problem;
  query.with_tokens = false;
  pool.for_each_rollout(query, [&](const pool::StoredRollout& stored) {
    if (!first && stored.benchmark == benchmark) first = stored;
  });
  return first;
}

Markup answer(const std::string& model, const std::optional<pool::StoredRollout>& stored) {
  Markup column = element("h4", text(model));
  if (!stored) return element("div", column + element("p", text("not asked")));
  const data::Rollout& t = stored->rollout;
  const std::string verdict = t.verdict ? std::string(judge::to_string(*t.verdict)) : "not judged";
  column +=
      element("p", {{"class", "verdict " + verdict}},
              text(fmt::format(
                  "{}, {} tokens{}", verdict, t.completion.num_tokens(),
                  t.completion.finish_reason == data::FinishReason::kStop ? "" : ", cut off")));
  if (t.thought.empty() && t.solution.empty()) {
    column += element("pre", {{"class", "thought"}, {"tabindex", "0"}}, text(t.completion.text));
  } else {
    if (!t.thought.empty())
      column += element("pre", {{"class", "thought"}, {"tabindex", "0"}}, text(t.thought));
    column += element("pre", {{"class", "solution"}}, text(t.solution));
  }
  return element("div", column + element("p", {{"class", "small"}}, text(t.proof)));
}

bool right(const Answerer& it, const std::string& problem) {
  const auto verdict = it.verdict.find(problem);
  return verdict != it.verdict.end() && verdict->second == judge::Verdict::kCorrect;
}

Markup shown(const pool::Pool& pool, const std::vector<Answerer>& models,
             const std::string& benchmark, const std::string& id) {
  const std::optional<data::Problem> problem = pool.problem(id, benchmark);
  if (!problem) return {};
  Markup columns;
  for (const Answerer& model : models)
    columns += answer(model.model, answer_of(pool, model, benchmark, id));
  return element(
      "article",
      element("h3", text(excerpt(problem->question, 300))) +
          element("p", {{"class", "small"}},
                  text(fmt::format("{}, {}; gold answer {}", benchmark, id, problem->answer))) +
          element("div", {{"class", "side"}}, columns));
}

}  // namespace

Markup answers_section(const pool::Pool& pool, const LoopTable& table) {
  std::vector<size_t> rows;  // the first, imitation and the last of the main line
  for (size_t i = 0; i < table.rows.size(); ++i) {
    if (!table.rows[i].main_line || !table.rows[i].evaluated()) continue;
    if (rows.size() < 2)
      rows.push_back(i);
    else
      rows.resize(2), rows.push_back(i);
  }
  if (rows.empty()) return {};
  Markup content;
  for (size_t b = 0; b < std::min(kBenchmarks, table.benchmarks.size()); ++b) {
    std::vector<Answerer> models;
    for (const size_t row : rows) {
      if (table.rows[row].scores[b]) models.push_back(answerer(pool, *table.rows[row].scores[b]));
    }
    if (models.empty() || models.back().problems.empty()) continue;
    const Answerer &first = models.front(), &last = models.back();
    const auto add = [&](auto wanted) {
      const auto found = std::find_if(last.problems.begin(), last.problems.end(), wanted);
      if (found == last.problems.end()) return false;
      content += shown(pool, models, table.benchmarks[b], *found);
      return true;
    };
    add([&](const std::string& id) { return !right(first, id) && right(last, id); }) ||
        add([&](const std::string&) { return true; });
    if (b == 0) add([&](const std::string& id) { return right(first, id) && !right(last, id); });
  }
  if (content.empty()) return {};
  return section(
      "The same problem, before and after",
      element("p", {{"class", "note"}},
              text("Of each benchmark the first problem that the first model answers wrong and the "
                   "last one right (where there is none, the first of all), and of the first "
                   "benchmark also the first that went the other way. Thoughts are grey, "
                   "solutions black.")) +
          content);
}

}  // namespace ponder::report
