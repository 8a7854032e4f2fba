// Arrow IPC data. Refused by an Error, or its rows are objects that can be written as JSON.
#include <algorithm>
#include <cstring>

#include "arrow/arrow.h"
#include "base/error.h"
#include "row_fuzz.h"

namespace {

class MemoryBytes : public ponder::ByteSource {
 public:
  MemoryBytes(const uint8_t* data, size_t size) : bytes_(ponder::fuzz::text_of(data, size)) {}
  size_t read(char* out, size_t num_bytes) override {
    const size_t n = std::min(num_bytes, bytes_.size() - at_);
    std::memcpy(out, bytes_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ponder;
  try {
    arrow::ArrowReader reader(std::make_unique<MemoryBytes>(data, size), "input");
    fuzz::rows_are_objects(reader);
  } catch (const Error& error) {
    fuzz::require(!error.where().empty() && !error.problem().empty(), "an error says where");
  }
  return 0;
}
