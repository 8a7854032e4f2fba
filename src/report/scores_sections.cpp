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

// A cell that says its column by itself where the table is stacked.
Markup cell_of(const std::string& column, const char* kind, const Markup& content) {
  return element("td", {{"class", kind}, {"data-label", column}}, content);
}

// n of a benchmark's scores where it is the same in all; else nothing.
std::optional<int64_t> common_n(const LoopTable& table, size_t benchmark) {
  std::optional<int64_t> n;
  for (const LoopTable::Row& row : table.rows) {
    if (!row.scores[benchmark]) continue;
    if (n && *n != row.scores[benchmark]->n) return std::nullopt;
    n = row.scores[benchmark]->n;
  }
  return n;
}

Markup score_cell(const LoopTable& table, const LoopTable::Row& row, size_t benchmark) {
  const std::string& column = table.benchmarks[benchmark];
  if (!row.scores[benchmark]) return cell_of(column, "score", text("–"));
  const pool::ScoreRecord& s = *row.scores[benchmark];
  Markup cell = element("b", text(fmt::format("{:.1f}", 100 * s.accuracy)));
  cell += text(fmt::format(" [{:.1f}, {:.1f}]", 100 * s.interval_low, 100 * s.interval_high));
  if (!common_n(table, benchmark)) cell += small(fmt::format("n {}", s.n));
  if (s.samples > 1) {
    const auto pass = number_of(s.extra, "pass_at_k"), majority = number_of(s.extra, "maj_at_k");
    if (pass && majority) {
      cell += small(fmt::format("pass@{0} {1:.1f}, maj@{0} {2:.1f}", s.samples, 100 * *pass,
                                100 * *majority));
    }
  }
  return cell_of(column, "score", cell);
}

// How the answers ended: for those who ask, behind the scores.
Markup endings(const LoopTable& table, const Markup& header) {
  Markup body;
  for (const LoopTable::Row& row : table.rows) {
    if (!row.evaluated()) continue;
    Markup cells = element("th", {{"scope", "row"}}, text(row.model));
    for (size_t b = 0; b < table.benchmarks.size(); ++b) {
      if (!row.scores[b]) {
        cells += cell_of(table.benchmarks[b], "score", text("–"));
        continue;
      }
      const pool::ScoreRecord& s = *row.scores[b];
      cells += cell_of(table.benchmarks[b], "score",
                       text(fmt::format("finished {:.1f} %", 100 * s.finished)) +
                           small(fmt::format("format failures {:.1f} %", 100 * s.format_failures)) +
                           small(fmt::format("{} tokens on average", counted(s.mean_tokens))));
    }
    body += element("tr", cells);
  }
  if (body.empty()) return {};
  return element("details", element("summary", text("How the answers ended, and their lengths")) +
                                stacked_table(header, body));
}

Markup difference_cell(const std::string& column, const PairwiseComparison::Cell& cell) {
  if (!cell.comparison) return cell_of(column, "score", text(cell.reason));
  const eval::Comparison& c = *cell.comparison;
  const Markup difference = text(fmt::format("{:+.1f}", 100 * c.difference));
  Markup content = c.distinguishable ? element("b", difference) : difference;
  content +=
      text(fmt::format(" [{:+.1f}, {:+.1f}]", 100 * c.interval_95.low, 100 * c.interval_95.high));
  content +=
      small(fmt::format("{}, p {}", c.distinguishable ? "told apart" : "cannot be told apart",
                        c.p_value < 1e-4 ? "< 0.0001" : fmt::format("{:.2g}", c.p_value)));
  content += small(fmt::format("better on {}, worse on {} problems", c.b_only, c.a_only));
  return cell_of(column, c.distinguishable ? "score told" : "score", content);
}

Markup benchmark_header(const LoopTable& table, std::initializer_list<std::string_view> first) {
  Markup cells;
  for (const std::string_view title : first) {
    cells += element("th", {{"scope", "col"}}, text(title));
  }
  for (size_t b = 0; b < table.benchmarks.size(); ++b) {
    const auto n = common_n(table, b);
    cells +=
        element("th", {{"scope", "col"}, {"class", "score"}},
                text(n ? fmt::format("{} (n {})", table.benchmarks[b], *n) : table.benchmarks[b]));
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
    for (size_t b = 0; b < table.benchmarks.size(); ++b) cells += score_cell(table, row, b);
    body += element("tr", cells);
  }
  const char* note =
      table.benchmarks.empty()
          ? "No model was evaluated yet."
          : "Accuracy in % with its 95 % interval (Wilson; with several samples per problem at the "
            "effective number of trials). Undecided and unfinished answers count as wrong. A "
            "format "
            "failure is a finished response with faulty thought tags or without a final answer.";
  return section("Scores", stacked_table(benchmark_header(table, {"model", "trained on"}), body) +
                               element("p", {{"class", "note"}}, text(note)) +
                               endings(table, benchmark_header(table, {"model"})));
}

Markup comparisons_section(const LoopTable& table) {
  const std::vector<PairwiseComparison> all = pairwise_comparisons(table);
  if (all.empty()) return {};
  Markup body;
  size_t tests = 0;
  std::set<std::string> methods;
  for (const PairwiseComparison& entry : all) {
    Markup cells = element("th", {{"scope", "row"}}, text(table.rows[entry.model].model)) +
                   element("td", {{"class", "name"}, {"data-label", "against"}},
                           text(table.rows[entry.other].model));
    for (size_t b = 0; b < entry.cells.size(); ++b) {
      const PairwiseComparison::Cell& cell = entry.cells[b];
      cells += difference_cell(table.benchmarks[b], cell);
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
                 stacked_table(benchmark_header(table, {"model", "against"}), body) +
                     (tests == 0 ? Markup{} : element("p", {{"class", "note"}}, text(note))));
}

Markup accuracy_charts(const LoopTable& table) {
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
  return charts;
}

}  // namespace ponder::report
