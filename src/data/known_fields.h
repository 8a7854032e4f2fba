// The fields of rows that some layout reads: a table's other columns are left where they are.
// Internal to this folder.
#pragma once

#include <string>

#include "base/column_use.h"

namespace ponder::data {

// Without regard to case. What no row needs (ids, domains, sources) is kIfReadable.
ColumnUse use_of_field(const std::string& name);

}  // namespace ponder::data
