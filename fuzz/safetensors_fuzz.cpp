// A whole safetensors file. Refused by an Error, or every tensor lies in the file, none overlaps
// another, and all of them can be read.
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "fuzz.h"
#include "tensor/safetensors.h"

namespace {

// A file without a place on any disk, under a path that can be opened.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    ponder::fuzz::require(fd_ >= 0, "a file in memory");
    for (size_t done = 0; done < size;) {
      const ssize_t n = ::write(fd_, data + done, size - done);
      ponder::fuzz::require(n > 0, "writing to memory");
      done += static_cast<size_t>(n);
    }
  }
  ~MemoryFile() { ::close(fd_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ponder;
  using fuzz::require;
  const MemoryFile memory(data, size);
  try {
    const tensor::SafetensorsFile file(memory.path());
    uint64_t covered = 0;
    for (const tensor::TensorEntry& entry : file.tensors()) {
      require(entry.begin <= entry.end && entry.end <= size, "a tensor lies in its file");
      require(covered == 0 || entry.begin == covered, "tensors follow one another without a gap");
      covered = entry.end;
      int64_t elements = 1;
      for (const int64_t n : entry.shape) elements *= n;
      require(elements == entry.num_elements(), "a shape has the elements that are stored");
      require(file.find(entry.name) == &entry, "a tensor is found by its name");
      std::vector<float> values(static_cast<size_t>(elements));
      file.read_f32(entry, values);
    }
    require(covered == 0 || covered == size, "tensors fill the file");
  } catch (const Error& error) {
    require(!error.problem().empty() && !error.where().empty(), "an error says where and what");
  }
  return 0;
}
