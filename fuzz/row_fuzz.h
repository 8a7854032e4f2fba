// What holds of every reader of rows, whatever it is given.
#pragma once

#include "base/json.h"
#include "fuzz.h"

namespace ponder::fuzz {

// The first 2,000 rows are objects, the first 20 can be written, and a bad row is named.
template <typename Reader>
void rows_are_objects(Reader& reader) {
  JsonRow row;
  const auto on_bad = [](uint64_t line, uint64_t, const std::string& problem) {
    require(line > 0 && !problem.empty(), "a bad row is named");
  };
  for (int rows = 0; rows < 2000 && reader.next(row, on_bad); ++rows) {
    require(row.value.is_object(), "a row is an object");
    if (rows < 20) dump_json(row.value);
  }
}

}  // namespace ponder::fuzz
