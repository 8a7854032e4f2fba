#include "arrow/column.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>

#include "base/mended_json.h"
#include "base/unpack.h"

namespace ponder::arrow {
namespace {

// A buffer may say that it becomes anything.
constexpr uint64_t kMostBytes = uint64_t{1} << 32, kFreeBytes = uint64_t{1} << 30;
constexpr uint64_t kMostGrowth = 5000;

uint64_t unsigned_at(std::string_view bytes, uint64_t index, uint64_t width) {
  switch (width) {
    case 1:
      return number_at<uint8_t>(bytes, index);
    case 2:
      return number_at<uint16_t>(bytes, index * 2);
    case 4:
      return number_at<uint32_t>(bytes, index * 4);
    default:
      return number_at<uint64_t>(bytes, index * 8);
  }
}

int64_t signed_at(std::string_view bytes, uint64_t index, uint64_t width) {
  const uint64_t value = unsigned_at(bytes, index, width);
  switch (width) {
    case 1:
      return static_cast<int8_t>(value);
    case 2:
      return static_cast<int16_t>(value);
    case 4:
      return static_cast<int32_t>(value);
    default:
      return static_cast<int64_t>(value);
  }
}

bool bit_at(std::string_view bytes, uint64_t i) {
  return (number_at<uint8_t>(bytes, i / 8) >> (i % 8) & 1) != 0;
}

// begin and end of value `i` in what the offsets point at.
std::pair<uint64_t, uint64_t> extent_at(std::string_view offsets, uint64_t i, bool large,
                                        uint64_t size) {
  const uint64_t width = large ? 8 : 4;
  const uint64_t begin = unsigned_at(offsets, i, width), end = unsigned_at(offsets, i + 1, width);
  if (begin > end || end > size) throw FlatbufferFault{"an offset beyond its data"};
  return {begin, end};
}

size_t num_plain_buffers(const Field& field, int version) {
  switch (field.layout) {
    case Layout::kNull:
    case Layout::kRunEnds:
      return 0;
    case Layout::kBits:
    case Layout::kFixed:
    case Layout::kList:
    case Layout::kViews:
      return 2;
    case Layout::kOffsets:
    case Layout::kListView:
      return 3;
    case Layout::kFixedList:
    case Layout::kStruct:
      return 1;
    case Layout::kUnion: {
      constexpr int kWithoutValidity = 4;
      return (field.large ? 2 : 1) + (version < kWithoutValidity ? 1 : 0);
    }
  }
  return 0;
}

}  // namespace

void RowBudget::take(uint64_t num_bytes) {
  if (num_bytes > bytes)
    throw RowFault{fmt::format("a row of more than {} bytes", JsonRowReader::kMaxLineBytes)};
  if (values == 0) throw RowFault{"a row of more than half a million values"};
  bytes -= num_bytes;
  --values;
}

Json Column::value(uint64_t i, const Dictionaries& dictionaries, RowBudget& budget) const {
  if (i >= length) throw FlatbufferFault{"a column with fewer values than rows"};
  const bool valid = validity.empty() || bit_at(validity, i);
  if (!valid || field->layout == Layout::kNull) {
    budget.take(0);
    return nullptr;
  }
  if (!field->dictionary) return plain_value(i, dictionaries, budget);
  const uint64_t index = field->index_signed
                             ? static_cast<uint64_t>(signed_at(data, i, field->index_width))
                             : unsigned_at(data, i, field->index_width);
  const auto values = dictionaries.find(*field->dictionary);
  if (values == dictionaries.end() || index >= values->second.size())
    throw FlatbufferFault{"an index beyond its dictionary"};
  const Json& value = values->second[index];
  budget.take(value.is_string() ? value.get_ref<const std::string&>().size() : 0);
  return value;
}

Json Column::plain_value(uint64_t i, const Dictionaries& dictionaries, RowBudget& budget) const {
  switch (field->layout) {
    case Layout::kList: {
      const auto [begin, end] = extent_at(offsets, i, field->large, children[0].length);
      return list(begin, end, dictionaries, budget);
    }
    case Layout::kFixedList:
      if (field->width > 0 && (i + 1) > children[0].length / field->width)
        throw FlatbufferFault{"a list beyond its data"};
      return list(i * field->width, (i + 1) * field->width, dictionaries, budget);
    case Layout::kStruct: {
      Json object = Json::object();
      budget.take(0);
      for (const Column& child : children) {
        if (child.field->unread.empty())
          object[child.field->name] = child.value(i, dictionaries, budget);
      }
      return object;
    }
    default:
      break;
  }
  switch (field->kind) {
    case ValueKind::kBoolean:
      budget.take(0);
      return bit_at(data, i);
    case ValueKind::kSigned:
      budget.take(0);
      return signed_at(data, i, field->width);
    case ValueKind::kUnsigned:
      budget.take(0);
      return unsigned_at(data, i, field->width);
    case ValueKind::kReal: {
      budget.take(0);
      const double real = field->width == 4 ? static_cast<double>(number_at<float>(data, i * 4))
                                            : number_at<double>(data, i * 8);
      return std::isfinite(real) ? Json(real) : Json();
    }
    case ValueKind::kText: {
      const std::string_view bytes = text(i);
      budget.take(bytes.size());
      if (!simdjson::validate_utf8(bytes.data(), bytes.size()))
        return unreadable_value("bytes that are no UTF-8");
      return std::string(bytes);
    }
    case ValueKind::kNone:
      break;
  }
  return unreadable_value(field->unread);
}

Json Column::list(uint64_t begin, uint64_t end, const Dictionaries& dictionaries,
                  RowBudget& budget) const {
  Json array = Json::array();
  budget.take(0);
  if (!children[0].field->unread.empty()) return unreadable_value(children[0].field->unread);
  for (uint64_t i = begin; i < end; ++i)
    array.push_back(children[0].value(i, dictionaries, budget));
  return array;
}

std::string_view Column::text(uint64_t i) const {
  if (field->layout == Layout::kOffsets) {
    const auto [begin, end] = extent_at(offsets, i, field->large, data.size());
    return data.substr(begin, end - begin);
  }
  // A view: its size, then the bytes themselves, or four of them, the buffer and the offset in it.
  constexpr uint64_t kViewBytes = 16, kInline = 12;
  const uint64_t at = i * kViewBytes;
  const auto size = number_at<int32_t>(data, at);
  if (at + kViewBytes > data.size() || size < 0) throw FlatbufferFault{"a view of no size"};
  const auto bytes = static_cast<uint64_t>(size);
  if (bytes <= kInline) return data.substr(at + 4, bytes);
  const auto buffer = number_at<uint32_t>(data, at + 8),
             offset = number_at<uint32_t>(data, at + 12);
  if (buffer >= views.size() || offset > views[buffer].size() ||
      bytes > views[buffer].size() - offset)
    throw FlatbufferFault{"a view beyond its data"};
  return views[buffer].substr(offset, bytes);
}

BatchColumns::BatchColumns(const std::vector<Field>& fields, const std::vector<bool>& wanted,
                           const Message& message, std::string_view body)
    : message_(message), body_(body) {
  for (size_t i = 0; i < fields.size(); ++i) columns_.push_back(read(fields[i], wanted[i]));
  if (next_buffer_ != message.batch.buffers.size() || next_length_ != message.batch.lengths.size())
    throw FlatbufferFault{"other columns than the schema has"};
}

// Columns come parents first, each with its buffers.
Column BatchColumns::read(const Field& field, bool wanted) {
  Column column;
  column.field = &field;
  const Batch& batch = message_.batch;
  if (next_length_ >= batch.lengths.size())
    throw FlatbufferFault{"fewer columns than the schema has"};
  column.length = batch.lengths[next_length_++];
  if (field.dictionary) {  // of the values themselves there is nothing here
    column.validity = buffer(wanted);
    column.data = buffer(wanted);
    return column;
  }
  const bool read_values = wanted && field.unread.empty();
  const size_t num_buffers = num_plain_buffers(field, message_.version);
  if (num_buffers > 0) column.validity = buffer(read_values);
  for (size_t i = 1; i < num_buffers; ++i) {
    const bool offsets =
        i == 1 && (field.layout == Layout::kOffsets || field.layout == Layout::kList);
    (offsets ? column.offsets : column.data) = buffer(read_values);
  }
  if (field.layout == Layout::kViews) {
    if (next_variadic_ >= batch.variadic.size()) throw FlatbufferFault{"views without buffers"};
    for (uint64_t left = batch.variadic[next_variadic_++]; left > 0; --left)
      column.views.push_back(buffer(read_values));
  }
  for (const Field& child : field.children) column.children.push_back(read(child, read_values));
  return column;
}

std::string_view BatchColumns::buffer(bool wanted) {
  const Batch& batch = message_.batch;
  if (next_buffer_ >= batch.buffers.size())
    throw FlatbufferFault{"fewer buffers than the schema has"};
  const BufferExtent extent = batch.buffers[next_buffer_++];
  const std::string_view bytes = body_.substr(extent.offset, extent.size);
  if (!wanted || bytes.empty() || batch.compression == Compression::kNone) return bytes;
  constexpr int64_t kStored = -1;
  const auto size = number_at<int64_t>(bytes, 0);
  const std::string_view packed = bytes.substr(sizeof(size));
  if (size == kStored) return packed;
  const auto num_bytes = static_cast<uint64_t>(size);
  if (size < 0 || num_bytes > kMostBytes ||
      (num_bytes > kFreeBytes && num_bytes / kMostGrowth > packed.size()))
    throw FlatbufferFault{fmt::format("a buffer that becomes {} bytes", size)};
  unpacked_.push_back(batch.compression == Compression::kZstd
                          ? unpack_zstd(packed, num_bytes)
                          : unpack_lz4_frame(packed, num_bytes));
  return unpacked_.back();
}

}  // namespace ponder::arrow
