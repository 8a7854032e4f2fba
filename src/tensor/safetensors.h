// The safetensors format (https://github.com/huggingface/safetensors#format): an 8-byte
// little-endian header length, a JSON header of name -> {dtype, shape, data_offsets}, then the
// bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace ponder::tensor {

struct TensorEntry {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes, from the start of the file
  int64_t num_elements() const;
};

// One file, its header checked whole (lengths, UTF-8, duplicates, overlaps, gaps, dtype against
// size) before any data is read; no large allocation follows from a lying header. Reads by pread,
// so threads may read at once.
class SafetensorsFile {
 public:
  // Throws Error naming tensor and offset.
  explicit SafetensorsFile(const std::filesystem::path& path);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&&) noexcept;

  const std::vector<TensorEntry>& tensors() const;         // in file order
  const TensorEntry* find(const std::string& name) const;  // nullptr when absent
  const std::map<std::string, std::string>& metadata() const;
  // Converts the tensor's elements to f32 into `to`, whose size must be num_elements().
  void read_f32(const TensorEntry& tensor, std::span<float> to) const;
  // The tensor's bytes [offset, offset + to.size()) as they are stored.
  void read_bytes(const TensorEntry& tensor, uint64_t offset, std::span<char> to) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What to write: f32 values where they lie (borrowed until write_safetensors returns), or a
// function that gives them piece by piece.
struct TensorToWrite {
  std::string name;
  std::vector<int64_t> shape;
  std::span<const float> values = {};
  // Elements [begin, begin + to.size()); asked for in ascending order, each once.
  std::function<void(int64_t begin, std::span<float> to)> read = nullptr;
  int64_t num_elements() const;  // by its shape
};

// Writes atomically (write_file_atomic), tensors in the order given without gaps (the format allows
// none), the header padded with spaces so that the data begins at a multiple of 8, as the reference
// implementation does. Byte-identical for identical input. Throws Error for a repeated name or a
// shape that disagrees with the values.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                       DType dtype, const std::map<std::string, std::string>& metadata = {});

}  // namespace ponder::tensor
