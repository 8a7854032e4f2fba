// One row of a demonstration file, whatever its layout, as a Demonstration. Internal to this
// folder.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "data/rows.h"

namespace ponder {

class RowFields;

// Whether the row's fields are those of a demonstration rather than of a problem.
bool is_demonstration(const RowFields& row);

// With `require_thought`, a response without a thought is a fault. Throws RowFault.
Demonstration demonstration_from_row(const Json& row, bool require_thought);

}  // namespace ponder
