#include "tensor/buffer.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace ponder::tensor {

void Buffer::Free::operator()(float* p) const { std::free(p); }

Buffer::Buffer(std::string name, int64_t size) : name_(std::move(name)), size_(size) {
  if (size == 0) return;
  // Large buffers ask for huge pages: weights are streamed once a step, and walking page tables
  // (twice over in a virtual machine) costs a tenth of that.
  constexpr size_t kHugePage = size_t{2} << 20;
  const bool huge = static_cast<size_t>(size) * sizeof(float) >= 2 * kHugePage;
  const size_t alignment = huge ? kHugePage : 64;
  const size_t bytes = (static_cast<size_t>(size) * sizeof(float) + 63) / 64 * 64;
  void* memory = nullptr;
  if (::posix_memalign(&memory, alignment, bytes) != 0) memory = nullptr;
  data_.reset(static_cast<float*>(memory));
  if (!data_) {
    throw Error(name_,
                fmt::format("no memory for {:.1f} MiB", static_cast<double>(bytes) / 1048576.0),
                "use a smaller batch or model, or turn recomputation on");
  }
#ifdef MADV_HUGEPAGE
  if (huge) ::madvise(memory, bytes / 4096 * 4096, MADV_HUGEPAGE);  // a wish: may be refused
#endif
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

}  // namespace ponder::tensor
