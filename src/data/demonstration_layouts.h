// One row of a demonstration file, whatever its layout, as a Demonstration. Internal to this
// folder.
#pragma once

#include <vector>

#include "base/json.h"
#include "data/readers.h"
#include "data/rows.h"

namespace ponder::data {

class RowFields;

// Whether the row's fields are those of a demonstration rather than of a problem.
bool is_demonstration(const RowFields& row);
// Whether they are those of a preference.
bool is_preference(const RowFields& row);

// One demonstration, or several where every assistant turn of a conversation is asked for. Throws
// Rejection.
std::vector<Demonstration> demonstrations_from_row(const Json& row,
                                                   const DemonstrationReadOptions& options);

}  // namespace ponder::data
