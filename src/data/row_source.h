// Rows of a file as JSON objects, whatever the file: lines, an array, either packed, or Parquet.
// The kind is recognised by the file's content.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/json.h"

namespace ponder::data {

class RowSource {
 public:
  // "-" is standard input: lines or an array. Throws Error as the readers do.
  static std::unique_ptr<RowSource> open(const std::filesystem::path& file);
  virtual ~RowSource() = default;
  // As JsonRowReader::next.
  virtual bool next(JsonRow& row, const JsonRowReader::OnBad& on_bad = nullptr) = 0;
  virtual const std::string& name() const = 0;
};

}  // namespace ponder::data
