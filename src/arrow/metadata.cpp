#include "arrow/metadata.h"

#include <fmt/format.h>

namespace ponder::arrow {
namespace {

constexpr size_t kMaxFields = 10000;
constexpr int kMaxDepth = 32;
constexpr uint64_t kNodeBytes = 16, kBufferBytes = 16;

uint64_t not_negative(int64_t value, std::string_view what) {
  if (value < 0) throw FlatbufferFault{fmt::format("{} of {}", what, value)};
  return static_cast<uint64_t>(value);
}

void integer(Field& field, uint64_t bytes, bool is_signed) {
  field.layout = Layout::kFixed;
  field.width = bytes;
  field.kind = is_signed ? ValueKind::kSigned : ValueKind::kUnsigned;
}

void unread(Field& field, std::string_view type, Layout layout, uint64_t width = 0) {
  field.layout = layout;
  field.width = width;
  field.unread = fmt::format("columns of type {} are not read", type);
}

uint64_t bytes_of_int(const FlatTable& type) {
  const auto bits = type.number<int32_t>(0);
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64)
    throw FlatbufferFault{fmt::format("integers of {} bits", bits)};
  return static_cast<uint64_t>(bits) / 8;
}

// `kind` is Schema.fbs's union Type.
void read_type(int kind, const FlatTable& type, Field& field) {
  const auto text = [&](bool large) {
    field.layout = Layout::kOffsets;
    field.kind = ValueKind::kText;
    field.large = large;
  };
  switch (kind) {
    case 1:
      field.layout = Layout::kNull;
      break;
    case 2:
      integer(field, bytes_of_int(type), type.number<uint8_t>(1) != 0);
      break;
    case 3: {
      const auto precision = type.number<int16_t>(0);
      if (precision < 0 || precision > 2) throw FlatbufferFault{"an unknown precision"};
      if (precision == 0) return unread(field, "HALF", Layout::kFixed, 2);
      field.layout = Layout::kFixed;
      field.width = precision == 1 ? 4 : 8;
      field.kind = ValueKind::kReal;
      break;
    }
    case 4:
    case 5:
      text(false);
      break;
    case 6:
      field.layout = Layout::kBits;
      field.kind = ValueKind::kBoolean;
      break;
    case 7: {
      const auto bits = not_negative(type.number<int32_t>(2, 128), "a decimal");
      return unread(field, "Decimal", Layout::kFixed, bits / 8);
    }
    case 8:  // Date
      integer(field, type.number<int16_t>(0, 1) == 0 ? 4 : 8, true);
      break;
    case 9:  // Time
      integer(field, type.number<int32_t>(1, 32) == 64 ? 8 : 4, true);
      break;
    case 10:  // Timestamp
    case 18:  // Duration
      integer(field, 8, true);
      break;
    case 11: {
      const auto unit = type.number<int16_t>(0);
      return unread(field, "Interval", Layout::kFixed, unit == 0 ? 4 : unit == 1 ? 8 : 16);
    }
    case 12:
    case 17:  // a map is a list of structs
      field.layout = Layout::kList;
      break;
    case 13:
      field.layout = Layout::kStruct;
      break;
    case 14:
      field.large = type.number<int16_t>(0) == 1;
      return unread(field, "Union", Layout::kUnion);
    case 15:
      return unread(field, "FixedSizeBinary", Layout::kFixed,
                    not_negative(type.number<int32_t>(0), "a width"));
    case 16:
      field.layout = Layout::kFixedList;
      field.width = not_negative(type.number<int32_t>(0), "a list");
      break;
    case 19:
    case 20:
      text(true);
      break;
    case 21:
      field.layout = Layout::kList;
      field.large = true;
      break;
    case 22:
      return unread(field, "RunEndEncoded", Layout::kRunEnds);
    case 23:
    case 24:
      field.layout = Layout::kViews;
      field.kind = ValueKind::kText;
      break;
    case 25:
    case 26:
      return unread(field, "ListView", Layout::kListView);
    default:
      throw FlatbufferFault{fmt::format("field \"{}\" has the unknown type {}", field.name, kind)};
  }
}

Field read_field(const FlatTable& table, int depth, size_t& count) {
  if (depth > kMaxDepth)
    throw FlatbufferFault{fmt::format("fields nested deeper than {}", kMaxDepth)};
  if (++count > kMaxFields) throw FlatbufferFault{fmt::format("more than {} fields", kMaxFields)};
  Field field;
  field.name = std::string(table.text(0));
  read_type(table.number<uint8_t>(2), table.table(3), field);
  if (table.has(4)) {
    const FlatTable dictionary = table.table(4);
    field.dictionary = dictionary.number<int64_t>(0);
    if (dictionary.has(1)) {
      const FlatTable index = dictionary.table(1);
      field.index_width = bytes_of_int(index);
      field.index_signed = index.number<uint8_t>(1) != 0;
    }
  }
  const uint64_t num_children = table.size(5, sizeof(uint32_t));
  for (uint64_t i = 0; i < num_children; ++i)
    field.children.push_back(read_field(table.element(5, i), depth + 1, count));
  const bool list = field.layout == Layout::kList || field.layout == Layout::kFixedList ||
                    field.layout == Layout::kListView;
  if (list && field.children.size() != 1)
    throw FlatbufferFault{fmt::format("a list of {} fields", field.children.size())};
  return field;
}

std::vector<Field> read_schema(const FlatTable& schema) {
  if (schema.number<int16_t>(0) != 0) throw FlatbufferFault{"big-endian data is not read"};
  std::vector<Field> fields;
  size_t count = 0;
  for (uint64_t i = 0; i < schema.size(1, sizeof(uint32_t)); ++i)
    fields.push_back(read_field(schema.element(1, i), 0, count));
  return fields;
}

Batch read_batch(const FlatTable& table, uint64_t body_bytes) {
  Batch batch;
  batch.num_rows = not_negative(table.number<int64_t>(0), "a batch");
  for (uint64_t i = 0; i < table.size(1, kNodeBytes); ++i)
    batch.lengths.push_back(
        not_negative(table.number_in<int64_t>(1, i, kNodeBytes, 0), "a column"));
  for (uint64_t i = 0; i < table.size(2, kBufferBytes); ++i) {
    BufferExtent extent;
    extent.offset = not_negative(table.number_in<int64_t>(2, i, kBufferBytes, 0), "an offset");
    extent.size = not_negative(table.number_in<int64_t>(2, i, kBufferBytes, 8), "a buffer");
    if (extent.offset > body_bytes || extent.size > body_bytes - extent.offset)
      throw FlatbufferFault{"a buffer beyond its batch"};
    batch.buffers.push_back(extent);
  }
  if (table.has(3)) {
    const auto codec = table.table(3).number<int8_t>(0);
    if (codec != 0 && codec != 1) throw FlatbufferFault{fmt::format("codec {} is not read", codec)};
    batch.compression = codec == 0 ? Compression::kLz4Frame : Compression::kZstd;
  }
  for (uint64_t i = 0; i < table.size(4, sizeof(int64_t)); ++i)
    batch.variadic.push_back(
        not_negative(table.number_in<int64_t>(4, i, sizeof(int64_t), 0), "a number of buffers"));
  return batch;
}

}  // namespace

Message parse_message(std::string_view metadata) {
  const FlatTable table = FlatTable::root(metadata);
  Message message;
  message.version = table.number<int16_t>(0);
  message.body_bytes = not_negative(table.number<int64_t>(3), "a body");
  switch (table.number<uint8_t>(1)) {
    case 1:
      message.kind = Message::Kind::kSchema;
      message.fields = read_schema(table.table(2));
      break;
    case 2: {
      const FlatTable dictionary = table.table(2);
      message.kind = Message::Kind::kDictionary;
      message.dictionary = dictionary.number<int64_t>(0);
      message.batch = read_batch(dictionary.table(1), message.body_bytes);
      message.is_delta = dictionary.number<uint8_t>(2) != 0;
      break;
    }
    case 3:
      message.kind = Message::Kind::kBatch;
      message.batch = read_batch(table.table(2), message.body_bytes);
      break;
    default:
      break;
  }
  return message;
}

}  // namespace ponder::arrow
