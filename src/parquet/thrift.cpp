#include "parquet/thrift.h"

#include <fmt/format.h>

namespace ponder::parquet {
namespace {

constexpr int kMaxThriftDepth = 32;

int64_t unzigzag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

}  // namespace

void ThriftReader::enter() {
  if (++depth_ > kMaxThriftDepth)
    throw ThriftFault{fmt::format("nested deeper than {}", kMaxThriftDepth)};
}

uint8_t ThriftReader::byte() {
  if (at_ >= bytes_.size()) throw ThriftEnd{};
  return static_cast<uint8_t>(bytes_[at_++]);
}

uint64_t ThriftReader::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    const uint8_t b = byte();
    if (shift == 63 && b > 1) break;
    value |= static_cast<uint64_t>(b & 0x7F) << shift;
    if (!(b & 0x80)) return value;
  }
  throw ThriftFault{"an integer of more than 64 bits"};
}

std::string_view ThriftReader::take(uint64_t num_bytes) {
  if (num_bytes > bytes_.size() - at_) throw ThriftEnd{};
  const std::string_view bytes = bytes_.substr(at_, num_bytes);
  at_ += num_bytes;
  return bytes;
}

ThriftType ThriftReader::next_field(int16_t& id) {
  const uint8_t head = byte();
  if (head == 0) return ThriftType::kStop;
  const int delta = head >> 4;
  id = static_cast<int16_t>(delta ? id + delta : unzigzag(varint()));
  const uint8_t type = head & 0x0F;
  if (type == 0 || type > static_cast<uint8_t>(ThriftType::kStruct)) {
    throw ThriftFault{fmt::format("field {} of unknown type {}", id, type)};
  }
  return static_cast<ThriftType>(type);
}

uint32_t ThriftReader::list_header(ThriftType& element) {
  const uint8_t head = byte();
  uint64_t size = head >> 4;
  if (size == 15) size = varint();
  element = static_cast<ThriftType>(head & 0x0F);
  if ((head & 0x0F) == 0 || (head & 0x0F) > static_cast<uint8_t>(ThriftType::kStruct)) {
    throw ThriftFault{fmt::format("a list of unknown type {}", head & 0x0F)};
  }
  // Every element takes at least one byte.
  if (size > bytes_.size() - at_) throw ThriftEnd{};
  return static_cast<uint32_t>(size);
}

int64_t ThriftReader::integer(ThriftType type) {
  switch (type) {
    case ThriftType::kByte:
      return static_cast<int8_t>(byte());
    case ThriftType::kI16:
    case ThriftType::kI32:
    case ThriftType::kI64:
      return unzigzag(varint());
    default:
      throw ThriftFault{fmt::format("expected an integer, found type {}", static_cast<int>(type))};
  }
}

int32_t ThriftReader::integer32(ThriftType type) {
  const int64_t value = integer(type);
  if (value < INT32_MIN || value > INT32_MAX) {
    throw ThriftFault{fmt::format("expected 32 bits, found {}", value)};
  }
  return static_cast<int32_t>(value);
}

bool ThriftReader::boolean(ThriftType type) {
  if (type != ThriftType::kTrue && type != ThriftType::kFalse) {
    throw ThriftFault{fmt::format("expected a boolean, found type {}", static_cast<int>(type))};
  }
  return type == ThriftType::kTrue;
}

std::string_view ThriftReader::binary(ThriftType type) {
  if (type != ThriftType::kBinary) {
    throw ThriftFault{fmt::format("expected text, found type {}", static_cast<int>(type))};
  }
  return take(varint());
}

void ThriftReader::skip(ThriftType type) {
  switch (type) {
    case ThriftType::kStop:
    case ThriftType::kTrue:
    case ThriftType::kFalse:
      return;
    case ThriftType::kByte:
      byte();
      return;
    case ThriftType::kI16:
    case ThriftType::kI32:
    case ThriftType::kI64:
      varint();
      return;
    case ThriftType::kDouble:
      take(8);
      return;
    case ThriftType::kBinary:
      take(varint());
      return;
    case ThriftType::kList:
    case ThriftType::kSet:
      enter();
      read_list([&](ThriftType element) {
        const bool boolean = element == ThriftType::kTrue || element == ThriftType::kFalse;
        skip(boolean ? ThriftType::kByte : element);  // in a list a boolean is a byte
      });
      --depth_;
      return;
    case ThriftType::kMap: {
      enter();
      const uint64_t size = varint();
      if (size > bytes_.size() - at_) throw ThriftEnd{};
      const uint8_t types = size > 0 ? byte() : 0;
      for (uint64_t i = 0; i < size; ++i) {
        for (const int half : {types >> 4, types & 0x0F}) {
          if (half == 0 || half > static_cast<int>(ThriftType::kStruct)) {
            throw ThriftFault{"a map of unknown types"};
          }
          const auto each = static_cast<ThriftType>(half);
          skip(half <= 2 ? ThriftType::kByte : each);
        }
      }
      --depth_;
      return;
    }
    case ThriftType::kStruct:
      read_struct([](int16_t, ThriftType) { return false; });
      return;
  }
}

}  // namespace ponder::parquet
