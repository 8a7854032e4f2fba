// --where and --except: which rows of a file are wanted, by their fields.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "data/row_conditions.h"

namespace ponder::cli {

struct WhereFlags {
  std::vector<std::string> where, except;  // "level=4,5", "level=3..5", "domain=math"
};

void add_where_options(CLI::App& command, WhereFlags& flags);
// Throws Error (usage) for what is no condition.
data::RowConditions conditions_of(const WhereFlags& flags);
// As they would be typed, for the model card.
std::string own_flags(const WhereFlags& flags);

}  // namespace ponder::cli
