#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "report/charts.h"
#include "report/sections.h"

namespace ponder::report {
namespace {

Markup small(const std::string& words) {
  return element("span", {{"class", "small"}}, text(words));
}

Markup score_cell(const std::optional<pool::ScoreRecord>& score) {
  if (!score) return element("td", {{"class", "score"}}, text("–"));
  const pool::ScoreRecord& s = *score;
  Markup cell = element("b", text(fmt::format("{:.1f}", 100 * s.accuracy)));
  cell += text(fmt::format(" [{:.1f}, {:.1f}]", 100 * s.interval_low, 100 * s.interval_high));
  cell += small(fmt::format("n {}, finished {:.1f} %", s.n, 100 * s.finished));
  cell += small(fmt::format("format failures {:.1f} %", 100 * s.format_failures));
  cell += small(fmt::format("{} tokens on average", counted(s.mean_tokens)));
  if (s.samples > 1) {
    const auto pass = number_of(s.extra, "pass_at_k"), majority = number_of(s.extra, "maj_at_k");
    if (pass && majority) {
      cell += small(fmt::format("pass@{0} {1:.1f}, maj@{0} {2:.1f}", s.samples, 100 * *pass,
                                100 * *majority));
    }
  }
  return element("td", {{"class", "score"}}, cell);
}

Markup difference_cell(const PairwiseComparison::Cell& cell) {
  if (!cell.comparison) return element("td", {{"class", "score"}}, text(cell.reason));
  const eval::Comparison& c = *cell.comparison;
  const Markup difference = text(fmt::format("{:+.1f}", 100 * c.difference));
  Markup content = c.distinguishable ? element("b", difference) : difference;
  content +=
      text(fmt::format(" [{:+.1f}, {:+.1f}]", 100 * c.interval_95.low, 100 * c.interval_95.high));
  content +=
      small(fmt::format("{}, p {}", c.distinguishable ? "told apart" : "cannot be told apart",
                        c.p_value < 1e-4 ? "< 0.0001" : fmt::format("{:.2g}", c.p_value)));
  content += small(fmt::format("better on {}, worse on {} problems", c.b_only, c.a_only));
  return element("td", {{"class", c.distinguishable ? "score told" : "score"}}, content);
}

Markup benchmark_header(const LoopTable& table, std::initializer_list<std::string_view> first) {
  Markup cells;
  for (const std::string_view title : first) {
    cells += element("th", {{"scope", "col"}}, text(title));
  }
  for (const std::string& name : table.benchmarks) {
    cells += element("th", {{"scope", "col"}, {"class", "score"}}, text(name));
  }
  return element("tr", cells);
}

}  // namespace

Markup summary_section(const LoopTable& table) {
  if (table.rows.empty()) {
    return section("Scores", element("p", text("The run has no model yet.")));
  }
  Markup body;
  for (const LoopTable::Row& row : table.rows) {
    Markup cells = element("th", {{"scope", "row"}}, text(row.model)) +
                   element("td", {{"class", "words"}}, text(row.label));
    for (const auto& score : row.scores) cells += score_cell(score);
    body += element("tr", cells);
  }
  const char* note =
      table.benchmarks.empty()
          ? "No model was evaluated yet."
          : "Accuracy in % with its 95 % interval (Wilson; with several samples per problem at the "
            "effective number of trials). Undecided and unfinished answers count as wrong. A "
            "format "
            "failure is a finished response with faulty thought tags or without a final answer.";
  return section("Scores", wide_table(benchmark_header(table, {"model", "trained on"}), body) +
                               element("p", {{"class", "note"}}, text(note)));
}

Markup comparisons_section(const LoopTable& table) {
  const std::vector<PairwiseComparison> all = pairwise_comparisons(table);
  if (all.empty()) return {};
  Markup body;
  size_t tests = 0;
  std::set<std::string> methods;
  for (const PairwiseComparison& entry : all) {
    Markup cells = element("th", {{"scope", "row"}}, text(table.rows[entry.model].model)) +
                   element("td", {{"class", "name"}}, text(table.rows[entry.other].model));
    for (const PairwiseComparison::Cell& cell : entry.cells) {
      cells += difference_cell(cell);
      if (!cell.comparison) continue;
      ++tests;
      methods.insert(cell.comparison->method);
    }
    body += element("tr", cells);
  }
  const std::string note = fmt::format(
      "Difference of accuracy in points on the same problems, with its 95 % interval, against the "
      "first model, the one it is meant to improve on and the one above. Told apart: a two-sided "
      "paired test ({}) has p < "
      "0.05. "
      "There are {} tests, not corrected for their number: were no model better than another, "
      "{:.1f} of them would be expected below 0.05 all the same.",
      fmt::join(methods, ", "), tests, 0.05 * static_cast<double>(tests));
  return section("Can the models be told apart?",
                 wide_table(benchmark_header(table, {"model", "against"}), body) +
                     (tests == 0 ? Markup{} : element("p", {{"class", "note"}}, text(note))));
}

Markup accuracy_section(const LoopTable& table) {
  Markup charts;
  for (size_t b = 0; b < table.benchmarks.size(); ++b) {
    std::vector<IntervalPoint> points;
    for (const LoopTable::Row& row : table.rows) {
      if (!row.scores[b]) continue;
      const pool::ScoreRecord& score = *row.scores[b];
      points.push_back(
          {row.model, score.accuracy, score.interval_low, score.interval_high, row.main_line});
    }
    charts += element("figure", interval_chart(table.benchmarks[b], points));
  }
  if (charts.empty()) return {};
  return section(
      "Accuracy over the loop",
      element("div", {{"class", "charts"}}, charts) +
          element("p", {{"class", "note"}},
                  text("Bars are 95 % intervals. Filled dots, linked: the base, imitation "
                       "and the rounds of self-improvement; open dots: other models.")));
}

}  // namespace ponder::report
