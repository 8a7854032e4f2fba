// The columns of one batch, and their values as JSON. Internal to this folder. Source: Arrow's
// columnar format (apache/arrow, docs/source/format/Columnar.rst).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "arrow/metadata.h"
#include "base/json.h"

namespace ponder::arrow {

// The values of a dictionary, by its id.
using Dictionaries = std::map<int64_t, std::vector<Json>>;

// Why one row cannot be handed out, though the data is whole.
struct RowFault {
  std::string problem;
};

// What a row may still hold of text and values.
struct RowBudget {
  uint64_t bytes = JsonRowReader::kMaxLineBytes;
  uint64_t values = 1 << 19;
  void take(uint64_t num_bytes);  // and one value; throws RowFault when there is none left
};

struct Column {
  const Field* field = nullptr;
  uint64_t length = 0;
  std::string_view validity;  // empty: all are valid
  std::string_view offsets, data;
  std::vector<std::string_view> views;
  std::vector<Column> children;

  // The value at `i`. Throws FlatbufferFault where the buffers are too short or point beyond their
  // data, RowFault where the row becomes too large.
  Json value(uint64_t i, const Dictionaries& dictionaries, RowBudget& budget) const;

 private:
  Json plain_value(uint64_t i, const Dictionaries& dictionaries, RowBudget& budget) const;
  Json list(uint64_t begin, uint64_t end, const Dictionaries& dictionaries,
            RowBudget& budget) const;
  std::string_view text(uint64_t i) const;
};

// The columns of a batch: `body` is borrowed, what is unpacked of it is held here.
class BatchColumns {
 public:
  // Of `fields`; those that `wanted` has false for have no buffers. Throws FlatbufferFault, and
  // UnpackFault where a buffer is damaged.
  BatchColumns(const std::vector<Field>& fields, const std::vector<bool>& wanted,
               const Message& message, std::string_view body);

  const std::vector<Column>& columns() const { return columns_; }

 private:
  Column read(const Field& field, bool wanted);
  std::string_view buffer(bool wanted);

  const Message& message_;
  std::string_view body_;
  size_t next_length_ = 0, next_buffer_ = 0, next_variadic_ = 0;
  std::deque<std::string> unpacked_;
  std::vector<Column> columns_;
};

}  // namespace ponder::arrow
