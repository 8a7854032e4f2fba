#include "gguf/gguf_file.h"

namespace ponder::gguf {
namespace {

constexpr uint32_t kVersion = 3;
enum ValueType : uint32_t { kU32 = 4, kI32 = 5, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9 };

template <class Number>
void put(std::string& to, Number value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& to, std::string_view text) {
  put<uint64_t>(to, text.size());
  to.append(text);
}

}  // namespace

void GgufMetadata::begin(std::string_view key, uint32_t type) {
  ++size_;
  put_text(bytes_, key);
  put(bytes_, type);
}

void GgufMetadata::add_u32(std::string_view key, uint32_t value) {
  begin(key, kU32);
  put(bytes_, value);
}

void GgufMetadata::add_f32(std::string_view key, float value) {
  begin(key, kFloat32);
  put(bytes_, value);
}

void GgufMetadata::add_bool(std::string_view key, bool value) {
  begin(key, kBool);
  put<uint8_t>(bytes_, value ? 1 : 0);
}

void GgufMetadata::add_string(std::string_view key, std::string_view value) {
  begin(key, kString);
  put_text(bytes_, value);
}

void GgufMetadata::add_strings(std::string_view key, const std::vector<std::string>& values) {
  begin(key, kArray);
  put<uint32_t>(bytes_, kString);
  put<uint64_t>(bytes_, values.size());
  for (const std::string& value : values) put_text(bytes_, value);
}

void GgufMetadata::add_i32s(std::string_view key, const std::vector<int32_t>& values) {
  begin(key, kArray);
  put<uint32_t>(bytes_, kI32);
  put<uint64_t>(bytes_, values.size());
  for (const int32_t value : values) put(bytes_, value);
}

int64_t GgufTensor::num_elements() const {
  int64_t product = 1;
  for (const int64_t n : shape) product *= n;
  return product;
}

uint64_t GgufTensor::num_bytes() const {
  return static_cast<uint64_t>(num_elements() / block_size(type) * block_bytes(type));
}

std::string gguf_header(const GgufMetadata& metadata, const std::vector<GgufTensor>& tensors) {
  std::string header = "GGUF";
  put(header, kVersion);
  put<uint64_t>(header, tensors.size());
  put<uint64_t>(header, metadata.size());
  header += metadata.bytes();
  uint64_t offset = 0;
  for (const GgufTensor& tensor : tensors) {
    put_text(header, tensor.name);
    put(header, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;)
      put(header, static_cast<uint64_t>(tensor.shape[i]));
    put(header, static_cast<uint32_t>(tensor.type));
    put(header, offset);
    offset += tensor.num_bytes() + gguf_padding(tensor.num_bytes());
  }
  header.append(gguf_padding(header.size()), '\0');
  return header;
}

}  // namespace ponder::gguf
