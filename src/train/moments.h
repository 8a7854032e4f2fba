// One of AdamW's moments: a number for every parameter, in f32 or, at half the memory, in bf16. A
// bf16 keeps eight bits of a value, and one update moves a moment by less than the last of them, so
// rounding to nearest would leave it where it is for ever; values are rounded stochastically
// instead, up as often as they are far from below, so that their mean is exact. The random bits are
// a hash of (key, element): a function of the run, not of threads or time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/buffer.h"
#include "tensor/dtype.h"

namespace ponder::train {

class Moments {
 public:
  // `size` zeros. `storage`: kF32 or kBF16; Error for another.
  Moments(std::string name, int64_t size, tensor::DType storage);

  int64_t size() const { return size_; }
  tensor::DType storage() const { return storage_; }
  int64_t size_bytes() const { return buffer_.size_bytes(); }

  // Elements from `begin` on: the values themselves (f32 only),
  float* f32(int64_t begin) { return buffer_.data() + begin; }
  // or widened, and stored again, rounded stochastically by `key` where bf16 cannot hold them.
  void read(int64_t begin, std::span<float> to) const;
  void write(int64_t begin, std::span<const float> values, uint64_t key);

  std::vector<float> values() const;  // all of them, widened
  // As they lie.
  std::span<std::byte> bytes() { return std::as_writable_bytes(buffer_.span()); }

 private:
  uint16_t* bf16() { return reinterpret_cast<uint16_t*>(buffer_.data()); }
  const uint16_t* bf16() const { return reinterpret_cast<const uint16_t*>(buffer_.data()); }

  int64_t size_;
  tensor::DType storage_;
  tensor::Buffer buffer_;
};

// to[i] = values[i] as bf16, up or down with the probability of how near each is; element i is
// number `first + i` of all. Values must be finite.
void round_stochastically(uint16_t* to, const float* values, int64_t count, uint64_t first,
                          uint64_t key);

}  // namespace ponder::train
