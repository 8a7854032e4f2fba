// Thrift's compact protocol, as far as Parquet's metadata needs it, read with every length checked
// against the bytes that are there. Internal to this folder.
// Source: thrift/doc/specs/thrift-compact-protocol.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ponder::parquet {

enum class ThriftType : uint8_t {
  kStop = 0,
  kTrue = 1,
  kFalse = 2,
  kByte = 3,
  kI16 = 4,
  kI32 = 5,
  kI64 = 6,
  kDouble = 7,
  kBinary = 8,
  kList = 9,
  kSet = 10,
  kMap = 11,
  kStruct = 12,
};

// The bytes ended inside a value: more of them may help.
struct ThriftEnd {};
// The bytes are no such value; `what` says why.
struct ThriftFault {
  std::string what;
};

class ThriftReader {
 public:
  explicit ThriftReader(std::string_view bytes) : bytes_(bytes) {}

  size_t position() const { return at_; }

  // Calls on_field(id, type) for each field; it must read the field's value and return true, or
  // leave it and return false, and the value is skipped.
  template <class OnField>
  void read_struct(const OnField& on_field) {
    enter();
    int16_t id = 0;
    for (;;) {
      const ThriftType type = next_field(id);
      if (type == ThriftType::kStop) break;
      if (!on_field(id, type)) skip(type);
    }
    --depth_;
  }
  // Calls on_element(type) for each element, which must read it.
  template <class OnElement>
  void read_list(const OnElement& on_element) {
    ThriftType type;
    const uint32_t size = list_header(type);
    for (uint32_t i = 0; i < size; ++i) on_element(type);
  }

  int64_t integer(ThriftType type);  // byte, i16, i32, i64
  int32_t integer32(ThriftType type);
  bool boolean(ThriftType type);  // of a field: its type is its value
  std::string_view binary(ThriftType type);
  void skip(ThriftType type);

 private:
  void enter();
  ThriftType next_field(int16_t& id);
  uint32_t list_header(ThriftType& element);
  uint8_t byte();
  uint64_t varint();
  std::string_view take(uint64_t num_bytes);

  std::string_view bytes_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace ponder::parquet
