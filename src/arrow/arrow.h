// Reads Arrow IPC data, files and streams (and so Feather version 2), row by row, each row as a JSON
// object: text, integers, floats, booleans, structs and lists, dictionary-encoded or not, in buffers
// packed by LZ4 or Zstandard or not at all. Anything else is refused by its name, where the column is
// needed. A map becomes an array of {"key", "value"}; dates and times stay the integers they are;
// bytes that are no UTF-8 become an object of kUnreadable.
//
// The data is read from its beginning to its end, so that it may come packed or from a pipe; a file's
// index at its end is not needed. Memory is one batch and the dictionaries. Hostile data: lengths and
// offsets are checked before anything is allocated or read, and a row has at most 64 MiB of text and
// half a million values.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/byte_source.h"
#include "base/column_use.h"
#include "base/json.h"

namespace ponder::arrow {

// Whether data begins as a file or a stream does; its first 8 bytes are enough.
bool is_arrow(std::string_view beginning);

class ArrowReader {
 public:
  // Throws Error if it is no Arrow data, or a column that is needed has a type that is not read.
  explicit ArrowReader(const std::filesystem::path& file, const ColumnUseOf& use = nullptr);
  ArrowReader(std::unique_ptr<ByteSource> bytes, std::string name,
              const ColumnUseOf& use = nullptr);
  ~ArrowReader();
  ArrowReader(const ArrowReader&) = delete;
  ArrowReader& operator=(const ArrowReader&) = delete;

  // As ParquetReader::next.
  bool next(JsonRow& row, const JsonRowReader::OnBad& on_bad = nullptr);
  const std::string& name() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ponder::arrow
