// Which columns of a table (Parquet, Arrow) its rows are read with: the others cost nothing and
// refuse nothing, whatever their type.
#pragma once

#include <functional>
#include <string>

namespace ponder {

enum class ColumnUse {
  kNone,        // the rows have a null under its name
  kIfReadable,  // likewise where its type is not read
  kNeeded,      // a type that is not read is an error
};

// By the name of a column at the top of the schema. Empty: all are needed.
using ColumnUseOf = std::function<ColumnUse(const std::string& name)>;

}  // namespace ponder
