#include "data/row_source.h"

#include <fmt/format.h>

#include "base/error.h"
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
  // A look into a pipe would use it up; Parquet begins at its end, which a pipe does not have.
  std::error_code unknown;
  const bool can_be_parquet = std::filesystem::is_regular_file(file, unknown);
  if (can_be_parquet && parquet::is_parquet(file))
    return std::make_unique<SourceOf<parquet::ParquetReader>>(file);
  return std::make_unique<SourceOf<JsonRowReader>>(file);
}

const Json* PeekedRows::first_object() {
  const auto on_bad = [&](uint64_t line, uint64_t byte_offset, const std::string& problem) {
    if (first_problem_.empty())
      first_problem_ = fmt::format("line {}, byte {}: {}", line, byte_offset, problem);
    seen_.push_back({{Json(), line, byte_offset}, problem});
    if (seen_.size() < kMostPeeked) return;
    throw Error(name(),
                fmt::format("the first {} rows are no JSON objects; first: {}", kMostPeeked,
                            first_problem_),
                "see the layouts in docs/data.md");
  };
  while (seen_.size() < kMostPeeked) {
    Seen seen;
    if (!rows_->next(seen.row, on_bad)) return nullptr;
    seen_.push_back(std::move(seen));
    if (seen_.back().row.value.is_object()) return &seen_.back().row.value;
  }
  return nullptr;
}

bool PeekedRows::next(JsonRow& row, const JsonRowReader::OnBad& on_bad) {
  while (!seen_.empty()) {
    Seen seen = std::move(seen_.front());
    seen_.pop_front();
    if (!seen.problem) {
      row = std::move(seen.row);
      return true;
    }
    if (!on_bad) throw Error(fmt::format("{}:{}", name(), seen.row.line), *seen.problem);
    on_bad(seen.row.line, seen.row.byte_offset, *seen.problem);
  }
  return rows_->next(row, on_bad);
}

}  // namespace ponder::data
