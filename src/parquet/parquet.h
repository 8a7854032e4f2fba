// Reads Parquet files row by row, each row as a JSON object: flat columns, structs, lists and lists
// of structs (chat messages), all of them optional or not. Read are the types BOOLEAN, INT32,
// INT64, FLOAT, DOUBLE and BYTE_ARRAY (text or JSON); the encodings PLAIN, dictionary, RLE, the
// three DELTA ones and BYTE_STREAM_SPLIT; the codecs SNAPPY, GZIP, ZSTD and LZ4; pages of version 1
// and 2. Anything else is refused by its name, where the column is needed. A map becomes an array of
// {"key", "value"}; dates and times stay the integers they are; bytes that are no UTF-8, and a column
// of JSON that is none, become an object of kUnreadable.
//
// Hostile files: lengths and offsets are checked before anything is allocated for them, a page has
// at most 64 MiB, and a row at most 64 MiB of text and half a million values. Memory is one page
// and one dictionary per column.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/column_use.h"
#include "base/json.h"

namespace ponder::parquet {

class RandomAccess {
 public:
  virtual ~RandomAccess() = default;
  virtual uint64_t size() const = 0;
  // Exactly `num_bytes` bytes from `offset`, which lie inside the file. Throws Error.
  virtual std::string read(uint64_t offset, uint64_t num_bytes) const = 0;
};

// Whether the file begins as a Parquet file does. False for "-" and for what cannot be read.
bool is_parquet(const std::filesystem::path& file);

class ParquetReader {
 public:
  // Throws Error if it is no Parquet file, or a column that is needed has a type that is not read.
  explicit ParquetReader(const std::filesystem::path& file, const ColumnUseOf& use = nullptr);
  ParquetReader(std::unique_ptr<RandomAccess> file, std::string name,
                const ColumnUseOf& use = nullptr);
  ~ParquetReader();
  ParquetReader(const ParquetReader&) = delete;
  ParquetReader& operator=(const ParquetReader&) = delete;

  // False at the end. row.line counts rows from 1; row.byte_offset is 0. A row that is too large
  // goes to `on_bad` (or throws without one) and the next is read; what is wrong with the file itself throws Error naming column and offset.
  bool next(JsonRow& row, const JsonRowReader::OnBad& on_bad = nullptr);
  const std::string& name() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ponder::parquet
