#include "pool/stage_result.h"
#include "report/sections.h"

namespace ponder::report {

Markup mix_section(const pool::Pool& pool) {
  Markup tables;
  for (const pool::StageRecord& stage : pool.stages()) {
    const auto result = pool::result_of<pool::TrainResult>(stage);
    if (!result) continue;
    const std::vector<pool::MixPart> parts = pool::mix_from_json(result->mix);
    if (parts.empty()) continue;
    double all = 0;
    for (const pool::MixPart& part : parts) all += static_cast<double>(part.tokens);
    Markup body;
    for (const pool::MixPart& part : parts) {
      const auto tokens = static_cast<double>(part.tokens);
      body += element("tr", element("td", text(part.domain.empty() ? "–" : part.domain)) +
                                element("td", text(part.source.empty() ? "–" : part.source)) +
                                number_cell(static_cast<double>(part.rows)) + number_cell(tokens) +
                                number_cell(all > 0 ? 100 * tokens / all : 0, 1));
    }
    tables += element("h3", text(stage.name + " → " + result->model)) +
              wide_table(header_row({"domain", "source", "rows", "tokens", "% of tokens"}), body);
  }
  if (tables.empty()) return {};
  return section(
      "What went in",
      element("p", {{"class", "note"}},
              text("Rows of each training set by domain and by source: the teacher where "
                   "rows say who that was, else their file. Tokens with their prompts, "
                   "each row once an epoch.")) +
          tables);
}

}  // namespace ponder::report
