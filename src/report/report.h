// The report of a run: one self-contained HTML file (no scripts or styles from elsewhere) with the
// loop's table, curves as inline SVG, what exploration found, and rollouts to read.
#pragma once

#include <filesystem>
#include <string>

#include "pool/pool.h"

namespace ponder::report {

// The whole HTML text of the run `name`. A pure function of the pool and the recipe's text ("": not
// known), of how it failed ("": it did not), and of how its teacher stood (null: it has none): no clock, no
// paths.
std::string report_html(const pool::Pool& pool, const std::string& name,
                        const std::string& recipe = "", const std::string& failure = "",
                        const Json& teacher = {});

// Writes the report of the run in `folder` atomically to `file`, by default <folder>/report.html.
void write_report(const pool::Pool& pool, const std::filesystem::path& folder,
                  const std::filesystem::path& file = {});

// The loop's table as plain text, as `ponder run` ends with it: a line per model with what it was
// trained on and its scores with 95 % intervals, in the order of the report's Table 2; then whether
// each model can be told apart from the first.
std::string scores_table(const pool::Pool& pool);

}  // namespace ponder::report
