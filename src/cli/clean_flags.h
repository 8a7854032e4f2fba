// --filters and what they need: which rows are left out beyond those that cannot be read.
#pragma once

#include <string>
#include <vector>

#include "clean/filters.h"
#include "cli/command.h"

namespace ponder::cli {

struct CleanFlags {
  std::vector<std::string> filters;  // names, or "all"
  clean::Options options;
};

void add_clean_options(CLI::App& command, CleanFlags& flags);
// "all" is every filter that the limits given suffice for. Throws Error (usage) as clean::check.
clean::Options clean_options(const CleanFlags& flags);
// As they would be typed, "" without filters: for the model card.
std::string own_flags(const CleanFlags& flags);

}  // namespace ponder::cli
