#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "base/version.h"
#include "report/sections.h"

namespace ponder::report {
namespace {

// "On hard 1.4 % are right with M0, 42.0 % with M1, 60.0 % with M3."
std::string sentence(const LoopTable& table, size_t benchmark) {
  std::vector<std::string> steps;
  for (const LoopTable::Row& row : table.rows) {
    const auto& score = row.scores[benchmark];
    if (!row.main_line || !score) continue;
    steps.push_back(fmt::format("{:.1f} %{} with {}", 100 * score->accuracy,
                                steps.empty() ? " are right" : "", row.model));
  }
  if (steps.empty()) return "";
  return fmt::format("On {} {}.", table.benchmarks[benchmark], fmt::join(steps, ", "));
}

}  // namespace

Markup headline_section(const LoopTable& table) {
  Markup out;
  for (size_t b = 0; b < table.benchmarks.size(); ++b) {
    const std::string words = sentence(table, b);
    if (!words.empty()) out += element("p", {{"class", "lead"}}, text(words));
  }
  if (out.empty()) return out;
  return out + element("p", {{"class", "note"}},
                       text("One training; another seed would give other scores. ponder compare "
                            "takes several runs together."));
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
  words += ". Again: ponder run recipe.toml, which lies beside this page.";
  return element("p", {{"class", "note"}}, text(words));
}

}  // namespace ponder::report
