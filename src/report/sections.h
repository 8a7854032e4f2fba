// The parts of the report, each empty where the pool has nothing for it; the dashboard shows the same.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pool/pool.h"
#include "report/loop_table.h"
#include "report/markup.h"

namespace ponder::report {

// What a reader sees first: a sentence of the base, imitation and the rounds, and the charts.
Markup headline_section(const LoopTable& table);
// Version, times, base.
Markup origin_line(const pool::Pool& pool);
// The recipe's text and the command for the run `name`; empty where the text is.
Markup again_section(const std::string& name, const std::string& recipe);
// A problem of each benchmark as the models answered it, side by side, thoughts open.
Markup answers_section(const pool::Pool& pool, const LoopTable& table);
Markup summary_section(const LoopTable& table);
Markup comparisons_section(const LoopTable& table);
Markup accuracy_charts(const LoopTable& table);  // a figure a benchmark
Markup teacher_section(const Json& standing);    // of teach::standing
Markup mix_section(const pool::Pool& pool);
Markup loss_section(const pool::Pool& pool);
Markup preferences_section(const pool::Pool& pool);
// `counts`: of the stages that explore.
Markup exploration_section(const pool::Pool& pool, const pool::PoolCounts& counts);
Markup rollouts_section(const pool::Pool& pool);
Markup stages_section(const pool::Pool& pool);

// What a filter took out, in words: its name is what it lets pass. "not correct"
std::string taken_by(const std::string& filter);
// A number of a score's extra fields; nothing where it is missing or not a number.
std::optional<double> number_of(const Json& result, std::string_view key);
std::string counted(double whole);  // "1,234,567"
// A table cell that holds a number, or a dash where there is none.
Markup number_cell(const std::optional<double>& value, int digits = 0);
Markup header_row(std::initializer_list<std::string_view> titles);
Markup section(std::string_view title, const Markup& content);
// A table that scrolls sideways where the page is too narrow.
Markup wide_table(const Markup& head, const Markup& body);
// A table whose rows become blocks on a phone, each cell behind its data-label.
Markup stacked_table(const Markup& head, const Markup& body);

}  // namespace ponder::report
