#include "data/row_source.h"

#include "parquet/parquet.h"

namespace ponder::data {
namespace {

template <class Reader>
class SourceOf : public RowSource {
 public:
  explicit SourceOf(const std::filesystem::path& file) : reader_(file) {}
  bool next(JsonRow& row, const JsonRowReader::OnBad& on_bad) override {
    return reader_.next(row, on_bad);
  }
  const std::string& name() const override { return reader_.name(); }

 private:
  Reader reader_;
};

}  // namespace

std::unique_ptr<RowSource> RowSource::open(const std::filesystem::path& file) {
  if (parquet::is_parquet(file)) return std::make_unique<SourceOf<parquet::ParquetReader>>(file);
  return std::make_unique<SourceOf<JsonRowReader>>(file);
}

}  // namespace ponder::data
