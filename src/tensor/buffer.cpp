#include "tensor/buffer.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace ponder {

void Buffer::Free::operator()(float* p) const { std::free(p); }

Buffer::Buffer(std::string name, int64_t size) : name_(std::move(name)), size_(size) {
  if (size == 0) return;
  const size_t bytes = (static_cast<size_t>(size) * sizeof(float) + 63) / 64 * 64;
  data_.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
  if (!data_) {
    throw Error(name_,
                fmt::format("no memory for {:.1f} MiB", static_cast<double>(bytes) / 1048576.0),
                "use a smaller batch or model, or turn recomputation on");
  }
  std::memset(data_.get(), 0, bytes);
}

void Buffer::reserve(int64_t size) {
  if (size <= size_) return;
  data_.reset();
  *this = Buffer(std::move(name_), size);
}

void Buffer::zero() {
  if (size_ > 0) std::memset(data_.get(), 0, static_cast<size_t>(size_bytes()));
}

}  // namespace ponder
