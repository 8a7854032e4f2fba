// --against: benchmarks whose questions must not be among the rows.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "data/contamination.h"

namespace ponder::cli {

void add_against_option(CLI::App& command, std::vector<std::string>& files);
// Of all problems of these files; empty for none. Throws Error if one cannot be read.
data::ContaminationFilter filter_against(const std::vector<std::string>& files);

}  // namespace ponder::cli
