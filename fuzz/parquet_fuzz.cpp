// A whole Parquet file. Refused by an Error, or its rows are objects that can be written as JSON;
// no byte beyond the file is asked for.
#include <cstring>

#include "base/error.h"
#include "parquet/parquet.h"
#include "row_fuzz.h"

namespace {

class MemoryFile : public ponder::parquet::RandomAccess {
 public:
  MemoryFile(const uint8_t* data, size_t size) : bytes_(ponder::fuzz::text_of(data, size)) {}
  uint64_t size() const override { return bytes_.size(); }
  std::string read(uint64_t offset, uint64_t num_bytes) const override {
    ponder::fuzz::require(offset <= bytes_.size() && num_bytes <= bytes_.size() - offset,
                          "reads stay inside the file");
    return bytes_.substr(offset, num_bytes);
  }

 private:
  std::string bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ponder;
  try {
    parquet::ParquetReader reader(std::make_unique<MemoryFile>(data, size), "input");
    fuzz::rows_are_objects(reader);
  } catch (const Error& error) {
    fuzz::require(!error.where().empty() && !error.problem().empty(), "an error says where");
  }
  return 0;
}
