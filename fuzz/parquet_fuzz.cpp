// A whole Parquet file. Refused by an Error, or its rows are objects that can be written as JSON;
// no byte beyond the file is asked for.
#include <cstring>

#include "base/error.h"
#include "fuzz.h"
#include "parquet/parquet.h"

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
    JsonRow row;
    const auto on_bad = [](uint64_t line, uint64_t, const std::string& problem) {
      fuzz::require(line > 0 && !problem.empty(), "a bad row is named");
    };
    for (int rows = 0; rows < 2000 && reader.next(row, on_bad); ++rows) {
      fuzz::require(row.value.is_object(), "a row is an object");
      if (rows < 20) dump_json(row.value);
    }
  } catch (const Error& error) {
    fuzz::require(!error.where().empty() && !error.problem().empty(), "an error says where");
  }
  return 0;
}
