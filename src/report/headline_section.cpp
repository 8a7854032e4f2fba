#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <vector>

#include "base/version.h"
#include "report/sections.h"

namespace ponder::report {
namespace {

// "12.2 → 41.0 → 48.0 %" of the main line's models; "" where there is no score.
std::string way(const LoopTable& table, size_t benchmark) {
  std::vector<std::string> steps;
  for (const LoopTable::Row& row : table.rows) {
    if (row.main_line && row.scores[benchmark])
      steps.push_back(fmt::format("{:.1f}", 100 * row.scores[benchmark]->accuracy));
  }
  return steps.empty()
             ? ""
             : fmt::format("{} {} %", table.benchmarks[benchmark], fmt::join(steps, "\u00a0→ "));
}

// What the loop claims: the last model of the main line against imitation. "" where there is no such
// comparison.
std::string claim(const LoopTable& table) {
  std::optional<size_t> last;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    if (table.rows[i].main_line && table.rows[i].evaluated()) last = i;
  }
  if (!last || !table.imitation || *last <= *table.imitation) return "";
  std::vector<std::string> told, untold;
  for (size_t b = 0; b < table.benchmarks.size(); ++b) {
    const auto cell =
        compare_scores(table.rows[*table.imitation].scores[b], table.rows[*last].scores[b]);
    if (!cell.comparison) continue;
    (cell.comparison->distinguishable ? told : untold)
        .push_back(
            fmt::format("{} ({:+.1f})", table.benchmarks[b], 100 * cell.comparison->difference));
  }
  const std::string against = fmt::format(" from {}", table.rows[*table.imitation].model);
  std::string words;
  if (!told.empty())
    words = fmt::format("{} is told apart{} on {}", table.rows[*last].model, against,
                        fmt::join(told, ", "));
  if (!untold.empty())
    words += told.empty() ? fmt::format("{} cannot be told apart{} on {}", table.rows[*last].model,
                                        against, fmt::join(untold, ", "))
                          : fmt::format(", not on {}", fmt::join(untold, ", "));
  return words.empty() ? "" : words + ".";
}

}  // namespace

Markup headline_section(const LoopTable& table) {
  std::vector<std::string> models, ways;
  for (const LoopTable::Row& row : table.rows) {
    if (row.main_line && row.evaluated()) models.push_back(row.model);
  }
  for (size_t b = 0; b < table.benchmarks.size(); ++b) {
    if (const std::string words = way(table, b); !words.empty()) ways.push_back(words);
  }
  if (ways.empty()) return {};
  std::string words =
      fmt::format("Right answers, {}: {}.", fmt::join(models, " → "), fmt::join(ways, "; "));
  if (const std::string more = claim(table); !more.empty()) words += " " + more;
  Markup charts = accuracy_charts(table);
  return element("p", {{"class", "lead"}}, text(words)) +
         element("div", {{"class", "charts"}}, charts) +
         element(
             "p", {{"class", "note"}},
             text("Accuracy with 95 % intervals. Filled dots, linked: the base, imitation and the "
                  "rounds of self-improvement; open dots: other models. Differences in points; "
                  "told apart: a paired test has p < 0.05. One training; another seed would give "
                  "other scores: ponder compare takes several runs together."));
}

Markup origin_line(const pool::Pool& pool) {
  const std::vector<pool::StageRecord> stages = pool.stages();
  std::string words = fmt::format("ponder {}", version());
  if (!stages.empty()) {
    words += ", begun " + stages.front().started;
    std::string last;
    for (const pool::StageRecord& stage : stages) last = std::max(last, stage.finished);
    if (!last.empty()) words += ", last stage done " + last;
  }
  if (const auto base = pool.model_named("M0"))
    words += ", base " + std::filesystem::path(base->path).filename().string();
  words += ".";
  return element("p", {{"class", "note"}}, text(words));
}

Markup again_section(const std::string& name, const std::string& recipe) {
  if (recipe.empty()) return {};
  return section(
      "Again",
      element("p", {{"class", "note"}},
              text("The recipe as it was resolved, and the command that does the same on the "
                   "same base and files.")) +
          element("pre", text(fmt::format("ponder run recipe.toml --out runs/{}", name))) +
          element("details",
                  element("summary", text("recipe.toml")) + element("pre", text(recipe))));
}

}  // namespace ponder::report
