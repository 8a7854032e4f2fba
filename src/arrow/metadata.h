// What the messages of Arrow IPC data say: the schema, and where the buffers of a batch are. Internal
// to this folder. Source: apache/arrow, format/Schema.fbs and format/Message.fbs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arrow/flatbuffer.h"

namespace ponder::arrow {

// How the values of a field lie in buffers.
enum class Layout {
  kNull,       // no buffer
  kBits,       // validity, a bit a value
  kFixed,      // validity, values of `width` bytes
  kOffsets,    // validity, offsets, bytes
  kViews,      // validity, views, as many buffers of bytes as the batch says
  kList,       // validity, offsets; a child
  kListView,   // validity, offsets, sizes; a child
  kFixedList,  // validity; a child with `width` elements a value
  kStruct,     // validity; children
  kUnion,      // type ids, of a dense one offsets; children
  kRunEnds,    // none; children
};
enum class ValueKind { kNone, kBoolean, kSigned, kUnsigned, kReal, kText };

struct Field {
  std::string name;
  Layout layout = Layout::kNull;
  ValueKind kind = ValueKind::kNone;
  uint64_t width = 0;
  bool large = false;                 // offsets of 64 bits; a union: dense
  std::optional<int64_t> dictionary;  // whose values the integers of width `index_width` point at
  uint64_t index_width = 4;
  bool index_signed = true;
  std::vector<Field> children;
  std::string unread;  // why values of this type are not read, "" where they are
};

struct BufferExtent {
  uint64_t offset = 0, size = 0;  // in the body
};

enum class Compression { kNone, kLz4Frame, kZstd };

struct Batch {
  uint64_t num_rows = 0;
  std::vector<uint64_t> lengths;  // of each field, parents before their children
  std::vector<BufferExtent> buffers;
  std::vector<uint64_t> variadic;  // of each field of views: buffers of bytes
  Compression compression = Compression::kNone;
};

struct Message {
  enum class Kind { kSchema, kDictionary, kBatch, kOther };
  Kind kind = Kind::kOther;
  uint64_t body_bytes = 0;
  int version = 0;            // 4 is V5: unions have no validity
  std::vector<Field> fields;  // of a schema
  Batch batch;                // of a batch or a dictionary
  int64_t dictionary = 0;
  bool is_delta = false;  // the dictionary goes on
};

// Throws FlatbufferFault, also for big-endian data, fields nested deeper than 32 and more than 10,000
// of them, and buffers beyond the body.
Message parse_message(std::string_view metadata);

}  // namespace ponder::arrow
