#include "report/report.h"

#include <fmt/format.h>

#include "base/file.h"
#include "report/sections.h"
#include "report/style.h"

namespace ponder::report {

std::string report_html(const pool::Pool& pool, const std::string& title) {
  const LoopTable table = loop_table(pool);
  const pool::PoolCounts counts = pool.counts();
  const auto number = [](int64_t n) { return counted(static_cast<double>(n)); };
  const Markup head = empty_element("meta", {{"charset", "utf-8"}}) +
                      empty_element("meta", {{"name", "viewport"},
                                             {"content", "width=device-width, initial-scale=1"}}) +
                      element("title", text(title)) + element("style", Markup{kStyle});
  const Markup intro =
      element("h1", text(title)) +
      element("p", {{"class", "note"}},
              text(fmt::format(
                  "{} models, {} problems, {} demonstrations, {} rollouts, {} trained rows, "
                  "{} preference pairs",
                  number(counts.models), number(counts.problems), number(counts.demonstrations),
                  number(counts.rollouts), number(counts.training_rows), number(counts.pairs)))) +
      origin_line(pool);
  const Markup body =
      element("header", intro) +
      element("main", headline_section(table) + accuracy_section(table) + summary_section(table) +
                          comparisons_section(table) + mix_section(pool) + loss_section(pool) +
                          preferences_section(pool) + exploration_section(pool) +
                          rollouts_section(pool) + stages_section(pool));
  return "<!DOCTYPE html>\n" +
         element("html", {{"lang", "en"}}, element("head", head) + element("body", body)).html +
         "\n";
}

void write_report(const pool::Pool& pool, const std::filesystem::path& folder) {
  std::filesystem::path name = std::filesystem::absolute(folder).lexically_normal();
  if (name.filename().empty()) name = name.parent_path();
  write_file_atomic(folder / "report.html",
                    report_html(pool, "ponder run: " + name.filename().string()));
}

}  // namespace ponder::report
