#include "train/moments.h"

#include "base/error.h"

namespace ponder::train {

Moments::Moments(std::string name, int64_t size, tensor::DType storage)
    : size_(size),
      storage_(storage),
      buffer_(name, storage == tensor::DType::kF32 ? size : (size + 1) / 2) {
  if (storage == tensor::DType::kF16)
    throw Error(name, "moments are float32 or bfloat16, not float16");
}

void Moments::read(int64_t begin, std::span<float> to) const {
  const char* from = storage_ == tensor::DType::kF32
                         ? reinterpret_cast<const char*>(buffer_.data() + begin)
                         : reinterpret_cast<const char*>(bf16() + begin);
  tensor::to_f32(to, from, storage_);
}

void Moments::write(int64_t begin, std::span<const float> values, uint64_t key) {
  const auto count = static_cast<int64_t>(values.size());
  if (storage_ == tensor::DType::kBF16) {
    round_stochastically(bf16() + begin, values.data(), count, static_cast<uint64_t>(begin), key);
    return;
  }
  for (int64_t i = 0; i < count; ++i) f32(begin)[i] = values[static_cast<size_t>(i)];
}

std::vector<float> Moments::values() const {
  std::vector<float> all(static_cast<size_t>(size_));
  read(0, all);
  return all;
}

}  // namespace ponder::train
