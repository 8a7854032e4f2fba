#include "report/report.h"

#include <fmt/format.h>

#include "base/file.h"
#include "report/last_failure.h"
#include "report/sections.h"
#include "report/server_requests.h"
#include "report/style.h"
#include "report/teacher_lines.h"

namespace ponder::report {

std::string report_html(const pool::Pool& pool, const std::string& name, const std::string& recipe,
                        const std::string& failure, const Json& teacher) {
  const std::string title = "ponder run: " + name;
  const LoopTable table = loop_table(pool);
  const pool::PoolCounts counts = pool.counts();
  const auto number = [](int64_t n) { return counted(static_cast<double>(n)); };
  const Markup head = empty_element("meta", {{"charset", "utf-8"}}) +
                      empty_element("meta", {{"name", "viewport"},
                                             {"content", "width=device-width, initial-scale=1"}}) +
                      element("title", text(title)) + element("style", Markup{kStyle});
  Markup intro = element("h1", text(title));
  if (!failure.empty())
    intro += element("p", {{"class", "lead incorrect"}}, text("The run failed " + failure));
  intro += headline_section(table);
  const Markup facts =
      origin_line(pool) +
      element("p", {{"class", "note"}},
              text(fmt::format(
                  "{} models, {} problems, {} demonstrations, {} rollouts, {} trained rows, "
                  "{} preference pairs",
                  number(counts.models), number(counts.problems), number(counts.demonstrations),
                  number(counts.rollouts), number(counts.training_rows), number(counts.pairs))));
  const Markup body =
      element("header", intro + facts) +
      element("main", summary_section(table) + comparisons_section(table) +
                          answers_section(pool, table) + teacher_section(teacher) +
                          mix_section(pool) + loss_section(pool) + preferences_section(pool) +
                          exploration_section(pool, counts) + rollouts_section(pool) +
                          stages_section(pool) + servers_section(server_requests(pool)) +
                          again_section(name, recipe));
  return "<!DOCTYPE html>\n" +
         element("html", {{"lang", "en"}}, element("head", head) + element("body", body)).html +
         "\n";
}

void write_report(const pool::Pool& pool, const std::filesystem::path& folder,
                  const std::filesystem::path& file) {
  std::filesystem::path name = std::filesystem::absolute(folder).lexically_normal();
  if (name.filename().empty()) name = name.parent_path();
  const std::filesystem::path recipe = folder / "recipe.toml";
  std::string how;
  const auto failed = last_failure(pool, folder);
  // One that could not begin anything has changed nothing of what is reported.
  if (failed && !failed->stage.empty())
    how = fmt::format("in {}: {}", failed->stage, failed->reason);
  write_file_atomic(file.empty() ? folder / "report.html" : file,
                    report_html(pool, name.filename().string(),
                                std::filesystem::exists(recipe) ? read_file(recipe) : "", how,
                                kept_teacher(folder)));
}

}  // namespace ponder::report
