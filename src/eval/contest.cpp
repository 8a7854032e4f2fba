#include "eval/contest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "eval/training_seeds.h"

namespace ponder::eval {
namespace {

constexpr double kEqualSquares = 1e-12;  // a sum of squares below it is that of equal values

Comparison against(const Contestant& first, const Contestant& other, uint64_t seed,
                   double& detectable) {
  require_one_judge(other.verdicts, other.name, first.verdicts, first.name);
  std::vector<double> a, b;
  for (const auto& [problem, row] : first.verdicts.problems) {
    const auto& [id, sha256] = problem;
    const VerdictTable::Row* found = other.verdicts.find(id, sha256);
    if (!found && first.verdicts.count(id) == 1 && other.verdicts.count(id) == 1) {
      throw Error(other.name,
                  fmt::format("has another question or gold than {} under the id \"{}\"",
                              first.name, excerpt(id)),
                  "compare responses to the same benchmark file");
    }
    if (!found) continue;
    a.push_back(row.share());
    b.push_back(found->share());
  }
  if (a.empty()) {
    throw Error(other.name, fmt::format("has no problem in common with {}", first.name),
                "compare responses to the same benchmark");
  }
  const Comparison comparison = compare_paired(a, b, seed);
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = b[i] - a[i] - comparison.difference;
    squares += d * d;
  }
  const auto n = static_cast<double>(a.size());
  // Quantiles of the normal distribution at 97.5 % and 80 %.
  detectable = squares > kEqualSquares ? (1.96 + 0.842) * std::sqrt(squares / (n - 1) / n)
                                       : detectable_where_nothing_varies(n);
  return comparison;
}

}  // namespace

VerdictTable verdicts_of(const BenchmarkResult& result, std::span<const data::Problem> problems) {
  VerdictTable table;
  table.judges = {dump_json(how_judged(result.strictness))};
  for (size_t i = 0; i < result.problems.size(); ++i) {
    const ProblemResult& problem = result.problems[i];
    table.problems[{problem.problem_id, problem_sha256(problems[i])}] = {
        problem.num_correct(), static_cast<int64_t>(problem.samples.size())};
  }
  return table;
}

std::vector<ContestRow> hold_contest(const std::vector<Contestant>& contestants, uint64_t seed) {
  std::vector<ContestRow> rows;
  std::vector<double> p_values;
  for (const Contestant& one : contestants) {
    ContestRow& row = rows.emplace_back();
    row.name = one.name;
    row.problems = static_cast<int64_t>(one.verdicts.problems.size());
    std::vector<double> shares;
    double samples = 1;
    for (const auto& [problem, verdicts] : one.verdicts.problems) {
      shares.push_back(verdicts.share());
      samples = std::max(samples, static_cast<double>(verdicts.samples));
    }
    row.accuracy = accuracy_of(shares, samples);
    row.arithmetics = fmt::format("{}", fmt::join(one.verdicts.arithmetics, " and "));
    if (rows.size() == 1) continue;
    row.comparison = against(contestants.front(), one, seed, row.detectable);
    p_values.push_back(row.comparison->p_value);
  }
  const std::vector<double> corrected = holm(p_values);
  for (size_t i = 1; i < rows.size(); ++i) rows[i].corrected_p = corrected[i - 1];
  return rows;
}

std::string to_text(const std::vector<ContestRow>& rows) {
  size_t width = 0;
  for (const ContestRow& row : rows) width = std::max(width, row.name.size());
  std::string out;
  for (const ContestRow& row : rows) {
    out += fmt::format("  {:<{}}  {:.1f} [{:.1f}, {:.1f}] of {}{}\n", row.name, width,
                       100 * row.accuracy.mean, 100 * row.accuracy.interval_95.low,
                       100 * row.accuracy.interval_95.high, row.problems,
                       row.arithmetics.empty() ? "" : ", computed in " + row.arithmetics);
  }
  for (const ContestRow& row : rows) {
    if (!row.comparison) continue;
    const Comparison& c = *row.comparison;
    out += fmt::format(
        "  {} − {}: {:+.1f} [{:+.1f}, {:+.1f}] p {}{}, on {} problems; so many show about {:.1f} "
        "points{}\n",
        row.name, rows[0].name, 100 * c.difference, 100 * c.interval_95.low,
        100 * c.interval_95.high,
        row.corrected_p < 1e-4 ? "< 0.0001" : fmt::format("{:.2g}", row.corrected_p),
        row.corrected_p < 0.05 ? ", told apart" : "", c.n, 100 * row.detectable,
        row.arithmetics == rows[0].arithmetics ? "" : "; of two arithmetics");
  }
  return out;
}

Json to_json(const std::vector<ContestRow>& rows) {
  Json out = Json::array();
  for (const ContestRow& row : rows) {
    Json one = {{"name", row.name},
                {"n", row.problems},
                {"accuracy", row.accuracy.mean},
                {"interval_95", {row.accuracy.interval_95.low, row.accuracy.interval_95.high}}};
    if (!row.arithmetics.empty()) one["arithmetic"] = row.arithmetics;
    if (row.comparison) {
      one["against_first"] = to_json(*row.comparison);
      one["against_first"]["p_holm"] = row.corrected_p;
      one["against_first"]["told_apart"] = row.corrected_p < 0.05;
      one["against_first"]["detectable"] = row.detectable;
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace ponder::eval
