// Flatbuffers as far as Arrow's messages need them, each read checked against the bytes that are
// there. Internal to this folder. Source: flatbuffers.dev, "FlatBuffer internals".
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ponder::arrow {

// The bytes are no such table; `what` says why.
struct FlatbufferFault {
  std::string what;
};

// A little-endian number at `at`.
template <class T>
T number_at(std::string_view bytes, uint64_t at) {
  if (at > bytes.size() || sizeof(T) > bytes.size() - at)
    throw FlatbufferFault{"it ends too early"};
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// Borrows the bytes. Fields are numbered in the order of the schema; an absent one has its default.
class FlatTable {
 public:
  static FlatTable root(std::string_view bytes) {
    return FlatTable(bytes, number_at<uint32_t>(bytes, 0));
  }

  bool has(int field) const { return position(field) != 0; }
  template <class T>
  T number(int field, T fallback = {}) const {
    const uint64_t at = position(field);
    return at == 0 ? fallback : number_at<T>(bytes_, at);
  }
  std::string_view text(int field) const {
    const Vector vector = vector_of(field, 1);
    return bytes_.substr(vector.begin, vector.size);
  }
  FlatTable table(int field) const {
    const uint64_t at = position(field);
    if (at == 0) throw FlatbufferFault{"a table is absent"};
    return FlatTable(bytes_, at + number_at<uint32_t>(bytes_, at));
  }
  // Of a vector of elements of so many bytes; 0 where it is absent.
  uint64_t size(int field, uint64_t element_bytes) const {
    return vector_of(field, element_bytes).size;
  }
  FlatTable element(int field, uint64_t index) const {
    const uint64_t at = element_at(field, index, sizeof(uint32_t));
    return FlatTable(bytes_, at + number_at<uint32_t>(bytes_, at));
  }
  // Of a vector of structs of so many bytes: the number at `offset` in one of them.
  template <class T>
  T number_in(int field, uint64_t index, uint64_t element_bytes, uint64_t offset) const {
    return number_at<T>(bytes_, element_at(field, index, element_bytes) + offset);
  }

 private:
  struct Vector {
    uint64_t begin = 0, size = 0;
  };

  FlatTable(std::string_view bytes, uint64_t at) : bytes_(bytes), at_(at) {
    const auto distance = number_at<int32_t>(bytes_, at_);
    const int64_t vtable = static_cast<int64_t>(at_) - distance;
    if (vtable < 0) throw FlatbufferFault{"a table before its beginning"};
    vtable_ = static_cast<uint64_t>(vtable);
    vtable_bytes_ = number_at<uint16_t>(bytes_, vtable_);
  }
  uint64_t position(int field) const {
    const uint64_t entry = 4 + 2 * static_cast<uint64_t>(field);
    if (entry + 2 > vtable_bytes_) return 0;
    const auto offset = number_at<uint16_t>(bytes_, vtable_ + entry);
    return offset == 0 ? 0 : at_ + offset;
  }
  Vector vector_of(int field, uint64_t element_bytes) const {
    const uint64_t at = position(field);
    if (at == 0) return {};
    const uint64_t begin = at + number_at<uint32_t>(bytes_, at);
    const uint64_t size = number_at<uint32_t>(bytes_, begin);
    if (size > (bytes_.size() - begin - 4) / element_bytes)
      throw FlatbufferFault{"a vector that ends too early"};
    return {begin + 4, size};
  }
  uint64_t element_at(int field, uint64_t index, uint64_t element_bytes) const {
    const Vector vector = vector_of(field, element_bytes);
    if (index >= vector.size) throw FlatbufferFault{"fewer elements than there should be"};
    return vector.begin + index * element_bytes;
  }

  std::string_view bytes_;
  uint64_t at_ = 0, vtable_ = 0, vtable_bytes_ = 0;
};

}  // namespace ponder::arrow
