// Rows of comma-separated values (RFC 4180) as JSON objects: the first record names the columns, all
// values are texts, an empty one without quotes is null. Tabs part as commas do where the header has
// tabs. A BOM, CRLF, empty lines and a missing last line end are fine. Internal to this folder.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/json.h"

namespace ponder::data {

// Whether a text begins as such a table does: a header of two names or more, all different, that is no
// JSON. `text` is the beginning of a file.
bool is_csv(std::string_view text);

class CsvReader {
 public:
  // Throws Error where two columns have one name.
  explicit CsvReader(const std::filesystem::path& file);

  // As JsonRowReader::next. row.line is the line the record begins on. Bad rows: another number of
  // values than columns, text behind a closing quote, no closing quote, no UTF-8, more than
  // JsonRowReader::kMaxLineBytes; reading goes on with the next line.
  bool next(JsonRow& row, const JsonRowReader::OnBad& on_bad = nullptr);
  const std::string& name() const { return name_; }

 private:
  struct Record {
    std::vector<std::string> values;
    std::vector<bool> quoted;
    std::string problem;  // "" for none
    uint64_t line = 0, offset = 0;
  };
  bool read_record(Record& record);
  int take();  // the next byte, -1 at the end

  std::string name_;
  std::unique_ptr<ByteSource> source_;
  std::string buffer_;
  size_t at_ = 0;
  uint64_t buffer_offset_ = 0, line_ = 1;
  char separator_ = ',';
  std::vector<std::string> columns_;
};

}  // namespace ponder::data
