// One row of a problem file, whatever its layout, as a Problem. Internal to this folder.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "data/row_fields.h"
#include "data/rows.h"

namespace ponder::data {

// `stem` and `line` make an id where the row has none. Throws Rejection.
Problem problem_from_row(const Json& row, const std::string& stem, uint64_t line,
                         uint64_t choice_seed, Changes& changes);

}  // namespace ponder::data
