// A named, 64-byte aligned, zero-initialised array of floats: what every large piece of memory is
// made of.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace ponder::tensor {

class Buffer {
 public:
  Buffer() = default;
  // Throws Error naming the buffer and its size when memory is short.
  Buffer(std::string name, int64_t size);

  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  int64_t size() const { return size_; }
  const std::string& name() const { return name_; }
  int64_t size_bytes() const { return size_ * static_cast<int64_t>(sizeof(float)); }

  std::span<float> span() { return {data_.get(), static_cast<size_t>(size_)}; }
  std::span<const float> span() const { return {data_.get(), static_cast<size_t>(size_)}; }
  // Elements [begin, begin + count).
  std::span<float> slice(int64_t begin, int64_t count) {
    return span().subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
  }
  std::span<const float> slice(int64_t begin, int64_t count) const {
    return span().subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
  }
  // Makes room for at least `size` elements; contents are lost when it has to grow.
  void reserve(int64_t size);
  void zero();

 private:
  struct Free {
    void operator()(float* p) const;
  };
  std::string name_;
  std::unique_ptr<float[], Free> data_;
  int64_t size_ = 0;
};

}  // namespace ponder::tensor
